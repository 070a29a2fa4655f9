package kerneltest

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// result is all that an engine computes from a step.
type result struct {
	sums   *kernels.Sums
	grad   kernels.Gradient
	theta  []float32
	m, v   []float32
	logits [][]float32
}

// step runs one whole step.
func step(t rapid.TB, p *kernels.Params, seqs []kernels.Sequence, d kernels.Dropout, o cpu.Options) result {
	t.Helper()
	e, err := cpu.New(p.Shape, o)
	if err != nil {
		t.Fatal(err)
	}
	n := p.Shape.ParamCount()
	r := result{
		sums: kernels.NewSums(p.Shape), theta: slices.Clone(p.Data),
		m: make([]float32, n), v: make([]float32, n), logits: make([][]float32, len(seqs)),
	}
	for k, s := range seqs {
		r.logits[k] = make([]float32, len(s.In))
	}
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.sums.Place(seqs)
	check(e.Load(p))
	check(e.Gradients(seqs, d, r.sums))
	check(e.Logits(seqs, r.logits))
	var derived kernels.Derived
	check(e.DeriveShare(p, r.sums, 0, 1, &derived))
	check(e.Mean(r.sums, &derived, &r.grad))
	for range 3 {
		check(e.Adam(r.theta, r.m, r.v, &r.grad, kernels.AdamStep{
			Beta1: 0.9, Beta2: 0.999, Rate: 0.01, Root: 3, Epsilon: 1e-8, Decay: 0.001,
		}, kernels.Absent(len(seqs)%3)))
	}
	check(e.Settle(r.theta, r.m, r.v))
	check(e.Close())
	return r
}

// compare fails at the first entry that differs; ±0 are equal.
func compare(t rapid.TB, what string, want, got result) {
	t.Helper()
	if k, ok := differ(want.sums.Data, got.sums.Data); !ok {
		t.Fatalf("%s: sum %d is %d, portable %d", what, k, got.sums.Data[k], want.sums.Data[k])
	}
	for name, pair := range map[string][2][]float32{
		"gradient": {want.grad.Data, got.grad.Data}, "weight": {want.theta, got.theta},
		"moment 1": {want.m, got.m}, "moment 2": {want.v, got.v},
	} {
		if k, ok := differ(pair[0], pair[1]); !ok {
			t.Fatalf("%s: %s %d is %g, portable %g", what, name, k, pair[1][k], pair[0][k])
		}
	}
	for s := range want.logits {
		if k, ok := differ(want.logits[s], got.logits[s]); !ok {
			t.Fatalf("%s: logit %d of sequence %d is %g, portable %g", what, k, s, got.logits[s][k], want.logits[s][k])
		}
	}
}

func differ[T comparable](a, b []T) (int, bool) {
	for k := range a {
		if a[k] != b[k] {
			return k, false
		}
	}
	return 0, true
}

func sequences(r *rand.Rand, s kernels.Shape, n, longest int) []kernels.Sequence {
	var seqs []kernels.Sequence
	for id := range n {
		q := kernels.Sequence{ID: uint32(id)}
		for range 1 + r.IntN(longest) {
			q.In = append(q.In, int32(r.IntN(s.Rows())))
			q.Ask = append(q.Ask, int32(r.IntN(s.Asks())))
			q.Right = append(q.Right, uint8(r.IntN(2)))
		}
		seqs = append(seqs, q)
	}
	return seqs
}

// begun are starting weights, with some for kinds and levels too.
func begun(s kernels.Shape, seed uint32) *kernels.Params {
	p := kernels.InitParams(s, seed)
	for k, v := range p.Data {
		if v == 0 {
			p.Data[k] = p.Data[k/2] / 2
		}
	}
	return p
}

func TestEveryPathGivesTheSameBits(t *testing.T) {
	if cpu.Best() == cpu.Portable {
		t.Skip("this processor has only the portable path")
	}
	rapid.Check(t, func(t *rapid.T) {
		s := kernels.Shape{
			Skills: rapid.IntRange(1, 50).Draw(t, "skills"), Embed: rapid.IntRange(0, 40).Draw(t, "embed"),
			Hidden: rapid.IntRange(1, 70).Draw(t, "hidden"), Layers: rapid.IntRange(1, 3).Draw(t, "layers"),
			Kinds: 2 * rapid.IntRange(0, 5).Draw(t, "pairs"), Levels: rapid.IntRange(0, 5).Draw(t, "levels"),
		}
		seed := rapid.Uint32().Draw(t, "seed")
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		seqs := sequences(r, s, rapid.IntRange(1, 30).Draw(t, "sequences"), rapid.IntRange(1, 12).Draw(t, "longest"))
		d := kernels.Dropout{Seed: seed, Epoch: 3, Rate: rapid.SampledFrom([]float64{0, 0.1, 0.5}).Draw(t, "dropout")}
		p := begun(s, seed)
		want := step(t, p, seqs, d, cpu.Options{Path: cpu.Portable})
		for _, path := range cpu.Paths()[:len(cpu.Paths())-1] {
			compare(t, string(path), want, step(t, p, seqs, d, cpu.Options{Path: path, Threads: rapid.IntRange(1, 3).Draw(t, "threads")}))
		}
		r.Shuffle(len(seqs), func(i, j int) { seqs[i], seqs[j] = seqs[j], seqs[i] })
		moved := step(t, p, seqs, d, cpu.Options{})
		if k, ok := differ(want.sums.Data, moved.sums.Data); !ok {
			t.Fatalf("another order moves sum %d", k)
		}
	})
}

// Widths that models have, up to the largest; few steps, for the reference's sake.
func TestEveryWidthGivesTheSameBits(t *testing.T) {
	for _, hidden := range []int{8, 64, 100, 200, 256, 333, 512, 1024} {
		s := kernels.Shape{Skills: 3, Embed: 5, Hidden: hidden, Layers: 1}
		samePaths(t, s, uint32(hidden), 3, 3, 0.1, 2)
	}
}

// FuzzPaths looks for shapes and sequences that one path computes otherwise.
func FuzzPaths(f *testing.F) {
	f.Add(uint32(1), uint8(5), uint8(4), uint8(8), uint8(1), uint8(3), uint8(4), uint8(30), uint8(2), uint8(0))
	f.Add(uint32(2), uint8(90), uint8(0), uint8(33), uint8(2), uint8(14), uint8(9), uint8(0), uint8(1), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint32, skills, embed, hidden, layers, sequences, longest, drop, threads, pairs uint8) {
		s := kernels.Shape{
			Skills: 1 + int(skills), Embed: int(embed) % 65, Hidden: 1 + int(hidden)%130, Layers: 1 + int(layers)%3,
			Kinds: 2 * (int(pairs) % 8), Levels: int(pairs) / 8 % 8,
		}
		samePaths(t, s, seed, 1+int(sequences)%30, 1+int(longest)%12, float64(drop%200)/256, 1+int(threads)%4)
	})
}

// samePaths holds every path to the portable one on a random step.
func samePaths(t *testing.T, s kernels.Shape, seed uint32, n, longest int, drop float64, threads int) {
	t.Helper()
	seqs := sequences(rand.New(rand.NewPCG(uint64(seed), 2)), s, n, longest)
	d, p := kernels.Dropout{Seed: seed, Epoch: 1, Rate: drop}, begun(s, seed)
	want := step(t, p, seqs, d, cpu.Options{Path: cpu.Portable})
	for _, path := range cpu.Paths()[:len(cpu.Paths())-1] {
		compare(t, fmt.Sprintf("%s of %+v", path, s), want, step(t, p, seqs, d, cpu.Options{Path: path, Threads: threads}))
	}
}

// Sums of parts are the sum of the whole: what lets members share a step.
func TestPartsAddUp(t *testing.T) {
	s := kernels.Shape{Skills: 9, Embed: 7, Hidden: 20, Layers: 2}
	r := rand.New(rand.NewPCG(5, 5))
	seqs := sequences(r, s, 23, 15)
	d := kernels.Dropout{Seed: 1, Rate: 0.2}
	e, err := cpu.New(s, cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Load(kernels.InitParams(s, 2)); err != nil {
		t.Fatal(err)
	}
	whole, parts, one := kernels.NewSums(s), kernels.NewSums(s), kernels.NewSums(s)
	if err := e.Gradients(seqs, d, whole); err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]kernels.Sequence{seqs[:1], seqs[1:14], seqs[14:], nil} {
		if err := e.Gradients(part, d, one); err != nil {
			t.Fatal(err)
		}
		for k, v := range one.Data {
			parts.Data[k] += v
		}
	}
	if k, ok := differ(whole.Data, parts.Data); !ok {
		t.Fatalf("entry %d: whole %d, parts %d", k, whole.Data[k], parts.Data[k])
	}
}

func TestWhatIsNotFiniteIsNamed(t *testing.T) {
	s := kernels.Shape{Skills: 3, Embed: 4, Hidden: 5, Layers: 1}
	seqs := sequences(rand.New(rand.NewPCG(1, 1)), s, 3, 4)
	for _, path := range cpu.Paths() {
		for name, spoil := range map[string]func(p *kernels.Params){
			"weight": func(p *kernels.Params) { p.U(0)[3] = float32(math.NaN()); p.B(0)[0] = float32(math.NaN()) },
			"head":   func(p *kernels.Params) { p.Wout()[2] = float32(math.Inf(1)); p.Bout()[0] = float32(math.NaN()) },
		} {
			t.Run(fmt.Sprintf("%s-%s", path, name), func(t *testing.T) {
				p := kernels.InitParams(s, 1)
				for k := range 3 {
					p.Bout()[k] = 0
				}
				spoil(p)
				e, err := cpu.New(s, cpu.Options{Path: path})
				if err != nil {
					t.Fatal(err)
				}
				if err := e.Load(p); err != nil {
					t.Fatal(err)
				}
				err = e.Gradients(seqs, kernels.Dropout{}, kernels.NewSums(s))
				var bad *kernels.NonFiniteError
				if !errors.As(err, &bad) || bad.Tensor == "" {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

func TestMisuseIsAnError(t *testing.T) {
	s := kernels.Shape{Skills: 3, Embed: 4, Hidden: 5, Layers: 1}
	for _, bad := range []kernels.Shape{
		{},
		{Skills: 1, Embed: 1, Hidden: 0, Layers: 1},
		{Skills: 1, Embed: 1, Hidden: 1, Layers: 1, Kinds: 3},
		{Skills: 1, Embed: 1, Hidden: 1, Layers: 1, Kinds: -2},
		{Skills: 1, Embed: 1, Hidden: 1, Layers: 1, Levels: -1},
	} {
		if _, err := cpu.New(bad, cpu.Options{}); err == nil {
			t.Errorf("shape %+v was taken", bad)
		}
	}
	if _, err := cpu.New(s, cpu.Options{Path: "abacus"}); err == nil {
		t.Error("an unknown path was taken")
	}
	e, err := cpu.New(s, cpu.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := kernels.NewSums(s)
	if err := e.Gradients(nil, kernels.Dropout{}, g); err == nil {
		t.Error("gradients without weights")
	}
	if err := e.Load(kernels.NewParams(kernels.Shape{Skills: 1, Embed: 1, Hidden: 1, Layers: 1})); err == nil {
		t.Error("weights of another shape were taken")
	}
	if err := e.Load(kernels.NewParams(s)); err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]kernels.Sequence{
		"empty":       {},
		"lengths":     {In: []int32{0}, Ask: []int32{0, 1}, Right: []uint8{1}},
		"answers":     {In: []int32{0}, Ask: []int32{0}},
		"interaction": {In: []int32{6}, Ask: []int32{0}, Right: []uint8{1}},
		"skill":       {In: []int32{0}, Ask: []int32{3}, Right: []uint8{1}},
	} {
		if err := e.Gradients([]kernels.Sequence{q}, kernels.Dropout{}, g); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	g.Counters()[kernels.CountAnswers] = 0
	if err := e.Derive(kernels.NewParams(s), g, make([]float32, s.ParamCount())); err == nil {
		t.Error("a step without answers was derived")
	}
}
