package dkt_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"cohort/dataplane"
	"cohort/dkt"
	"cohort/dkt/sequence"
	"cohort/dkt/simulate"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

const skills = 6

// histories are simulated students.
func histories(t testing.TB, students int, seed uint32) []dataplane.History {
	t.Helper()
	all := make([]dataplane.History, students)
	_, err := simulate.Learners(simulate.Config{Students: students, Skills: skills, Answers: 12, Seed: seed}, func(a simulate.Answer) error {
		h := &all[a.Student]
		h.Student = fmt.Sprintf("%032x", a.Student)
		h.Skill = append(h.Skill, int32(a.Skill))
		right := uint8(0)
		if a.Correct {
			right = 1
		}
		h.Correct = append(h.Correct, right)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func data(t testing.TB) dkt.Data {
	t.Helper()
	all := histories(t, 60, 4)
	train, err := sequence.Build(all[:40], 10, skills)
	if err != nil {
		t.Fatal(err)
	}
	valid, err := sequence.Build(all[40:], 10, skills)
	if err != nil {
		t.Fatal(err)
	}
	return dkt.Data{Train: train, Valid: valid}
}

func config() dkt.Config {
	return dkt.Config{
		Shape: kernels.Shape{Skills: skills, Embed: 5, Hidden: 9, Layers: 2}, Dropout: 0.1,
		Batch: 8, Accumulate: 1, Epochs: 3, Rate: dkt.Rate{Base: 0.01}, Seed: 42,
	}
}

func engine(t testing.TB, c dkt.Config, o cpu.Options) *cpu.Engine {
	t.Helper()
	e, err := cpu.New(c.Shape, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

// watcher is an Observer that keeps what it hears and may stop the training.
type watcher struct {
	steps  []dkt.StepReport
	epochs []dkt.EpochReport
	after  func()
}

func (w *watcher) StepDone(r dkt.StepReport) {
	w.steps = append(w.steps, r)
	if w.after != nil {
		w.after()
	}
}

func (w *watcher) EpochDone(r dkt.EpochReport, _ *dkt.State) error {
	w.epochs = append(w.epochs, r)
	return nil
}

// meeting sums over members that all call Reduce, a round at a time.
type meeting struct {
	mu      sync.Mutex
	size    int
	arrived int
	sum     []int64
	gate    chan struct{}
}

func (m *meeting) Reduce(ctx context.Context, _, _ uint32, v []int64) error {
	m.mu.Lock()
	if m.arrived == 0 {
		m.sum, m.gate = make([]int64, len(v)), make(chan struct{})
	}
	for k, x := range v {
		m.sum[k] += x
	}
	m.arrived++
	sum, gate := m.sum, m.gate
	if m.arrived == m.size {
		m.arrived = 0
		close(gate)
	}
	m.mu.Unlock()
	select {
	case <-gate:
		copy(v, sum)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// train runs a whole round and returns each member's final state.
func train(t *testing.T, c dkt.Config, d dkt.Data, members int, o cpu.Options) []*dkt.State {
	t.Helper()
	var reduce dkt.Reducer = &meeting{size: members}
	if members == 1 {
		reduce = dkt.Alone{}
	}
	states, faults := make([]*dkt.State, members), make([]error, members)
	var wait sync.WaitGroup
	for rank := range members {
		states[rank] = dkt.NewState(c)
		b := engine(t, c, o)
		wait.Go(func() {
			faults[rank] = dkt.Train(t.Context(), c, d, b, dkt.Seat{Rank: rank, Size: members}, reduce, states[rank], &watcher{})
		})
	}
	wait.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	return states
}

// The golden hash of a small simulated training: every path, number of members
// and of threads must give it. It changes only with the contract.
const golden = "2b2b93e3b857bd00ce7306e9f91b7a2e68011fdec8e1fea2ee2357d3e41bdea9"

func TestOneJobOneHash(t *testing.T) {
	c, d := config(), data(t)
	for _, o := range []cpu.Options{{Path: cpu.Portable}, {Path: cpu.Best(), Threads: 1}, {Path: cpu.Best(), Threads: 3}} {
		for _, members := range []int{1, 2, 3, 16} {
			t.Run(fmt.Sprintf("%s-%d-threads-%d-members", o.Path, o.Threads, members), func(t *testing.T) {
				for rank, st := range train(t, c, d, members, o) {
					if st.BestHash != golden {
						t.Fatalf("member %d has %s, want %s", rank, st.BestHash, golden)
					}
				}
			})
		}
	}
}

func TestAStoppedTrainingGoesOnWithTheSameBits(t *testing.T) {
	c, d := config(), data(t)
	whole := train(t, c, d, 1, cpu.Options{})[0]
	steps := len(whole.History) * ((len(d.Train.Seqs) + c.Batch - 1) / c.Batch)
	for stop := 1; stop < steps; stop += 2 {
		ctx, cancel := context.WithCancel(t.Context())
		done := 0
		w := &watcher{after: func() {
			if done++; done == stop {
				cancel()
			}
		}}
		st := dkt.NewState(c)
		err := dkt.Train(ctx, c, d, engine(t, c, cpu.Options{}), dkt.Seat{Size: 1}, dkt.Alone{}, st, w)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stop after %d: %v", stop, err)
		}
		st = st.Clone() // for an engine that knows nothing of what was
		if err := dkt.Train(t.Context(), c, d, engine(t, c, cpu.Options{}), dkt.Seat{Size: 1}, dkt.Alone{}, st, &watcher{}); err != nil {
			t.Fatal(err)
		}
		if st.BestHash != whole.BestHash || kernels.HashWeights(st.Params) != kernels.HashWeights(whole.Params) {
			t.Fatalf("stopped after step %d: another hash", stop)
		}
	}
}

func TestAccumulationIsOneStep(t *testing.T) {
	c, d := config(), data(t)
	c.Batch, c.Accumulate = 4, 2
	if got := train(t, c, d, 2, cpu.Options{})[0].BestHash; got != golden {
		t.Errorf("4 × 2 gives %s, 8 × 1 %s", got, golden)
	}
}

func TestEachSettingMovesTheHash(t *testing.T) {
	d := data(t)
	hash := func(c dkt.Config) string { return kernels.HashWeights(train(t, c, d, 1, cpu.Options{})[0].Params) }
	seen := map[string]string{hash(config()): "as it was"}
	for name, change := range map[string]func(c *dkt.Config){
		"seed":    func(c *dkt.Config) { c.Seed++ },
		"dropout": func(c *dkt.Config) { c.Dropout = 0.2 },
		"rate":    func(c *dkt.Config) { c.Rate.Base *= 2 },
		"decay":   func(c *dkt.Config) { c.Decay = 0.1 },
		"clip":    func(c *dkt.Config) { c.Clip = 0.01 },
		"cosine":  func(c *dkt.Config) { c.Rate = dkt.Rate{Base: 0.01, Cosine: true, Cycle: 2, Mult: 2} },
		"batch":   func(c *dkt.Config) { c.Batch = 7 },
	} {
		c := config()
		change(&c)
		got := hash(c)
		if other, ok := seen[got]; ok {
			t.Errorf("%s gives the hash of %s", name, other)
		}
		seen[got] = name
	}
}

func TestPatienceEndsTheTraining(t *testing.T) {
	c, d := config(), data(t)
	c.Epochs, c.Patience, c.MinDelta = 50, 2, 0.5 // nothing gains so much
	st := train(t, c, d, 1, cpu.Options{})[0]
	if st.Epoch != 3 || len(st.History) != 3 {
		t.Errorf("ended after epoch %d, want 3: the first, and two without gain", st.Epoch)
	}
	best := 0
	for k, e := range st.History {
		if e.Valid.AUC > st.History[best].Valid.AUC {
			best = k
		}
	}
	if st.BestEpoch != best+1 {
		t.Errorf("best epoch %d, history says %d", st.BestEpoch, best+1)
	}
}

func TestTrainingLearns(t *testing.T) {
	c, d := config(), data(t)
	c.Epochs = 8
	st := train(t, c, d, 1, cpu.Options{})[0]
	if first, last := st.History[0].Loss, st.History[7].Loss; last >= first {
		t.Errorf("loss rose from %g to %g", first, last)
	}
}

// failing is a Reducer whose call number left fails.
type failing struct{ left int }

var errLost = errors.New("peer lost")

func (f *failing) Reduce(context.Context, uint32, uint32, []int64) error {
	if f.left--; f.left < 0 {
		return errLost
	}
	return nil
}

func TestALostPeerLeavesTheLastWholeStep(t *testing.T) {
	c, d := config(), data(t)
	st := dkt.NewState(c)
	b := engine(t, c, cpu.Options{})
	err := dkt.Train(t.Context(), c, d, b, dkt.Seat{Size: 1}, &failing{left: 3}, st, &watcher{})
	if !errors.Is(err, errLost) || st.Step != 3 {
		t.Fatalf("step %d, %v", st.Step, err)
	}
	if err := dkt.Train(t.Context(), c, d, b, dkt.Seat{Size: 1}, dkt.Alone{}, st, &watcher{}); err != nil || st.BestHash != golden {
		t.Errorf("after the loss: %s, %v", st.BestHash, err)
	}
}

func TestEmptyPartsAndBadSettingsAreNamed(t *testing.T) {
	c, d := config(), data(t)
	none := &sequence.Set{}
	for name, x := range map[string]struct {
		c    dkt.Config
		d    dkt.Data
		want error
	}{
		"train": {c, dkt.Data{Train: none, Valid: d.Valid}, dkt.ErrNoTrain},
		"valid": {c, dkt.Data{Train: d.Train, Valid: none}, dkt.ErrNoValid},
	} {
		err := dkt.Train(t.Context(), x.c, x.d, nil, dkt.Seat{Size: 1}, dkt.Alone{}, dkt.NewState(c), &watcher{})
		if !errors.Is(err, x.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (dkt.Config{Dropout: 1, Clip: -1, Patience: -1, Decay: -1, Rate: dkt.Rate{Cosine: true}}).Validate(); err == nil {
		t.Error("an empty configuration was taken")
	}
}

func TestCosineRestartsAsSGDR(t *testing.T) {
	r := dkt.Rate{Base: 1, Min: 0.1, Cosine: true, Cycle: 2, Mult: 2}
	want := []float64{1, 0.55, 1, 0.8681980515339464, 0.55, 0.2318019484660537, 1}
	for epoch, w := range want {
		if got := r.At(epoch); got < w-1e-12 || got > w+1e-12 {
			t.Errorf("epoch %d: rate %v, want %v", epoch, got, w)
		}
	}
	if got := (dkt.Rate{Base: 0.5}).At(99); got != 0.5 {
		t.Errorf("constant: %v", got)
	}
}

// The norm that is told is that of the gradient: a first step's first moment is a
// tenth of it. It is told at an epoch's end, and of each step where it is clipped.
func TestTheGradientsNormIsTold(t *testing.T) {
	c, d := config(), data(t)
	c.Epochs, c.Batch = 1, len(d.Train.Seqs)
	for _, clip := range []float64{0, 1e9} {
		c.Clip = clip
		st, w := dkt.NewState(c), &watcher{}
		if err := dkt.Train(t.Context(), c, d, engine(t, c, cpu.Options{}), dkt.Seat{Size: 1}, dkt.Alone{}, st, w); err != nil {
			t.Fatal(err)
		}
		squares := 0.0
		for _, m := range st.Moment1 {
			squares += float64(m) * float64(m)
		}
		if want := 10 * math.Sqrt(squares); len(w.steps) != 1 || math.Abs(w.steps[0].Norm-want) > 1e-4*want {
			t.Errorf("clip %g: told %+v, want %g", clip, w.steps, want)
		}
	}
	c.Batch = 8
	for _, clip := range []float64{0, 1e9} {
		c.Clip = clip
		w := &watcher{}
		if err := dkt.Train(t.Context(), c, d, engine(t, c, cpu.Options{}), dkt.Seat{Size: 1}, dkt.Alone{}, dkt.NewState(c), w); err != nil {
			t.Fatal(err)
		}
		for _, r := range w.steps {
			if (r.Norm > 0) != (clip > 0 || r.Step == r.Steps) {
				t.Errorf("clip %g: %+v", clip, r)
			}
		}
	}
}
