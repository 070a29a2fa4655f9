package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dkt/sequence"
)

// rung is one of a trial with settings of its own over the defaults.
func rung(number, epochs int, change func(*wire.TrainSettings)) wire.TrialSettings {
	s := wire.TrialSettings{TrainSettings: defaults(), Number: 5, Rung: number, Epochs: epochs, Params: map[string]json.RawMessage{
		"model.hidden": json.RawMessage("12"), "train.lr": json.RawMessage("0.03"),
	}}
	s.Train.Epochs = 6
	if change != nil {
		change(&s.TrainSettings)
	}
	return s
}

// try runs a rung from a state and a checkpoint of its own.
func (r *round) try(s wire.TrialSettings, state, from string) wire.TaskResult {
	r.t.Helper()
	a := r.assignment(0, s)
	a.Stage.Kind, a.Stage.Inputs["state"] = wire.StageTrial, state
	again := *a.Round
	again.Number, again.From = again.Number+1, from
	r.wire, a.Round = again, &again
	result, err := Trial(r.t.Context(), r.env(0), a)
	if err != nil {
		r.t.Fatal(err)
	}
	return result
}

func told(t *testing.T, r wire.TaskResult) (came wire.Trial) {
	t.Helper()
	if err := json.Unmarshal(r.Result, &came); err != nil || r.Outputs["trial"] == "" {
		t.Fatalf("%s, %v", r.Result, err)
	}
	return came
}

// A trial that goes on from rung to rung comes to the weights, and to the blobs, of
// one that ran through, also where a rung was broken off, and of a plain training
// with the trial's settings.
func TestATrialThatGoesOnIsOneThatRanThrough(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*wire.TrainSettings){
		"plain":      nil,
		"cosine":     func(s *wire.TrainSettings) { s.Train.Schedule, s.Train.MinLR, s.Train.CycleMult = "cosine", 0.001, 1 },
		"early stop": func(s *wire.TrainSettings) { s.Train.Patience, s.Train.MinDelta = 1, 0.2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRound(t, 1, newSchool(80))
			through := r.try(rung(0, 6, change), "", "")
			first := r.try(rung(0, 1, change), "", "")
			second := r.try(rung(1, 4, change), first.Outputs["state"], "")
			third := r.try(rung(2, 6, change), second.Outputs["state"], "")
			if first.Outputs["state"] == "" || third.Outputs["state"] != "" {
				t.Errorf("states: %q after the first rung, %q after the last", first.Outputs["state"], third.Outputs["state"])
			}
			want, got := told(t, through), told(t, third)
			if got.Weights != want.Weights || got.Value != want.Value || got.Epochs != want.Epochs || through.Outputs["weights"] != third.Outputs["weights"] {
				t.Errorf("rung by rung %+v, through %+v", got, want)
			}
			if name == "early stop" && want.Epochs == 6 {
				t.Errorf("%+v did not stop early", want)
			}
			if name != "early stop" && (told(t, first).Epochs != 1 || told(t, second).Epochs != 4 || want.Epochs != 6) {
				t.Errorf("epochs of %+v, %+v, %+v", told(t, first), told(t, second), want)
			}
			r.mu.Lock()
			saved := r.checkpoints
			r.mu.Unlock()
			again := r.try(rung(0, 6, change), "", saved[0].Hash)
			if d := cmp.Diff(through.Outputs, again.Outputs); d != "" {
				t.Errorf("from a checkpoint: %s", d)
			}
			s := defaults()
			s.Model.Hidden, s.Train.LR, s.Train.Epochs = 12, 0.03, 6
			if change != nil {
				change(&s)
			}
			_, plain := alone(t, s)
			if decode(t, plain).Weights != want.Weights {
				t.Errorf("a plain training comes to %s, the trial to %s", decode(t, plain).Weights, want.Weights)
			}
		})
	}
}

func TestATrialSaysWhatItCameToWithoutAClock(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(80))
	a, b := r.try(rung(0, 2, nil), "", ""), r.try(rung(0, 2, nil), "", "")
	if d := cmp.Diff(a.Outputs, b.Outputs); d != "" {
		t.Error(d)
	}
	came := told(t, a)
	if came.Number != 5 || came.Rung != 0 || came.Value <= 0.4 || string(came.Params["model.hidden"]) != "12" {
		t.Errorf("%+v", came)
	}
	if decode(t, a).Valid.AUC != came.Value || a.Outputs["checkpoint"] != "" {
		t.Errorf("%s, %v", a.Result, a.Outputs)
	}
}

func TestChosenSettingsAreLaidOverATrainingAndItsTest(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(80))
	hash, _, err := r.blobs.Put(t.Context(), strings.NewReader(`{"model.hidden":12,"train.lr":0.03}`))
	if err != nil {
		t.Fatal(err)
	}
	a := r.assignment(0, defaults())
	a.Stage.Inputs["best"] = hash
	got, err := Train(t.Context(), r.env(0), a)
	if err != nil {
		t.Fatal(err)
	}
	s := defaults()
	s.Model.Hidden, s.Train.LR = 12, 0.03
	_, want := alone(t, s)
	if decode(t, got).Weights != decode(t, want).Weights {
		t.Error("the chosen settings come to other weights than the same written out")
	}
	for text, part := range map[string]string{
		`{"model.hidden":0.5}`: "model.hidden can't be 0.5", `{"train.epochs":9}`: "no setting that a study chooses", `[1]`: "chosen settings", `{"model.hidden":0}`: "train:",
	} {
		hash, _, err := r.blobs.Put(t.Context(), strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		a := r.assignment(0, defaults())
		a.Stage.Inputs["best"] = hash
		if _, err := Train(t.Context(), r.env(0), a); err == nil || CauseOf(err) != wire.CauseFatal || !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v, want one that says %q", text, err, part)
		}
	}
	a.Stage.Inputs["best"] = "nowhere"
	if _, err := Train(t.Context(), r.env(0), a); err == nil || CauseOf(err) != wire.CauseTask {
		t.Errorf("settings that are not there: %v", err)
	}
}

// Each student outside the test part is tested on in one fold; those of the test
// part are in none, and nobody is tested on whom the fold's weights have seen.
func TestFoldsTestEachStudentOnce(t *testing.T) {
	t.Parallel()
	const folds = 4
	main, tests := defaults().Split, map[string]int{}
	of, err := divider(t.Context(), nil, "", main)
	if err != nil {
		t.Fatal(err)
	}
	for fold := 1; fold <= folds; fold++ {
		s := main
		s.Folds, s.Fold = folds, fold
		counts := map[sequence.Part]int{}
		for k := range 2000 {
			student := fmt.Sprintf("%032x", k)
			side, _ := of(student)
			part, ok := ofFold(of, s)(student)
			counts[part]++
			switch {
			case !ok:
				t.Fatal("a student without a side")
			case part == sequence.Test:
				tests[student]++
			case side == sequence.Test && part != sequence.Out, side != sequence.Test && part != side:
				t.Fatalf("fold %d: %s is %s, of the split %s", fold, student, part, side)
			}
		}
		if n := counts[sequence.Test]; n < 350 || n > 450 || counts[sequence.Train] < 800 || counts[sequence.Valid] < 200 {
			t.Errorf("fold %d: %v", fold, counts)
		}
	}
	for k := range 2000 {
		student := fmt.Sprintf("%032x", k)
		side, _ := of(student)
		if want := map[bool]int{true: 0, false: 1}[side == sequence.Test]; tests[student] != want {
			t.Fatalf("%s of part %s is tested on %d times", student, side, tests[student])
		}
	}
}

func TestAFoldsTestIsGathered(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(80))
	split := defaults().Split
	for _, folds := range []int{0, 3} {
		s := defaults()
		s.Split = split
		if folds > 0 {
			s.Split.Folds, s.Split.Fold = folds, 2
		}
		trained, err := Train(t.Context(), r.env(0), r.assignment(0, s))
		if err != nil {
			t.Fatal(err)
		}
		a := r.assignment(0, wire.TestSettings{Window: s.Window, Split: s.Split, Model: s.Model, Train: s.Train})
		a.Stage.Inputs["weights"] = trained.Outputs["weights"]
		got, err := Test(t.Context(), r.env(0), a)
		if err != nil {
			t.Fatal(err)
		}
		if (got.Outputs["test"] != "") != (folds > 0) {
			t.Errorf("%d folds: outputs %v", folds, got.Outputs)
		}
		if folds > 0 && !bytes.Equal(r.blobs.blobs[got.Outputs["test"]], got.Result) {
			t.Error("what is gathered is not the result")
		}
	}
}
