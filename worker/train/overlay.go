package train

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// Overlay lays a study's best settings, a JSON object of path → value such as
// {"train.lr":0.002}, over a stage's settings. A path that the settings do not
// have is an error: it would change nothing.
func Overlay(settings json.RawMessage, best []byte) (json.RawMessage, error) {
	var values map[string]json.RawMessage
	if err := json.Unmarshal(best, &values); err != nil {
		return nil, inputf("best settings: %v", err)
	}
	for _, path := range slices.Sorted(maps.Keys(values)) {
		var err error
		if settings, err = put(settings, strings.Split(path, "."), values[path]); err != nil {
			return nil, inputf("best settings: %s: %v", path, err)
		}
	}
	return settings, nil
}

// put sets the value at a path of a JSON object.
func put(object json.RawMessage, path []string, value json.RawMessage) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("%q is no part of the settings", path[0])
	}
	if len(path) > 1 {
		part, ok := fields[path[0]]
		if !ok {
			return nil, fmt.Errorf("%q is no part of the settings", path[0])
		}
		var err error
		if value, err = put(part, path[1:], value); err != nil {
			return nil, err
		}
	}
	fields[path[0]] = value
	return json.Marshal(fields) //nolint:wrapcheck // cannot fail: parts came in as JSON
}

// tuned are a stage's settings with those that a study found best in place.
func tuned[T any](ctx context.Context, env Env, s wire.Stage) (t T, err error) {
	if hash := s.Inputs["best"]; hash != "" {
		best, err := lake.Read(ctx, env.Blobs, hash)
		if err != nil {
			return t, fmt.Errorf("best settings: %w", err)
		}
		if s.Settings, err = Overlay(s.Settings, best); err != nil {
			return t, err
		}
	}
	return settings[T](s)
}
