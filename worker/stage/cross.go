package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"math"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// runCross gathers the folds of a cross-validation.
func runCross(ctx context.Context, env Env, s wire.Stage) (r wire.TaskResult, err error) {
	set, err := settings[wire.CrossSettings](s)
	if err != nil {
		return r, err
	}
	env.Progress(wire.Progress{Message: "gathering folds"})
	type tested struct {
		Test struct {
			AUC float64 `json:"auc"`
		} `json:"test"`
	}
	folds, err := readAll[tested](ctx, env, s.Inputs)
	if err != nil {
		return r, err
	}
	var auc []float64
	for k := 1; k <= set.Folds; k++ {
		fold, ok := folds[wire.FoldStage(k)]
		if !ok {
			return r, inputf("cross_validate: fold %d of %d is missing", k, set.Folds)
		}
		auc = append(auc, fold.Test.AUC)
	}
	came := spread(auc)
	env.Logger.Info("cross-validated", "folds", set.Folds, "mean_auc", came.Mean, "spread", came.Spread)
	text, err := json.Marshal(came)
	if err != nil {
		return r, fmt.Errorf("encode folds: %w", err)
	}
	hash, err := lake.Write(ctx, env.Blobs, text)
	if err != nil {
		return r, fmt.Errorf("store folds: %w", err)
	}
	r.Outputs = map[string]string{"cross": hash}
	r.Result, err = result("cross", came)
	return r, err
}

// spread is the mean of the folds' AUC, and their standard deviation over it.
func spread(auc []float64) wire.Crossed {
	c := wire.Crossed{AUC: auc}
	for _, a := range auc {
		c.Mean += a / float64(len(auc))
	}
	sum := 0.0
	for _, a := range auc {
		sum += float64((a - c.Mean) * (a - c.Mean))
	}
	if len(auc) > 1 && c.Mean > 0 {
		c.Spread = math.Sqrt(sum/float64(len(auc)-1)) / c.Mean
	}
	return c
}
