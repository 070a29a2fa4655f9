package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/quality"
	"cohort/dkt/checkpoint"
	"cohort/dkt/metric"
)

// trial trains a default job of so many epochs and answers its weights.
func (r *round) trial(epochs int) string {
	r.t.Helper()
	s := defaults()
	s.Train.Epochs = epochs
	results, errs := r.run(r.t.Context(), s)
	if errs[0] != nil {
		r.t.Fatal(errs[0])
	}
	return results[0].Outputs["weights"]
}

func (r *round) evaluation(inputs map[string]string) wire.Assignment {
	s := defaults()
	a := r.assignment(0, wire.EvaluateSettings{
		TestSettings: wire.TestSettings{Window: s.Window, Split: s.Split, Model: s.Model, Train: s.Train, Baselines: true},
		Name:         "dkt", Gates: wire.DefaultGates(),
	})
	a.Stage.Name, a.Stage.Kind = "evaluate", wire.StageEvaluate
	maps.Copy(a.Stage.Inputs, inputs)
	return a
}

func (r *round) put(v any) string {
	r.t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		r.t.Fatal(err)
	}
	hash, err := lake.Write(r.t.Context(), r.blobs, text)
	if err != nil {
		r.t.Fatal(err)
	}
	return hash
}

// test is what a plain test says of weights.
func (r *round) test(weights string) metric.Binary {
	r.t.Helper()
	a := r.evaluation(map[string]string{"weights": weights})
	a.Stage.Kind = wire.StageTest
	out, err := Test(r.t.Context(), r.env(0), a)
	if err != nil {
		r.t.Fatal(err)
	}
	var got tested
	if err := json.Unmarshal(out.Result, &got); err != nil {
		r.t.Fatal(err)
	}
	return got.Test
}

func (r *round) evaluate(inputs map[string]string) (*wire.Evaluation, evaluated, wire.TaskResult) {
	r.t.Helper()
	result, err := Evaluate(r.t.Context(), r.env(0), r.evaluation(inputs))
	if err != nil {
		r.t.Fatal(err)
	}
	var told evaluated
	if err := json.Unmarshal(result.Result, &told); err != nil {
		r.t.Fatal(err)
	}
	return result.Evaluation, told, result
}

func TestTheFirstModelIsComparedWithThePerSkillMean(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(120))
	weights := r.trial(8)
	e, told, result := r.evaluate(map[string]string{"weights": weights})
	if told.Test != r.test(weights) || e.Of != wire.Measures(told.Test) || len(told.Baselines) != 2 {
		t.Errorf("measured as %+v, tested as %+v", told.Test, r.test(weights))
	}
	if e.Against != wire.Measures(told.Baselines["skill_mean"]) {
		t.Errorf("against %+v, the skill mean is %+v", e.Against, told.Baselines["skill_mean"])
	}
	if d := cmp.Diff(e, told.Evaluation); d != "" {
		t.Errorf("the record and the result differ: %s", d)
	}
	if want := (e.Of.AUC - e.Against.AUC) / e.Against.AUC; math.Abs(e.Gain-want) > 1e-12 || e.GainLow >= e.Gain || e.GainHigh <= e.Gain || e.GainHigh-e.GainLow > 1 {
		t.Errorf("gain %v in %v to %v, want %v", e.Gain, e.GainLow, e.GainHigh, want)
	}
	if e.ID != "job/evaluate" || e.Job != "job" || e.Model != "dkt" || e.Candidate != weights || e.BaselineWeights != "" || e.Baseline != 0 ||
		e.Shards != "x" || e.Split != defaults().Split || len(e.Gates) != 0 || e.Quality != "" || e.Folds != nil {
		t.Errorf("record %+v", e)
	}
	text, err := lake.Read(t.Context(), r.blobs, result.Outputs["report"])
	if err != nil || e.Report != result.Outputs["report"] {
		t.Fatalf("report %s: %v", e.Report, err)
	}
	var kept report
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	n := int64(0)
	for _, b := range kept.Calibration.Candidate {
		n += b.Answers
	}
	if n != e.Of.Answers || len(kept.Calibration.Baseline) != 10 || kept.Evaluation.Gain != e.Gain {
		t.Errorf("report %s", text)
	}
	if again, _, _ := r.evaluate(map[string]string{"weights": weights}); again.Report != e.Report {
		t.Errorf("the same evaluation, then %+v", again)
	}
}

func TestACandidateIsComparedWithTheModelInProduction(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(120))
	old, weights := r.trial(1), r.trial(8)
	e, told, _ := r.evaluate(map[string]string{"weights": weights, "production": old})
	if e.Against != wire.Measures(r.test(old)) || e.BaselineWeights != old || math.Abs(e.Gain-(e.Of.AUC-e.Against.AUC)/e.Against.AUC) > 1e-12 || e.Gain == 0 {
		t.Errorf("%+v; the model in production comes to %+v", e, r.test(old))
	}
	if told.Baselines["skill_mean"].AUC == e.Against.AUC {
		t.Error("compared with the skill mean")
	}
	p, m, err := checkpoint.ReadWeights(bytes.NewReader(r.blobs.blobs[old]))
	if err != nil {
		t.Fatal(err)
	}
	celled := func(cell string) string {
		m.Cell = cell
		f, err := checkpoint.WeightsOf(p, m)
		if err != nil {
			t.Fatal(err)
		}
		hash, _, err := r.blobs.Put(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	if g, _, _ := r.evaluate(map[string]string{"weights": weights, "production": celled("gru")}); g.Against == e.Against || g.Of != e.Of {
		t.Errorf("numbers read as a GRU's weights predict as an LSTM's: %+v", g)
	}
	if _, err := Evaluate(t.Context(), r.env(0), r.evaluation(map[string]string{"weights": weights, "production": celled("tree")})); CauseOf(err) != wire.CauseFatal ||
		!strings.Contains(err.Error(), "test of the model in production: model.cell") {
		t.Errorf("weights of an unknown cell: %v", err)
	}
	same, _, _ := r.evaluate(map[string]string{"weights": old, "production": old})
	if same.Gain != 0 || same.GainLow != 0 || same.GainHigh != 0 || same.Of != same.Against {
		t.Errorf("a model beside itself: %+v", same)
	}
}

func TestFoldsAndDataChecksArePartOfAnEvaluation(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(80))
	weights := r.trial(1)
	cross := r.put(map[string]any{"auc": []float64{0.7, 0.72}, "mean": 0.71, "spread": 0.0199})
	good, bad := r.put(quality.Report{Version: 1, OK: true}), r.put(quality.Report{Version: 1, Failure: "too few answers"})
	e, _, _ := r.evaluate(map[string]string{"weights": weights, "cross": cross, "report": good})
	if len(e.Folds) != 2 || e.Spread != 0.0199 || e.Quality != wire.QualityPassed {
		t.Errorf("%+v", e)
	}
	if e, _, _ := r.evaluate(map[string]string{"weights": weights, "report": bad}); e.Quality != "too few answers" {
		t.Errorf("quality %q", e.Quality)
	}
	for input, what := range map[string]string{
		"cross": "cross-validation", "report": "data checks", "production": "weights in production", "weights": "weights", "best": "chosen settings",
	} {
		for name, hash := range map[string]string{"absent": strings.Repeat("0", 64), "broken": r.put("no such thing")} {
			in := map[string]string{"weights": weights, input: hash}
			if _, err := Evaluate(t.Context(), r.env(0), r.evaluation(in)); err == nil || !strings.Contains(err.Error(), what) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s %s: %v", name, input, err)
			}
		}
	}
}

func TestSegmentsArePartsOfTheAnswers(t *testing.T) {
	t.Parallel()
	s := newSchool(120)
	for k := range s.histories { // skill 4 is asked twice in all, wrongly: nothing can be ranked
		for i := range s.histories[k].Skill {
			if s.histories[k].Skill[i] == 4 {
				s.histories[k].Skill[i] = 3
			}
		}
	}
	r := newRound(t, 1, s)
	data, err := load(t.Context(), r.env(0), map[string]string{"shards": "x"}, defaults().Split, defaults().Window)
	if err != nil {
		t.Fatal(err)
	}
	for _, student := range []int{0, 1} {
		h := &s.histories[indexOf(t, s, data.parts[2].Student(student))]
		h.Skill[1], h.Correct[1] = 4, 0
	}
	weights := r.trial(2)
	e, _, _ := r.evaluate(map[string]string{"weights": weights})
	young, rare := e.Segments[0], e.Segments[1]
	want := int64(0)
	for _, q := range data.parts[2].Places(defaults().Window) {
		if q.Position < 10 {
			want++
		}
	}
	if young.Name != "new students" || young.Candidate.Answers != want || young.Baseline.Answers != want || want >= e.Of.Answers || young.Note != "" || young.Candidate == e.Of {
		t.Errorf("new students %+v, want %d answers of %d", young, want, e.Of.Answers)
	}
	if rare.Name != "rare skills" || rare.Candidate.Answers != 0 || !strings.Contains(rare.Note, "all answers are right, or all are wrong") {
		t.Errorf("rare skills %+v", rare)
	}
	r.school = newSchool(120)
	if e, _, _ = r.evaluate(map[string]string{"weights": r.trial(1)}); !strings.Contains(e.Segments[1].Note, "no skill") {
		t.Errorf("five skills of equal share: %+v", e.Segments[1])
	}
}

func indexOf(t *testing.T, s *school, student string) int {
	t.Helper()
	for k, h := range s.histories {
		if h.Student == student {
			return k
		}
	}
	t.Fatal(fmt.Sprint("no student ", student))
	return 0
}
