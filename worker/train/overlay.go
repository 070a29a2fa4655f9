package train

import (
	"context"
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// overlay lays settings that a study chose, path → JSON value, over those of a
// training.
func overlay(s wire.TrainSettings, chosen map[string]json.RawMessage) (wire.TrainSettings, error) {
	laid, err := s.Overlay(chosen)
	if err != nil {
		return s, inputf("chosen settings: %v", err)
	}
	return laid, nil
}

// best reads the settings that a study chose, a stage's input "best"; without
// one there are none.
func best(ctx context.Context, blobs lake.Blobs, in map[string]string) (map[string]json.RawMessage, error) {
	hash := in["best"]
	if hash == "" {
		return nil, nil
	}
	text, err := lake.Read(ctx, blobs, hash)
	if err != nil {
		return nil, fmt.Errorf("chosen settings: %w", err)
	}
	var chosen map[string]json.RawMessage
	if err := json.Unmarshal(text, &chosen); err != nil {
		return nil, inputf("chosen settings %s: %v", hash, err)
	}
	return chosen, nil
}

// tuned are a stage's settings with its input "best" laid over them.
func tuned(ctx context.Context, env Env, in map[string]string, s wire.TrainSettings) (wire.TrainSettings, error) {
	chosen, err := best(ctx, env.Blobs, in)
	if err != nil {
		return s, err
	}
	return overlay(s, chosen)
}

func tunedTest(ctx context.Context, env Env, in map[string]string, s wire.TestSettings) (wire.TestSettings, error) {
	laid, err := tuned(ctx, env, in, wire.TrainSettings{Model: s.Model, Train: s.Train})
	s.Model, s.Train = laid.Model, laid.Train
	return s, err
}
