package schedule_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

// A model is made again by the stages that made it, each run anew, from the record
// alone and with what was tuned then.
func TestAModelIsMadeAgainFromItsRecord(t *testing.T) {
	spec, err := wire.ParseSpec("job.yaml", []byte("name: weekly\nkind: pipeline\nsource: {kind: lake, to: run, lake: {url: /lake}}\nregister: {model: dkt}\ntrain: {workers: 3}\n"))
	if err != nil {
		t.Fatal(err)
	}
	m := wire.ModelManifest{
		Model: "dkt", Extraction: "positions", Window: 50, Spec: spec.Model, Train: spec.Train, Split: wire.Split{Test: 0.2, Valid: 0.2, Seed: 1},
	}
	m.Spec.Hidden, m.Train.LR, m.Train.Workers = 77, 0.5, 0
	run := schedule.Run{At: 5}
	stages, err := schedule.Reproduce(spec, run, m, "manifest")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "reproduce.txt", listed(stages))
	made, err := schedule.Expand(spec, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stages {
		if s.Version != 0 || s.Line != "" {
			t.Errorf("stage %s takes earlier results: %+v", s.Name, s)
		}
		if s.Name != "extract" && s.Name != "shard" {
			continue
		}
		k := slices.IndexFunc(made, func(o wire.Stage) bool { return o.Name == s.Name })
		if d := cmp.Diff(string(made[k].Settings), string(s.Settings)); d != "" {
			t.Errorf("%s: %s", s.Name, d)
		}
	}
}
