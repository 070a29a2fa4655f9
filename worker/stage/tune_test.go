package stage

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
	"cohort/dkt/tune"
)

func studySettings() wire.TuneSettings {
	low, high := 0.001, 0.1
	return wire.TuneSettings{
		Tune: wire.TuneSpec{
			Trials: 5, Sampler: "random", Lag: 2, Rungs: []int{1}, Reduction: 2, Epochs: 3,
			Space: map[string]wire.TuneDomain{"model.hidden": {Values: []any{8, 16}}, "train.lr": {Low: &low, High: &high, Log: true}},
		},
	}
}

// trials plays a study whose trials' values are by number and rung; a value of 0
// is a failure. It answers the inputs of the study's stage.
func (b *bench) trials(s wire.TuneSettings, value func(number, rung int) float64) map[string]string {
	b.t.Helper()
	study, in := schedule.Study(s), map[string]string{}
	var results []tune.Result
	known := map[string]bool{}
	for start, done := study.Next(nil); !done; start, done = study.Next(results) {
		for _, a := range start {
			name := wire.TrialStage(wire.StudyStage, a.Number, a.Rung)
			if known[name] {
				continue
			}
			known[name] = true
			v := value(a.Number, a.Rung)
			results = append(results, tune.Result{Number: a.Number, Rung: a.Rung, Value: v, Failed: v == 0})
			if v > 0 {
				text, err := json.Marshal(wire.Trial{Number: a.Number, Rung: a.Rung, Value: v, Params: a.Params, Epochs: a.Epochs})
				if err != nil {
					b.t.Fatal(err)
				}
				in[name] = b.put(string(text))
			}
		}
	}
	return in
}

func TestAStudyGathersItsTrials(t *testing.T) {
	b := newBench(t)
	in := b.trials(studySettings(), func(number, rung int) float64 {
		return []float64{0.6, 0.7, 0, 0.71, 0.5}[number] + []float64{0, 0.05}[rung]*float64(number%2)
	})
	r, err := b.run(wire.StageTune, studySettings(), in)
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ Tune wire.Tuned }
	if err := json.Unmarshal(r.Result, &told); err != nil {
		t.Fatal(err)
	}
	came := told.Tune
	if came.Number != 3 || math.Abs(came.Value-0.76) > 1e-9 || came.Failed != 1 || len(came.Trials) != len(in) || len(came.Importance) != 2 {
		t.Errorf("%+v", came)
	}
	for k, trial := range came.Trials[1:] {
		if before := came.Trials[k]; trial.Number < before.Number || trial.Number == before.Number && trial.Rung <= before.Rung {
			t.Errorf("%+v comes after %+v", trial, before)
		}
	}
	best, err := readAll[map[string]json.RawMessage](t.Context(), b.env, map[string]string{"best": r.Outputs["best"]})
	if d := cmp.Diff(came.Best, best["best"]); d != "" || err != nil {
		t.Error(d, err)
	}
	again, err := b.run(wire.StageTune, studySettings(), in)
	if d := cmp.Diff(r, again); d != "" || err != nil {
		t.Error(d, err)
	}
}

func TestAStudyWithoutATrialFailsForGood(t *testing.T) {
	b := newBench(t)
	none := studySettings()
	none.Tune.Space = nil
	for part, c := range map[string]struct {
		s  wire.TuneSettings
		in map[string]string
	}{
		"all of the study's 5 trials failed": {studySettings(), b.trials(studySettings(), func(int, int) float64 { return 0 })},
		"space is empty":                     {none, nil},
		"tune.0: ":                           {studySettings(), map[string]string{"tune.0": b.put("[]")}},
	} {
		_, err := b.run(wire.StageTune, c.s, c.in)
		if err == nil || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v, want one that says %q", err, part)
		}
	}
}

// What a part says is read whole, however long it is.
func TestALongPartIsReadWhole(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("x", 2<<20)
	all, err := readAll[string](t.Context(), b.env, map[string]string{"part": b.put(`"` + long + `"`)})
	if err != nil || all["part"] != long {
		t.Errorf("%d bytes of %d: %v", len(all["part"]), len(long), err)
	}
}

func TestACrossValidationGathersItsFolds(t *testing.T) {
	b := newBench(t)
	in := map[string]string{}
	for k, auc := range []float64{0.7, 0.8, 0.75} {
		in[wire.FoldStage(k+1)] = b.put(fmt.Sprintf(`{"test":{"auc":%v}}`, auc))
	}
	r, err := b.run(wire.StageCross, wire.CrossSettings{Folds: 3}, in)
	if err != nil {
		t.Fatal(err)
	}
	var told struct{ Cross wire.Crossed }
	if err := json.Unmarshal(r.Result, &told); err != nil || r.Outputs["cross"] == "" {
		t.Fatal(err)
	}
	c := told.Cross
	if d := cmp.Diff([]float64{0.7, 0.8, 0.75}, c.AUC); d != "" || math.Abs(c.Mean-0.75) > 1e-12 || math.Abs(c.Spread-0.05/0.75) > 1e-12 {
		t.Errorf("%+v %s", c, d)
	}
	delete(in, "fold-2")
	if _, err := b.run(wire.StageCross, wire.CrossSettings{Folds: 3}, in); err == nil || !strings.Contains(err.Error(), "fold 2 of 3 is missing") {
		t.Error(err)
	}
}
