package schedule_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

func expandFile(t *testing.T, run schedule.Run, text string) []wire.Stage {
	t.Helper()
	spec, err := wire.ParseSpec("job.yaml", []byte("name: weekly\nkind: pipeline\ndata: {events: e.csv}\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	stages, err := schedule.Expand(spec, run)
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

// listed writes stages for a person to read.
func listed(stages []wire.Stage) string {
	var b strings.Builder
	for _, s := range stages {
		fmt.Fprintf(&b, "%s: kind %s, version %d, after %v\n", s.Name, s.Kind, s.Version, s.After)
		for _, name := range slices.Sorted(maps.Keys(s.Inputs)) {
			fmt.Fprintf(&b, "  %s = %s\n", name, s.Inputs[name])
		}
		fmt.Fprintf(&b, "  %s\n", s.Settings)
	}
	return regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(b.String(), "HASH")
}

// What becomes of a model with a name stands in a file, beside a pipeline that ends
// with its test.
func TestAModelWithANameIsEvaluatedRegisteredAndPromoted(t *testing.T) {
	var all strings.Builder
	for _, c := range []struct{ title, text string }{
		{"no name", ""},
		{"registered", "register: {model: dkt}\n"},
		{"promoted", "register: {model: dkt, promote: true}\ngates: {auc: 0.7}\nsplit: {file: f.csv, column: fold, test: 1, valid: 2}\n"},
		{"tuned and folded", "register: {model: dkt}\ntune: {trials: 3, space: {train.lr: {low: 0.001, high: 0.01}}}\ncross_validate: {folds: 2}\n"},
		{"deployed", "register: {model: dkt, promote: true}\ndeploy: {replicas: 3}\n"},
	} {
		stages := expandFile(t, schedule.Run{At: 1}, c.text)
		life := slices.DeleteFunc(stages, func(s wire.Stage) bool {
			return !slices.Contains([]string{"evaluate", "register", "promote", "deploy"}, s.Name)
		})
		fmt.Fprintf(&all, "=== %s\n%s", c.title, listed(life))
	}
	golden(t, "pipeline-model.txt", all.String())
}

func TestStagesBeforeTheEvaluationKnowNothingOfTheName(t *testing.T) {
	plain := expandFile(t, schedule.Run{}, "")
	named := expandFile(t, schedule.Run{}, "register: {model: dkt, promote: true}\ndeploy: {}\n")
	for _, s := range plain {
		k := slices.IndexFunc(named, func(n wire.Stage) bool { return n.Name == s.Name })
		if k < 0 {
			t.Fatalf("no stage %s", s.Name)
		}
		if d := cmp.Diff(s, named[k]); d != "" && s.Name != "evaluate" {
			t.Errorf("%s: %s", s.Name, d)
		}
	}
}

// A past time's model does not take the place of today's.
func TestABackfillPromotesNothing(t *testing.T) {
	const text = "register: {model: dkt, promote: true}\n"
	stages := expandFile(t, schedule.Run{Backfill: true}, text)
	if last := stages[len(stages)-1]; last.Kind != wire.StageRegister {
		t.Errorf("a backfill ends with %s", last.Name)
	}
	stages = expandFile(t, schedule.Run{}, text)
	if last := stages[len(stages)-1]; last.Kind != wire.StagePromote || last.Name != "promote" {
		t.Errorf("a run ends with %s", last.Name)
	}
}

// Runs of one file register under the same job specification, of another file
// under another.
func TestTheJobSpecificationIsPartOfTheVersion(t *testing.T) {
	spec := func(run schedule.Run, text string) string {
		for _, s := range expandFile(t, run, text) {
			var set wire.RegisterSettings
			if s.Kind != wire.StageRegister {
				continue
			}
			if err := json.Unmarshal(s.Settings, &set); err != nil || len(set.JobSpec) != 64 || set.Evaluation != "evaluate" {
				t.Errorf("%v: %s", err, s.Settings)
			}
			return set.JobSpec
		}
		t.Fatal("nothing is registered")
		return ""
	}
	one := spec(schedule.Run{At: 1}, "register: {model: dkt}\n")
	if two := spec(schedule.Run{At: 2}, "register: {model: dkt}\n"); two != one {
		t.Errorf("%s, a week later %s", one, two)
	}
	if two := spec(schedule.Run{At: 1}, "register: {model: dkt}\ntrain: {lr: 0.01}\n"); two == one {
		t.Error("another rate, the same specification")
	}
}
