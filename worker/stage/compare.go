package stage

import (
	"context"
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt/checkpoint"
)

// reproduced is a comparison's result.
type reproduced struct {
	Dataset string `json:"dataset,omitempty"`
	Weights string `json:"weights_sha256,omitempty"`
}

// runCompare holds what was made again to a model's manifest.
func runCompare(ctx context.Context, env Env, st wire.Stage) (r wire.TaskResult, err error) {
	text, err := lake.Read(ctx, env.Blobs, st.Inputs["manifest"])
	if err != nil {
		return r, fmt.Errorf("model manifest: %w", err)
	}
	var m wire.ModelManifest
	if err := json.Unmarshal(text, &m); err != nil {
		return r, fmt.Errorf("model manifest %s: %w", st.Inputs["manifest"], err)
	}
	var same reproduced
	if same.Dataset = st.Inputs["dataset"]; same.Dataset != "" {
		d, err := lake.FirstDifference(ctx, env.Blobs, m.Dataset, same.Dataset)
		if err != nil {
			return r, fmt.Errorf("compare datasets: %w", err)
		}
		if told := st.Inputs["difference"]; d != nil && told != "" { // where it stands in the source
			text, err := lake.Read(ctx, env.Blobs, told)
			if err != nil {
				return r, fmt.Errorf("difference: %w", err)
			}
			return r, differs(m, "the events are not those that it learned from: %s", text)
		}
		if d != nil {
			return r, differs(m, "the events are not those that it learned from: %s", d)
		}
	}
	if hash := st.Inputs["weights"]; hash != "" {
		_, made, err := checkpoint.LoadWeights(ctx, env.Blobs, hash)
		if err != nil {
			return r, err
		}
		if same.Weights = made.Hash; same.Weights != m.WeightsHash {
			return r, differs(m, "the weights come to %s, not %s", same.Weights, m.WeightsHash)
		}
	}
	env.Logger.Info("reproduced", "model", m.Model, "dataset", same.Dataset, "weights_sha256", same.Weights)
	r.Outputs = map[string]string{}
	r.Result, err = result("reproduced", same)
	return r, err
}

// differs is an error that no retry helps.
func differs(m wire.ModelManifest, format string, args ...any) error {
	return &source.InputError{File: "model " + m.Model, Text: fmt.Sprintf(format, args...)}
}
