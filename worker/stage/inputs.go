package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt/input"
	"cohort/dkt/sequence"
)

// addInputs makes what the model takes beside skill and correctness part of a, fitted on the
// students that train. Without any it does nothing and answers nil.
func addInputs(ctx context.Context, env Env, in map[string]string, s wire.ShardSettings, a *lake.Answers) (*dataplane.Inputs, error) {
	if len(s.Inputs) == 0 {
		return nil, nil
	}
	if s.Split == nil {
		return nil, inputf("settings: inputs %v without a split: who trains?", s.Inputs)
	}
	env.Progress(wire.Progress{Message: "fitting the model's inputs"})
	o := input.DefaultOptions()
	o.Names = s.Inputs
	var err error
	if o.Trains, err = trains(ctx, env.Blobs, in["folds"], *s.Split); err != nil {
		return nil, err
	}
	f, err := input.Add(input.Answers{Items: a.Items, Students: a.Students}, len(a.Skills), o)
	if missing, ok := errors.AsType[*input.MissingError](err); ok {
		return nil, inputf("%v", missing)
	}
	if err != nil {
		return nil, err
	}
	if f.Items != nil {
		text, err := json.Marshal(f.Items)
		if err != nil {
			return nil, fmt.Errorf("encode items: %w", err)
		}
		if f.Inputs.Items, err = lake.Write(ctx, env.Blobs, text); err != nil {
			return nil, fmt.Errorf("store items: %w", err)
		}
	}
	env.Logger.Info("inputs fitted", "inputs", s.Inputs, "items", len(f.Items), "levels", len(f.Inputs.Levels)+1, "paces", len(f.Inputs.Paces)+1)
	return f.Inputs, nil
}

// trains tells who trains, by fold table or by hash.
func trains(ctx context.Context, b lake.Blobs, folds string, s wire.Split) (func(student string) bool, error) {
	of := func(student string) sequence.Part { return sequence.PartByHash(student, s.Seed, s.Test, s.Valid) }
	if folds != "" {
		table, err := lake.ReadFolds(ctx, b, folds)
		if err != nil {
			return nil, fmt.Errorf("load folds: %w", err)
		}
		of = func(student string) sequence.Part {
			if fold, ok := table.Fold(student); ok {
				return sequence.PartByFold(fold, int(s.Test), int(s.Valid))
			}
			return sequence.Out
		}
	}
	return func(student string) bool {
		p := of(student)
		if s.Folds > 0 {
			p = sequence.PartOfFold(student, s.Seed, s.Folds, s.Fold, p)
		}
		return p == sequence.Train
	}, nil
}
