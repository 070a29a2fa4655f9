package train

import (
	"context"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt/input"
	"cohort/dkt/sequence"
)

// corpus is a job's sequences, by part of the split.
type corpus struct {
	set    *lake.ShardSet
	skills []string
	inputs *dataplane.Inputs // nil: a plain model's
	parts  [3]*sequence.Set  // by sequence.Part
}

// load brings the histories of a shard set here and splits them.
func load(ctx context.Context, env Env, in map[string]string, split wire.Split, window int) (*corpus, error) {
	env.Progress(wire.Progress{Message: "loading shards"})
	set, histories, err := env.Shards.Histories(ctx, in["shards"])
	if err != nil {
		return nil, fmt.Errorf("load shards: %w", err)
	}
	of, err := divider(ctx, env.Blobs, in["folds"], split)
	if err != nil {
		return nil, err
	}
	if split.Folds > 0 {
		of = ofFold(of, split)
	}
	sides, err := divide(histories, of)
	if err != nil {
		return nil, err
	}
	c := &corpus{set: set, skills: set.Skills, inputs: set.Inputs}
	for part := range c.parts {
		if c.parts[part], err = sequence.BuildOf(sides[part], window, input.Vocabulary(len(set.Skills), set.Inputs)); err != nil {
			return nil, fmt.Errorf("cut windows: %w", err)
		}
		if len(c.parts[part].Seqs) == 0 {
			return nil, inputf("split: the %s part (%s) has no student with two answers or more: %d students of %d are in it",
				sequence.Part(part), sideOf(sequence.Part(part), in["folds"] != "", split), len(sides[part]), len(histories))
		}
	}
	return c, nil
}

// sideOf names a part as the job file does.
func sideOf(p sequence.Part, byFold bool, s wire.Split) string {
	if s.Folds > 0 {
		return fmt.Sprintf("of fold %d of the %d of cross_validate", s.Fold, s.Folds)
	}
	name, value := "test", s.Test
	switch {
	case p == sequence.Train && byFold:
		return fmt.Sprintf("all folds but test %v and valid %v of column %s", s.Test, s.Valid, s.Column)
	case p == sequence.Train:
		return fmt.Sprintf("what test %v and valid %v leave", s.Test, s.Valid)
	case p == sequence.Valid:
		name, value = "valid", s.Valid
	}
	if byFold {
		return fmt.Sprintf("%s: fold %v of column %s", name, value, s.Column)
	}
	return fmt.Sprintf("%s: a share of %v of the students", name, value)
}

// divider tells each student's side, by fold table or by hash.
func divider(ctx context.Context, b lake.Blobs, folds string, s wire.Split) (func(student string) (sequence.Part, bool), error) {
	if folds == "" {
		return func(student string) (sequence.Part, bool) {
			return sequence.PartByHash(student, s.Seed, s.Test, s.Valid), true
		}, nil
	}
	table, err := lake.ReadFolds(ctx, b, folds)
	if err != nil {
		return nil, fmt.Errorf("load folds: %w", err)
	}
	return func(student string) (sequence.Part, bool) {
		fold, ok := table.Fold(student)
		return sequence.PartByFold(fold, int(s.Test), int(s.Valid)), ok
	}, nil
}

// ofFold tells each student's side in one fold of a cross-validation.
func ofFold(of func(student string) (sequence.Part, bool), s wire.Split) func(student string) (sequence.Part, bool) {
	return func(student string) (sequence.Part, bool) {
		main, ok := of(student)
		return sequence.PartOfFold(student, s.Seed, s.Folds, s.Fold, main), ok
	}
}

func divide(histories []dataplane.History, of func(student string) (sequence.Part, bool)) ([3][]dataplane.History, error) {
	missing, example := 0, ""
	sides, err := sequence.Divide(histories, func(student string) (sequence.Part, error) {
		p, ok := of(student)
		if !ok && missing == 0 {
			example = student
		}
		if !ok {
			missing++
		}
		return p, nil
	})
	if missing > 0 {
		return sides, inputf("split: %d of %d students have no fold in the fold file, among them the one masked as %s", missing, len(histories), example)
	}
	return sides, err
}
