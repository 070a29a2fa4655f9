package train

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// longestBest bounds the file of chosen settings, bytes.
const longestBest = 1 << 20

// Overlay lays settings that a study chose, path → JSON value, over those of a
// training.
func Overlay(s wire.TrainSettings, best map[string]json.RawMessage) (wire.TrainSettings, error) {
	laid, err := s.Overlay(best)
	if err != nil {
		return s, inputf("chosen settings: %v", err)
	}
	return laid, nil
}

// Best reads the settings that a study chose, a stage's input "best"; without
// one there are none.
func Best(ctx context.Context, blobs lake.Blobs, in map[string]string) (map[string]json.RawMessage, error) {
	hash := in["best"]
	if hash == "" {
		return nil, nil
	}
	rc, err := blobs.Get(ctx, hash)
	if err != nil {
		return nil, fmt.Errorf("open chosen settings: %w", err)
	}
	defer rc.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(rc, longestBest))
	if err != nil {
		return nil, fmt.Errorf("read chosen settings: %w", err)
	}
	var best map[string]json.RawMessage
	if err := json.Unmarshal(text, &best); err != nil {
		return nil, inputf("chosen settings %s: %v", hash, err)
	}
	return best, nil
}

// tuned are a stage's settings with its input "best" laid over them.
func tuned(ctx context.Context, env Env, in map[string]string, s wire.TrainSettings) (wire.TrainSettings, error) {
	best, err := Best(ctx, env.Blobs, in)
	if err != nil {
		return s, err
	}
	return Overlay(s, best)
}

func tunedTest(ctx context.Context, env Env, in map[string]string, s wire.TestSettings) (wire.TestSettings, error) {
	laid, err := tuned(ctx, env, in, wire.TrainSettings{Model: s.Model, Train: s.Train})
	s.Model, s.Train = laid.Model, laid.Train
	return s, err
}
