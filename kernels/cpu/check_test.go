package cpu_test

import (
	"errors"
	"math"
	"slices"
	"testing"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

func small() kernels.Shape { return kernels.Shape{Skills: 3, Embed: 4, Hidden: 5, Layers: 1} }

func loaded(t *testing.T, spoil func(p *kernels.Params)) *cpu.Engine {
	t.Helper()
	p := kernels.InitParams(small(), 1)
	spoil(p)
	e := open(t, small(), cpu.Options{})
	ok(t, e.Load(p))
	return e
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	s := small()
	e := loaded(t, func(*kernels.Params) {})
	one := []kernels.Sequence{{ID: 7, In: []int32{0}, Ask: []int32{0}, Right: []uint8{1}}}
	g, p, out := kernels.NewSums(s), kernels.NewParams(s), make([]float32, s.ParamCount())
	ok(t, e.Gradients(one, kernels.Dropout{}, g))
	var grad kernels.Gradient
	other := kernels.Shape{Skills: 2, Embed: 4, Hidden: 5, Layers: 1}
	for name, err := range map[string]error{
		"answer-2":          e.Gradients([]kernels.Sequence{{In: []int32{0}, Ask: []int32{0}, Right: []uint8{2}}}, kernels.Dropout{}, g),
		"sums-of-another":   e.Gradients(one, kernels.Dropout{}, kernels.NewSums(other)),
		"sums-too-short":    e.Gradients(one, kernels.Dropout{}, &kernels.Sums{Shape: s, Data: g.Data[1:]}),
		"no-row":            e.Gradients(one, kernels.Dropout{}, placed(s, []int32{1}, []int32{0})),
		"no-skill":          e.Gradients(one, kernels.Dropout{}, placed(s, []int32{0}, []int32{1})),
		"out-of-order":      e.Gradients(one, kernels.Dropout{}, placed(s, []int32{1, 0}, []int32{0})),
		"no-such-row":       e.Gradients(one, kernels.Dropout{}, placed(s, []int32{0, 6}, []int32{0})),
		"derived-of-other":  e.Mean(g, &kernels.Derived{Shape: other, Rows: len(g.Rows)}, &grad),
		"derived-too-short": e.Mean(g, &kernels.Derived{Shape: s, Rows: 1}, &grad),
		"adam-short":        e.Adam(out[:3], out, out, whole(s, out), kernels.AdamStep{}, kernels.AbsentNow),
		"adam-moment-short": e.Adam(out, out, out[1:], whole(s, out), kernels.AdamStep{}, kernels.AbsentNow),
		"adam-of-another":   e.Adam(out, out, out, whole(other, out), kernels.AdamStep{}, kernels.AbsentNow),
		"no-room":           e.Logits(one, nil),
		"room-too-short":    e.Logits(one, [][]float32{{}}),
		"room-too-long":     e.Logits(one, [][]float32{{0, 0}}),
		"params-of-another": e.Derive(kernels.NewParams(other), g, out),
		"params-too-short":  e.Derive(&kernels.Params{Shape: s, Data: p.Data[1:]}, g, out),
		"derive-sums":       e.Derive(p, kernels.NewSums(other), out),
		"gradient-short":    e.Derive(p, g, out[1:]),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// placed are sums with the places given.
func placed(s kernels.Shape, rows, asked []int32) *kernels.Sums {
	g := &kernels.Sums{Shape: s, Rows: rows, Asked: asked}
	g.Data = make([]int64, g.Len())
	return g
}

func TestALogitThatIsNotFiniteIsNamed(t *testing.T) {
	// skill 1 is asked in step 1; its answer is wrong, so that a logit of -Inf
	// has loss 0
	seqs := []kernels.Sequence{{ID: 7, In: []int32{0, 1}, Ask: []int32{0, 1}, Right: []uint8{1, 0}}}
	for _, bad := range []float64{math.Inf(-1), math.Inf(1), math.NaN()} {
		e := loaded(t, func(p *kernels.Params) { p.Bout()[1] = float32(bad) })
		g := kernels.NewSums(small())
		for name, err := range map[string]error{
			"gradients": e.Gradients(seqs, kernels.Dropout{}, g),
			"logits":    e.Logits(seqs, [][]float32{make([]float32, 2)}),
		} {
			var fault *kernels.NonFiniteError
			if !errors.As(err, &fault) || *fault != (kernels.NonFiniteError{Tensor: "logit", Sequence: 7, Step: 1}) {
				t.Errorf("%s with a bias of %g: %v", name, bad, err)
			}
		}
		if slices.ContainsFunc(g.Data, func(q int64) bool { return q != 0 }) {
			t.Errorf("sums were touched by a step with a bias of %g", bad)
		}
	}
}

// Every gradient that leaves its range is caught, and names its tensor.
func TestAGradientOutOfRangeIsNamed(t *testing.T) {
	seqs := []kernels.Sequence{{ID: 9, In: []int32{0, 1, 2}, Ask: []int32{0, 1, 2}, Right: []uint8{1, 0, 1}}}
	nan := float32(math.NaN())
	for name, c := range map[string]struct {
		spoil  func(p *kernels.Params)
		tensor string
	}{
		"recurrent": {func(p *kernels.Params) { p.U(0)[0] = nan }, "logit"},
		"large": {func(p *kernels.Params) {
			for k := range p.Wout() {
				p.Wout()[k] = 1e8 * float32(1-2*(k%2))
			}
		}, "logit"},
		"huge-slope": {func(p *kernels.Params) {
			clear(p.U(0))
			for k := range p.Wout() {
				p.Wout()[k] = 0
			}
			p.Wout()[0], p.Wout()[1] = 3e6, -3e6 // cancel in the logit, not in dh
			for k := range p.E() {
				p.E()[k] = 0
			}
			for k := range p.B(0) {
				p.B(0)[k] = 0.5
			}
		}, "table"},
	} {
		t.Run(name, func(t *testing.T) {
			err := loaded(t, c.spoil).Gradients(seqs, kernels.Dropout{}, kernels.NewSums(small()))
			var fault *kernels.NonFiniteError
			if !errors.As(err, &fault) || fault.Tensor != c.tensor || fault.Sequence != 9 {
				t.Errorf("got %v, want %s of sequence 9", err, c.tensor)
			}
		})
	}
}

func TestAReducedSumOutOfRangeIsNamed(t *testing.T) {
	s := kernels.Shape{Skills: 3, Embed: 4, Hidden: 5, Layers: 2}
	e := open(t, s, cpu.Options{Threads: 2})
	p := kernels.InitParams(s, 1)
	for name, c := range map[string]struct {
		entry  func(g *kernels.Sums) *int64
		tensor string
	}{
		"table": {func(g *kernels.Sums) *int64 { return &g.T()[3] }, "the gradient of the table"},
		"u":     {func(g *kernels.Sums) *int64 { return &g.U(1)[3] }, "the gradient of U"},
		"wx":    {func(g *kernels.Sums) *int64 { return &g.Wx(1)[3] }, "the gradient of Wx"},
		"b":     {func(g *kernels.Sums) *int64 { return &g.B(1)[3] }, "the gradient of B"},
		"wout":  {func(g *kernels.Sums) *int64 { return &g.Wout()[3] }, "the gradient of Wout"},
		"bout":  {func(g *kernels.Sums) *int64 { return &g.Bout()[1] }, "the gradient of Bout"},
	} {
		t.Run(name, func(t *testing.T) {
			out := make([]float32, s.ParamCount())
			for _, q := range []int64{kernels.SumLimit, -kernels.SumLimit} {
				g := kernels.NewSums(s)
				g.Counters()[kernels.CountAnswers] = 5
				*c.entry(g) = q
				err := e.Derive(p, g, out)
				var fault *kernels.NonFiniteError
				if !errors.As(err, &fault) || fault.Tensor != c.tensor {
					t.Errorf("%d: %v", q, err)
				}
			}
		})
	}
	// the derived gradients pass the door too
	for name, c := range map[string]struct {
		spoil  func(p *kernels.Params)
		tensor string
	}{
		"e": {func(p *kernels.Params) { p.Wx(0)[3] = 1e20 }, "the gradient of E"},
		"w": {func(p *kernels.Params) { p.E()[0] = 1e20 }, "the gradient of Wx"},
	} {
		t.Run("derived-"+name, func(t *testing.T) {
			p := kernels.InitParams(s, 1)
			c.spoil(p)
			g := kernels.NewSums(s)
			g.Counters()[kernels.CountAnswers] = 5
			g.T()[3] = 1 << 30
			err := e.Derive(p, g, make([]float32, s.ParamCount()))
			var fault *kernels.NonFiniteError
			if !errors.As(err, &fault) || fault.Tensor != c.tensor {
				t.Error(err)
			}
		})
	}
}
