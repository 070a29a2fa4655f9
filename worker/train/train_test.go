package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt"
	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/kernels"
	"cohort/worker/collective"
)

func decode(t *testing.T, r wire.TaskResult) (out trained) {
	t.Helper()
	if err := json.Unmarshal(r.Result, &out); err != nil {
		t.Fatalf("result %s: %v", r.Result, err)
	}
	return out
}

// alone trains the default job in a round of one and answers its result.
func alone(t *testing.T, s wire.TrainSettings) (*round, wire.TaskResult) {
	t.Helper()
	r := newRound(t, 1, newSchool(80))
	results, errs := r.run(t.Context(), s)
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
	return r, results[0]
}

func TestOneJobOneHash(t *testing.T) {
	t.Parallel()
	_, result := alone(t, defaults())
	want := decode(t, result)
	if want.Weights == "" || want.Epochs != 3 || want.BestEpoch < 1 || want.Rate <= 0 || want.Valid.AUC <= 0.5 || want.Skills != 5 || want.TrainAnswers <= want.ValidAnswers {
		t.Errorf("result %+v", want)
	}
	for _, members := range []int{2, 3, 5} {
		r := newRound(t, members, newSchool(80))
		results, errs := r.run(t.Context(), defaults())
		for rank, err := range errs {
			if err != nil {
				t.Fatalf("member %d of %d: %v", rank, members, err)
			}
			if got := decode(t, results[rank]); got.Weights != want.Weights || got.Valid != want.Valid || results[rank].Outputs["weights"] != result.Outputs["weights"] {
				t.Errorf("member %d of %d: %+v, want %+v", rank, members, got, want)
			}
		}
	}
}

// The hashes of a small job, plain and with further inputs, whoever computes it:
// the plain one's, and its file's, are those of the time before there were inputs.
func TestSmallJobsHaveTheirHashes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		school        func() *school
		weights, file string
	}{
		"plain": {
			func() *school { return newSchool(80) },
			"bbd24dde9e485d496cd181cf634dfa980d1d62ac2db0606c9054fb4a3d7e46d1", "2ef1340bd852c81ca84e6f48fe6ab0dc046628f92094f26da3f78995618e1d55",
		},
		"inputs": {
			func() *school { return newSchool(80).taught() },
			"1ec7ade68cabb736344c05f819019f6e92601fb9800c93ff66f753cf3540cbae", "1fb21c28bd98cb708be93f738bfbf66f98fafad4c6eb6b177c1a82900007f527",
		},
	} {
		for members := range 3 {
			r := newRound(t, members+1, c.school())
			s := defaults()
			if members > 0 {
				s.Train.Kernels = "auto"
			}
			results, errs := r.run(t.Context(), s)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for rank, result := range results {
				if got, file := decode(t, result).Weights, result.Outputs["weights"]; got != c.weights || file != c.file {
					t.Errorf("%s, member %d of %d: weights %s in %s, want %s in %s", name, rank, members+1, got, file, c.weights, c.file)
				}
			}
		}
	}
}

// The baselines see nothing of what the model takes beside skill and correctness,
// and a plain model's weights do not do for it.
func TestFurtherInputsAreTestedBesideThePlainBaselines(t *testing.T) {
	t.Parallel()
	s := defaults()
	plain, _ := alone(t, s)
	var out [2]tested
	for k, school := range []*school{newSchool(80), newSchool(80).taught()} {
		r := newRound(t, 1, school)
		results, errs := r.run(t.Context(), s)
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		a := r.assignment(0, wire.TestSettings{Window: s.Window, Split: s.Split, Model: s.Model, Train: s.Train, Baselines: true})
		a.Stage.Kind = wire.StageTest
		a.Stage.Inputs["weights"] = results[0].Outputs["weights"]
		result, err := Test(t.Context(), r.env(0), a)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(result.Result, &out[k]); err != nil {
			t.Fatal(err)
		}
		plain.school = newSchool(80)
		if k == 1 {
			env := plain.env(0)
			env.Blobs = r.blobs
			if _, err := Test(t.Context(), env, a); CauseOf(err) != wire.CauseFatal {
				t.Errorf("weights with inputs tested on plain data: %v", err)
			}
		}
	}
	if d := cmp.Diff(out[0].Baselines, out[1].Baselines); d != "" {
		t.Error(d)
	}
	if out[0].Test.AUC == out[1].Test.AUC || out[0].Test.Answers != out[1].Test.Answers {
		t.Errorf("plain %+v, with inputs %+v", out[0].Test, out[1].Test)
	}
}

func TestARoundStartsAtItsCheckpoint(t *testing.T) {
	t.Parallel()
	_, result := alone(t, defaults())
	want := decode(t, result)

	first := newRound(t, 2, newSchool(80))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first.onSave = func(c wire.Checkpoint) { cancel() } // both members die in the middle
	if _, errs := first.run(ctx, defaults()); errors.Join(errs...) == nil {
		t.Log("the round ended before it could be broken")
	}
	if len(first.checkpoints) == 0 {
		t.Fatal("no checkpoint")
	}
	c := first.checkpoints[0]
	if c.Round != 7 || c.Epoch < 1 || c.Epoch > 3 {
		t.Errorf("checkpoint %+v", c)
	}
	next := newRound(t, 3, newSchool(80))
	next.blobs, next.wire.From = first.blobs, c.Hash
	results, errs := next.run(t.Context(), defaults())
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if got := decode(t, results[1]); got.Weights != want.Weights || got.Epochs != want.Epochs {
		t.Errorf("after a restart %+v, want %+v", got, want)
	}
}

func TestABrokenRoundFlushesItsCheckpointAndNamesThePeer(t *testing.T) {
	t.Parallel()
	r := newRound(t, 2, newSchool(80))
	s := defaults()
	s.Train.Epochs = 100_000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r.onSave = func(wire.Checkpoint) { cancel() }
	done := make(chan error, 1)
	go func() {
		_, err := Train(ctx, r.env(1), r.assignment(1, s)) // member 1 leaves when the first checkpoint is made
		done <- err
	}()
	_, err := Train(t.Context(), r.env(0), r.assignment(0, s))
	if lost, ok := errors.AsType[*collective.PeerLostError](err); !ok || lost.Rank != 1 || CauseOf(err) != wire.CausePeer {
		t.Errorf("member 0: %v", err)
	}
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("member 1: %v", err)
	}
}

func TestCheckpointsNeverHoldUpTraining(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(80))
	s := defaults()
	s.Train.Epochs = 6
	release := make(chan struct{})
	env := r.env(0)
	env.Checkpoint = func(ctx context.Context, _ wire.Checkpoint) error {
		select {
		case <-release:
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	result, err := Train(t.Context(), env, r.assignment(0, s))
	close(release)
	if err != nil || decode(t, result).Epochs != 6 {
		t.Errorf("%v", err)
	}
}

func TestRefusedCheckpointsDoNoHarm(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(80))
	r.refuse = errors.New("old token")
	if _, errs := r.run(t.Context(), defaults()); errs[0] != nil {
		t.Error(errs[0])
	}
}

func TestProgressTellsWhereTrainingStands(t *testing.T) {
	t.Parallel()
	r, _ := alone(t, defaults())
	seen := map[string]bool{}
	var last wire.Progress
	for _, p := range r.progress {
		seen[p.Message] = true
		if p.Message == "training" {
			if p.Done < last.Done || p.Epochs != 3 || p.Total <= 0 || p.Done > p.Total {
				t.Errorf("after %+v came %+v", last, p)
			}
			last = p
		}
	}
	for _, m := range []string{"loading shards", "training", "validating", "saving the weights"} {
		if !seen[m] {
			t.Errorf("nothing said about %q", m)
		}
	}
	if last.Done != last.Total || last.ValidAUC <= 0 || last.Loss <= 0 || last.Rate <= 0 {
		t.Errorf("the last report is %+v", last)
	}
}

func TestTheRateLeavesValidationOut(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	r := newRound(t, 1, nil)
	w := newWatcher(r.env(0), nil, &dkt.State{}, 2)
	w.now = func() time.Time { return now }
	w.begin = now
	for epoch := 1; epoch <= 2; epoch++ {
		for step := 1; step <= 2; step++ {
			now = now.Add(time.Second)
			w.StepDone(dkt.StepReport{Epoch: epoch, Epochs: 2, Step: step, Steps: 2, Answers: 100})
		}
		now = now.Add(time.Minute) // validation
		if err := w.EpochDone(dkt.EpochReport{Epoch: epoch}, &dkt.State{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := w.rate(now); got != 100 {
		t.Errorf("%v answers a second, want 100", got)
	}
}

func TestWrongJobsFailForGoodWithOneLine(t *testing.T) {
	t.Parallel()
	allRight := func() *school {
		s := newSchool(80)
		for k := range s.histories {
			for i := range s.histories[k].Correct {
				s.histories[k].Correct[i] = 1
			}
		}
		return s
	}
	for name, c := range map[string]struct {
		change func(*wire.TrainSettings)
		school *school
		want   string
	}{
		"cell":          {func(s *wire.TrainSettings) { s.Model.Cell = "gru" }, newSchool(80), `model.cell "gru"`},
		"precision":     {func(s *wire.TrainSettings) { s.Train.Precision = "bf16" }, newSchool(80), `train.precision "bf16"`},
		"batch":         {func(s *wire.TrainSettings) { s.Train.Batch = -1 }, newSchool(80), "batch is -1"},
		"huge_step":     {func(s *wire.TrainSettings) { s.Train.Batch = 100_000 }, newSchool(80), "make the batch smaller"},
		"no_valid":      {func(s *wire.TrainSettings) { s.Split.Valid = 0 }, newSchool(80), "the valid part (valid: a share of 0"},
		"no_test":       {func(s *wire.TrainSettings) { s.Split.Test = 0 }, newSchool(80), "the test part (test: a share of 0"},
		"no_train":      {func(s *wire.TrainSettings) { s.Split.Test = 0.8 }, newSchool(80), "the train part (what test 0.8 and valid 0.2 leave)"},
		"no_students":   {func(*wire.TrainSettings) {}, &school{skills: 1}, "0 students of 0"},
		"short":         {func(*wire.TrainSettings) {}, &school{skills: 1, histories: []dataplane.History{{Student: "a", Skill: []int32{0}, Correct: []uint8{1}}}}, "two answers or more"},
		"all_right":     {func(*wire.TrainSettings) {}, allRight(), "AUC is undefined"},
		"optimizer_bad": {func(s *wire.TrainSettings) { s.Train.LR = -1 }, newSchool(80), "learning rate is -1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := defaults()
			c.change(&s)
			r := newRound(t, 1, c.school)
			_, errs := r.run(t.Context(), s)
			if errs[0] == nil || !strings.Contains(errs[0].Error(), c.want) || CauseOf(errs[0]) != wire.CauseFatal || strings.Contains(errs[0].Error(), "\n") {
				t.Errorf("%v (cause %q), want %q", errs[0], CauseOf(errs[0]), c.want)
			}
		})
	}
}

func TestTroubleWithTheEnvironmentIsWorthARetry(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(r *round, a *wire.Assignment){
		"no_round":      func(_ *round, a *wire.Assignment) { a.Round = nil },
		"no_shards":     func(r *round, _ *wire.Assignment) { r.school = nil },
		"no_member":     func(_ *round, a *wire.Assignment) { a.Task.ID = "job/train/9" },
		"no_checkpoint": func(_ *round, a *wire.Assignment) { a.Round.From = "feed" },
		"torn": func(r *round, a *wire.Assignment) {
			a.Round.From = "feed"
			r.blobs.blobs = map[string][]byte{"feed": []byte("no checkpoint")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRound(t, 1, newSchool(80))
			a := r.assignment(0, defaults())
			change(r, &a)
			if _, err := Train(t.Context(), r.env(0), a); err == nil || CauseOf(err) != wire.CauseTask {
				t.Errorf("%v: cause %q", err, CauseOf(err))
			}
		})
	}
}

func TestACheckpointOfAnotherModelIsRefused(t *testing.T) {
	t.Parallel()
	s := defaults()
	r := newRound(t, 1, newSchool(80))
	c, err := configOf(s, r.school.skills)
	if err != nil {
		t.Fatal(err)
	}
	if r.wire.From, err = putState(t.Context(), r.env(0), dkt.NewState(c)); err != nil {
		t.Fatal(err)
	}
	s.Model.Hidden = 4
	if _, errs := r.run(t.Context(), s); CauseOf(errs[0]) != wire.CauseFatal {
		t.Error(errs[0])
	}
}

func TestSettingsBecomeAConfiguration(t *testing.T) {
	t.Parallel()
	s := defaults()
	s.Train.Optimizer, s.Train.WeightDecay, s.Train.Accumulate = "adamw", 0.1, 0
	s.Train.Schedule, s.Train.MinLR, s.Train.CycleMult = "cosine", 0.001, 2
	c, err := configOf(s, 9)
	if err != nil || c.Decay != 0.1 || c.Accumulate != 1 || !c.Rate.Cosine || c.Rate.Cycle != 3 || c.Rate.Mult != 2 || c.Rate.Min != 0.001 || c.Shape.Skills != 9 {
		t.Errorf("%+v, %v", c, err)
	}
	s.Train.Optimizer = "adam"
	if c, err = configOf(s, 9); err != nil || c.Decay != 0 {
		t.Errorf("adam with decay %v, %v", c.Decay, err)
	}
}

func TestEachErrorHasItsCause(t *testing.T) {
	t.Parallel()
	for want, errs := range map[wire.Cause][]error{
		wire.CauseNone:  {nil},
		wire.CausePeer:  {&collective.PeerLostError{}},
		wire.CauseFatal: {&source.InputError{}, &InputError{}, &kernels.NonFiniteError{}, dkt.ErrNoTrain, metric.ErrOneClass, collective.ErrDiverged},
		wire.CauseTask:  {errors.New("out of luck")},
	} {
		for _, err := range errs {
			wrapped := err
			if err != nil {
				wrapped = fmt.Errorf("wrapped: %w", err)
			}
			if got := CauseOf(wrapped); got != want {
				t.Errorf("%T: cause %q, want %q", err, got, want)
			}
		}
	}
}

// The members' check that all came to the same weights.
func TestMembersWithOtherWeightsAreFound(t *testing.T) {
	t.Parallel()
	if err := agree(t.Context(), dkt.Alone{}, dkt.Seat{Size: 1}, "00ff"); err != nil {
		t.Error(err)
	}
	other := reducer(func(v []int64) { v[2], v[3] = 0, 0xfe }) // member 1 has 00fe
	if err := agree(t.Context(), other, dkt.Seat{Size: 2}, "00ff"); !errors.Is(err, collective.ErrDiverged) {
		t.Errorf("agreed with another's weights: %v", err)
	}
	if err := agree(t.Context(), dkt.Alone{}, dkt.Seat{Size: 1}, "xyz"); err == nil {
		t.Error("no hash at all was accepted")
	}
}

type reducer func(v []int64)

func (r reducer) Reduce(_ context.Context, _, _ uint32, v []int64) error { r(v); return nil }

func TestTheWeightsAreTestedBesideTheBaselines(t *testing.T) {
	t.Parallel()
	s := defaults()
	s.Train.Epochs, s.Train.Kernels = 8, "auto"
	r, result := alone(t, s)
	a := r.assignment(0, wire.TestSettings{Window: s.Window, Split: s.Split, Model: s.Model, Train: s.Train, Baselines: true})
	a.Stage.Kind = wire.StageTest
	a.Stage.Inputs["weights"] = result.Outputs["weights"]
	out, err := Test(t.Context(), r.env(0), a)
	if err != nil {
		t.Fatal(err)
	}
	var got tested
	if err := json.Unmarshal(out.Result, &got); err != nil {
		t.Fatal(err)
	}
	if got.Test.AUC <= 0.5 || got.Test.Answers == 0 || len(got.Baselines) != 2 {
		t.Errorf("test %+v", got)
	}
	for name, b := range got.Baselines {
		if b.Answers != got.Test.Answers || b.AUC <= 0.5 {
			t.Errorf("%s is over %d answers with AUC %v, the model over %d", name, b.Answers, b.AUC, got.Test.Answers)
		}
	}
	a.Stage.Inputs["weights"] = "feed"
	if _, err := Test(t.Context(), r.env(0), a); err == nil {
		t.Error("tested weights that are not there")
	}
	a.Stage.Inputs["weights"] = result.Outputs["weights"]
	r.school.skills = 6
	if _, err := Test(t.Context(), r.env(0), a); CauseOf(err) != wire.CauseFatal {
		t.Errorf("weights of five skills tested on six: %v", err)
	}
}

func TestAFoldTableDealsTheStudents(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(60))
	folds := lake.NewFolds("mask")
	for k, h := range r.school.histories[:59] {
		if err := folds.Set(h.Student, k%4); err != nil {
			t.Fatal(err)
		}
	}
	hash, err := lake.WriteFolds(t.Context(), r.blobs, folds)
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]string{"shards": "x", "folds": hash}
	split := wire.Split{File: "folds", Column: "fold", Test: 1, Valid: 2}
	if _, err := load(t.Context(), r.env(0), in, split, 20); err == nil || CauseOf(err) != wire.CauseFatal ||
		!strings.Contains(err.Error(), "1 of 60 students") || !strings.Contains(err.Error(), r.school.histories[59].Student) {
		t.Errorf("a student without a fold: %v", err)
	}
	r.school.histories = r.school.histories[:59]
	c, err := load(t.Context(), r.env(0), in, split, 100)
	if err != nil {
		t.Fatal(err)
	}
	for part, want := range map[sequence.Part]int{sequence.Train: 29, sequence.Valid: 15, sequence.Test: 15} {
		if got := len(c.parts[part].Seqs); got != want {
			t.Errorf("%d students in %s, want %d", got, part, want)
		}
	}
	split.Valid = 9
	if _, err := load(t.Context(), r.env(0), in, split, 20); err == nil || !strings.Contains(err.Error(), "valid part (valid: fold 9 of column fold)") {
		t.Errorf("no student in a fold: %v", err)
	}
	in["folds"] = "feed"
	if _, err := load(t.Context(), r.env(0), in, split, 20); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("no fold table: %v", err)
	}
}
