package wire

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tunable are the paths of the settings that a study may choose.
func Tunable() []string {
	return []string{
		"model.cell", "model.dropout", "model.embed", "model.engine", "model.hidden", "model.layers",
		"train.accumulate", "train.batch", "train.clip", "train.cycle", "train.cycle_mult", "train.lazy", "train.lr",
		"train.min_lr", "train.optimizer", "train.schedule", "train.weight_decay",
	}
}

// Overlay lays chosen settings, path → JSON value, over those of a training. With
// none the settings are as they were.
func (s TrainSettings) Overlay(chosen map[string]json.RawMessage) (TrainSettings, error) {
	known := Tunable()
	for _, path := range slices.Sorted(maps.Keys(chosen)) {
		if !slices.Contains(known, path) {
			return s, fmt.Errorf("%q is no setting that a study chooses", path)
		}
		section, key, _ := strings.Cut(path, ".")
		into := any(&s.Train)
		if section == "model" {
			into = &s.Model
		}
		text, err := json.Marshal(map[string]json.RawMessage{key: chosen[path]})
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil || string(chosen[path]) == "null" {
			return s, fmt.Errorf("%s can't be %s", path, chosen[path])
		}
	}
	return s, nil
}
