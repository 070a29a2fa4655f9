package cpu_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// predictable are shapes whose rows fill registers and do not, with one layer and
// more, embedded and direct, plain and with kinds and levels.
func predictable() []kernels.Shape {
	return []kernels.Shape{
		{Skills: 7, Embed: 5, Hidden: 13, Layers: 1},
		{Skills: 5, Embed: 0, Hidden: 16, Layers: 2},
		{Skills: 3, Embed: 8, Hidden: 40, Layers: 3},
		{Skills: 4, Embed: 6, Hidden: 9, Layers: 2, Kinds: 6, Levels: 3},
	}
}

// logitsOf is what the engine of training says of each step.
func logitsOf(t *testing.T, p *kernels.Params, path cpu.Path, seqs []kernels.Sequence) [][]float32 {
	t.Helper()
	e := open(t, p.Shape, cpu.Options{Path: path})
	ok(t, e.Load(p))
	z := make([][]float32, len(seqs))
	for k := range seqs {
		z[k] = make([]float32, len(seqs[k].In))
	}
	ok(t, e.Logits(seqs, z))
	return z
}

// asRun asks of a sequence what the engine is asked: before the next interaction,
// and after the last, of everything.
func asRun(s kernels.Sequence, shape kernels.Shape) *cpu.Run {
	n := len(s.In)
	r := &cpu.Run{In: s.In, Ask: append([]int32{-1}, s.Ask[:n-1]...), Logits: make([]float32, shape.Asks()), Before: make([]float32, n)}
	r.Before[0] = 77
	return r
}

func TestAPredictionHasTheBitsOfTheEngine(t *testing.T) {
	for _, s := range predictable() {
		p := begun(s, 3)
		for _, path := range cpu.Paths() {
			seqs := drawn(s, 40, 30)
			want := logitsOf(t, p, path, seqs)
			predictor, err := cpu.NewPredictor(p, path)
			ok(t, err)
			var runs []*cpu.Run
			for _, q := range seqs {
				runs = append(runs, asRun(q, s))
			}
			ok(t, cpu.NewLane(predictor).All(runs))
			for k, r := range runs {
				n := len(r.In)
				got := append(append([]float32{}, r.Before[1:]...), r.Logits[seqs[k].Ask[n-1]])
				if d := cmp.Diff(want[k], got); d != "" || r.Before[0] != 77 {
					t.Fatalf("%+v, %s, sequence %d of %d: %s", s, path, k, n, d)
				}
			}
		}
	}
}

// cuts runs a sequence in parts, each from the state that the last one left.
func cuts(r *rand.Rand, l *cpu.Lane, whole *cpu.Run, state int) (*cpu.Run, error) {
	got := &cpu.Run{In: whole.In, Logits: make([]float32, len(whole.Logits)), Before: make([]float32, len(whole.In))}
	got.Before[0] = 77
	var from []float32
	for at := 0; at < len(whole.In); {
		n := 1 + r.IntN(len(whole.In)-at)
		part := &cpu.Run{
			In: whole.In[at : at+n], Ask: whole.Ask[at : at+n], Before: got.Before[at : at+n], From: from,
			To: make([]float32, state), Logits: got.Logits,
		}
		if err := l.All([]*cpu.Run{part}); err != nil {
			return nil, err
		}
		from, at = part.To, at+n
	}
	again := &cpu.Run{From: from, Logits: make([]float32, len(whole.Logits)), To: make([]float32, state)}
	if err := l.All([]*cpu.Run{again}); err != nil {
		return nil, err
	}
	if !cmp.Equal(again.Logits, got.Logits) || !cmp.Equal(again.To, from) {
		got.Logits = nil // an idle run says something else
	}
	return got, nil
}

// Sequences come in at any step of the others, whole or from a state.
func TestNoGroupingMovesABit(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for _, s := range predictable() {
		predictor, err := cpu.NewPredictor(begun(s, 3), "")
		ok(t, err)
		seqs := drawn(s, 60, 25)
		alone, crowd := cpu.NewLane(predictor), cpu.NewLane(predictor)
		var want, rest, queue []*cpu.Run
		for _, q := range seqs {
			w := asRun(q, s)
			ok(t, alone.All([]*cpu.Run{w}))
			want = append(want, w)
			parts, err := cuts(r, alone, w, predictor.StateLen())
			ok(t, err)
			if d := cmp.Diff(w.Before, parts.Before) + cmp.Diff(w.Logits, parts.Logits); d != "" {
				t.Fatalf("%+v: in parts: %s", s, d)
			}
			g := asRun(q, s)
			if n := len(q.In) / 2; n > 0 { // its second half comes in from a state
				half := &cpu.Run{In: g.In[:n], Ask: g.Ask[:n], Before: g.Before[:n], To: make([]float32, predictor.StateLen())}
				ok(t, alone.All([]*cpu.Run{half}))
				g = &cpu.Run{In: g.In[n:], Ask: g.Ask[n:], Before: g.Before[n:], From: half.To, Logits: g.Logits}
			}
			rest = append(rest, g)
		}
		queue = append(queue, rest...)
		ended := 0
		for ended < len(rest) { // now and then there is nothing to take in
			ok(t, crowd.Serve(func() (next *cpu.Run) {
				if len(queue) > 0 && r.IntN(3) > 0 {
					next, queue = queue[0], queue[1:]
				}
				return next
			}, func(*cpu.Run) { ended++ }))
		}
		for k, g := range rest {
			if d := cmp.Diff(want[k].Before[len(want[k].In)-len(g.In):][1:], g.Before[1:]) + cmp.Diff(want[k].Logits, g.Logits); d != "" {
				t.Fatalf("%+v: in a crowd: %s", s, d)
			}
		}
	}
}

func TestARunThatDoesNotFitIsRefused(t *testing.T) {
	p, err := cpu.NewPredictor(kernels.InitParams(small(), 1), "")
	ok(t, err)
	room := make([]float32, p.StateLen())
	for name, r := range map[string]*cpu.Run{
		"interaction":   {In: []int32{6}},
		"negative":      {In: []int32{-1}},
		"asked":         {In: []int32{1}, Ask: []int32{3}, Before: make([]float32, 1)},
		"asked-length":  {In: []int32{1}, Ask: []int32{0, 0}, Before: make([]float32, 2)},
		"no-room":       {In: []int32{1}, Ask: []int32{0}},
		"logits":        {In: []int32{1}, Logits: make([]float32, 2)},
		"state":         {In: []int32{1}, From: room[1:]},
		"room-of-state": {In: []int32{1}, To: room[1:]},
		"nothing":       {To: room},
	} {
		if err := cpu.NewLane(p).All([]*cpu.Run{r}); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	nothing := &cpu.Run{Logits: make([]float32, 3)}
	ok(t, cpu.NewLane(p).All([]*cpu.Run{nothing}))
	if d := cmp.Diff(kernels.InitParams(small(), 1).Bout(), nothing.Logits); d != "" {
		t.Errorf("of nobody: %s", d)
	}
	unsound := kernels.InitParams(small(), 1)
	unsound.Bout()[1] = float32(math.NaN())
	p, err = cpu.NewPredictor(unsound, "")
	ok(t, err)
	if err := cpu.NewLane(p).All([]*cpu.Run{{In: []int32{1}, Logits: make([]float32, 3)}}); err == nil {
		t.Error("a logit that is no number is answered")
	}
	if _, err := cpu.NewPredictor(unsound, "abacus"); err == nil {
		t.Error("an unknown path is taken")
	}
}

// BenchmarkPredict is a sequence of 100 answers, alone and in a crowd.
func BenchmarkPredict(b *testing.B) {
	s := kernels.Shape{Skills: 136, Embed: 200, Hidden: 200, Layers: 1}
	p, err := cpu.NewPredictor(kernels.InitParams(s, 1), "")
	if err != nil {
		b.Fatal(err)
	}
	l := cpu.NewLane(p)
	for name, n := range map[string]int{"1": 1, "2": 2, "4": 4, "12": 12} {
		b.Run(name, func(b *testing.B) {
			var runs []*cpu.Run
			for k := range n {
				r := &cpu.Run{Logits: make([]float32, s.Skills)}
				for t := range 100 {
					r.In = append(r.In, int32((k*31+t*7)%(2*s.Skills)))
				}
				runs = append(runs, r)
			}
			for b.Loop() {
				if err := l.All(runs); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
