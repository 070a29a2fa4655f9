package cpu_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// Rows that get their updates later have the bits of those that get them at
// once, whenever a step asks for them.
func TestLaterUpdatesHaveTheSameBits(t *testing.T) {
	for _, s := range []kernels.Shape{
		{Skills: 40, Embed: 5, Hidden: 7, Layers: 2},
		{Skills: 40, Hidden: 16, Layers: 1}, // direct
		{Skills: 40, Embed: 5, Hidden: 7, Layers: 2, Kinds: 6, Levels: 3},
		{Skills: 40, Hidden: 16, Layers: 1, Kinds: 6, Levels: 3},
	} {
		for _, path := range cpu.Paths() {
			t.Run(string(path), func(t *testing.T) { later(t, s, path) })
		}
	}
}

func later(t *testing.T, s kernels.Shape, path cpu.Path) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	e, err := cpu.New(s, cpu.Options{Threads: 2, Path: path})
	ok(t, err)
	defer e.Close() //nolint:errcheck // always nil
	now, behind := newTrained(s), newTrained(s)
	wasBehind := false
	for step := range 12 {
		g := &kernels.Sums{Shape: s}
		g.Place(someRows(r, s))
		grad := &kernels.Gradient{}
		grad.Reset(g)
		for k := range grad.Data {
			grad.Data[k] = r.Float32() - 0.5
		}
		a := kernels.AdamStep{Beta1: 0.9, Beta2: 0.99, Rate: 0.01 * float32(step+1), Root: 2, Epsilon: 1e-8, Decay: 0.01}
		ok(t, now.engine(t, path).Adam(now.theta, now.m, now.v, grad, a, kernels.AbsentNow))
		ok(t, e.CatchUp(behind.theta, behind.m, behind.v, g))
		ok(t, e.Adam(behind.theta, behind.m, behind.v, grad, a, kernels.AbsentLater))
		p, q := kernels.Params{Shape: s, Data: now.theta}, kernels.Params{Shape: s, Data: behind.theta}
		for _, row := range grad.Rows { // what the step asked for is up to date
			at, n := int(row)*s.RowWidth(), s.RowWidth()
			if !slices.Equal(p.E()[at:at+n], q.E()[at:at+n]) {
				t.Fatalf("step %d: row %d has other bits", step, row)
			}
		}
		wasBehind = wasBehind || !slices.Equal(now.theta, behind.theta)
		if step == 5 {
			ok(t, e.Settle(behind.theta, behind.m, behind.v))
			if !slices.Equal(now.theta, behind.theta) {
				t.Fatal("settled in the middle, the weights differ")
			}
		}
	}
	if !wasBehind {
		t.Error("no row was ever behind: the test shows nothing")
	}
	for range 2 { // a second time changes nothing
		ok(t, e.Settle(behind.theta, behind.m, behind.v))
	}
	if !slices.Equal(now.theta, behind.theta) || !slices.Equal(now.m, behind.m) || !slices.Equal(now.v, behind.v) {
		t.Error("settled weights or moments differ")
	}
}

// trained are parameters and moments under way.
type trained struct {
	s           kernels.Shape
	theta, m, v []float32
}

func newTrained(s kernels.Shape) *trained {
	n := s.ParamCount()
	return &trained{s, kernels.InitParams(s, 4).Data, make([]float32, n), make([]float32, n)}
}

// engine is a fresh one, which knows of no missed update.
func (p *trained) engine(t *testing.T, path cpu.Path) *cpu.Engine {
	e, err := cpu.New(p.s, cpu.Options{Path: path})
	ok(t, err)
	t.Cleanup(func() { ok(t, e.Close()) })
	return e
}

// someRows is a sequence of a few skills.
func someRows(r *rand.Rand, s kernels.Shape) []kernels.Sequence {
	n := 1 + r.IntN(8)
	q := kernels.Sequence{In: make([]int32, n), Ask: make([]int32, n), Right: make([]uint8, n)}
	for k := range n {
		q.In[k], q.Ask[k] = int32(r.IntN(s.Rows())), int32(r.IntN(s.Asks()))
	}
	return []kernels.Sequence{q}
}
