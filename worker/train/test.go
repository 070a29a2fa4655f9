package train

import (
	"context"
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dkt"
	"cohort/dkt/baseline"
	"cohort/dkt/checkpoint"
	"cohort/dkt/input"
	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// tested is a test's result.
type tested struct {
	Test      metric.Binary            `json:"test"`
	Baselines map[string]metric.Binary `json:"baselines,omitempty"`
}

// Test measures weights on the students of the test part, beside the baselines
// on the same answers.
func Test(ctx context.Context, env Env, a wire.Assignment) (r wire.TaskResult, err error) {
	s, err := settings[wire.TestSettings](a.Stage)
	if err != nil {
		return r, err
	}
	if s, err = tunedTest(ctx, env, a.Stage.Inputs, s); err != nil {
		return r, err
	}
	data, err := load(ctx, env, a.Stage.Inputs, s.Split, s.Window)
	if err != nil {
		return r, err
	}
	p, err := weights(ctx, env, a.Stage.Inputs["weights"], data)
	if err != nil {
		return r, err
	}
	e, err := engine(env, a, p.Shape, s.Model, s.Train.Kernels)
	if err != nil {
		return r, err
	}
	defer e.Close() //nolint:errcheck // nothing to lose
	env.Progress(wire.Progress{Message: "testing"})
	var out tested
	out.Test, err = dkt.Evaluate(ctx, e, p, data.parts[sequence.Test], dkt.Seat{Size: 1}, dkt.Alone{})
	if err != nil {
		return r, fmt.Errorf("test: %w", err)
	}
	env.Logger.Info("tested", "auc", out.Test.AUC, "accuracy", out.Test.Accuracy, "f1", out.Test.F1, "log_loss", out.Test.LogLoss, "answers", out.Test.Answers)
	if s.Baselines {
		env.Progress(wire.Progress{Message: "fitting the baselines"})
		if out.Baselines, err = baselines(data, s.Train.Seed); err != nil {
			return r, err
		}
	}
	r.Outputs = map[string]string{}
	if r.Result, err = json.Marshal(out); err == nil && s.Split.Folds > 0 { // somebody gathers them
		r.Outputs["test"], err = lake.Write(ctx, env.Blobs, r.Result)
	}
	return r, err
}

func weights(ctx context.Context, env Env, hash string, c *corpus) (*kernels.Params, error) {
	p, _, err := checkpoint.LoadWeights(ctx, env.Blobs, hash)
	if err != nil {
		return nil, err
	}
	if p.Shape.Skills != len(c.skills) {
		return nil, inputf("weights %s know %d skills, the data has %d", hash, p.Shape.Skills, len(c.skills))
	}
	if want := input.Vocabulary(len(c.skills), c.inputs).Shape(p.Shape); p.Shape != want {
		return nil, inputf("weights %s take other inputs than the data has: %+v, %+v", hash, p.Shape, want)
	}
	return p, nil
}

// baselines see skill and correctness alone, whatever the model takes beside, so
// that models with and without further inputs are compared with the same.
func baselines(c *corpus, seed uint32) (map[string]metric.Binary, error) {
	skills := len(c.skills)
	train, test := c.parts[sequence.Train].Plain(skills), c.parts[sequence.Test].Plain(skills)
	mean, err := baseline.SkillMean(train, test, skills)
	if err != nil {
		return nil, fmt.Errorf("skill mean: %w", err)
	}
	logistic, err := baseline.Logistic(train, test, skills, seed)
	if err != nil {
		return nil, fmt.Errorf("logistic regression: %w", err)
	}
	return map[string]metric.Binary{"skill_mean": mean, "logistic": logistic}, nil
}
