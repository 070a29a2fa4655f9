package schedule_test

import (
	"encoding/json"
	"slices"
	"testing"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

// Bounds that move with the runs are the validation's, also of a model that is
// made again: all is extracted, and the extraction's settings stay the same.
func TestBoundsMoveWithTheRuns(t *testing.T) {
	spec, err := wire.ParseSpec("job.yaml", []byte("name: weekly\nkind: pipeline\nsource: {kind: lake, from: run-672h, to: run, lake: {url: /lake}}\nregister: {model: dkt}\n"))
	if err != nil {
		t.Fatal(err)
	}
	const weeks = 4 * 7 * 24 * 3600_000
	run := schedule.Run{At: weeks + 5}
	made, err := schedule.Expand(spec, run)
	if err != nil {
		t.Fatal(err)
	}
	again, err := schedule.Reproduce(spec, run, wire.ModelManifest{Model: "dkt"}, "manifest")
	if err != nil {
		t.Fatal(err)
	}
	for _, stages := range [][]wire.Stage{made, again} {
		var extract wire.ExtractSettings
		var validate wire.ValidateSettings
		for name, into := range map[string]any{"extract": &extract, "validate": &validate} {
			k := slices.IndexFunc(stages, func(s wire.Stage) bool { return s.Name == name })
			if err := json.Unmarshal(stages[k].Settings, into); err != nil {
				t.Fatal(err)
			}
		}
		if extract.Source.From != "" || extract.Source.To != "" || validate.From != 5000 || validate.To != (weeks+5)*1000 {
			t.Errorf("extract %+v, validate %+v", extract.Source, validate)
		}
	}
}
