package cpu_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// reference is the model in float64, written from the equations of the LSTM and
// not from the engine: only the layout of weights and the dropout mask are
// shared. It has no backward pass; gradients are finite differences.
type reference struct {
	s kernels.Shape
	w []float64 // in the order of Params
	d kernels.Dropout
}

func squash(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// loss is the summed cross-entropy of a sequence.
func (r *reference) loss(q kernels.Sequence) float64 {
	total := 0.0
	for t, z := range r.logits(q) {
		p := squash(z)
		if q.Right[t] == 0 {
			p = 1 - p
		}
		total -= math.Log(p)
	}
	return total
}

// logits run the layers step by step: weights are read off one after another,
// as a reader of the documented layout would.
func (r *reference) logits(q kernels.Sequence) []float64 {
	s, out := r.s, []float64(nil)
	h, c := make([][]float64, s.Layers), make([][]float64, s.Layers)
	for l := range h {
		h[l], c[l] = make([]float64, s.Hidden), make([]float64, s.Hidden)
	}
	for t, in := range q.In {
		left := r.w
		next := func(n int) []float64 {
			part := left[:n]
			left = left[n:]
			return part
		}
		width := s.Embed
		if width == 0 {
			width = 4 * s.Hidden
		}
		embed := next((2*s.Skills + s.Kinds) * width)
		skill, kind := int(in)%s.Skills, int(in)/s.Skills
		x := slices.Clone(embed[(skill+s.Skills*(kind%2))*width:][:width])
		if s.Kinds > 0 {
			for k := range x {
				x[k] += embed[(2*s.Skills+kind)*width+k]
			}
		}
		for l := range s.Layers {
			if l == 0 && s.Embed == 0 {
				h[l], c[l] = cell(nil, h[l], c[l], nil, next(s.Hidden*4*s.Hidden), x)
			} else {
				wx, u, b := next(len(x)*4*s.Hidden), next(s.Hidden*4*s.Hidden), next(4*s.Hidden)
				h[l], c[l] = cell(x, h[l], c[l], wx, u, b)
			}
			x = r.drop(q, l, t, h[l])
		}
		wout, bout := next((s.Skills+s.Levels)*s.Hidden), next(s.Skills+s.Levels)
		asked := []int{int(q.Ask[t]) % s.Skills}
		if s.Levels > 0 {
			asked = append(asked, s.Skills+int(q.Ask[t])/s.Skills)
		}
		z := 0.0
		for _, row := range asked {
			z += bout[row]
			for k, v := range x {
				z += v * wout[row*s.Hidden+k]
			}
		}
		out = append(out, z)
	}
	return out
}

// cell is one step of an LSTM layer; columns of wx and u are gate·H + unit.
func cell(x, h, c, wx, u, b []float64) (hNew, cNew []float64) {
	n := len(h)
	gate := func(g, unit int) float64 {
		column := g*n + unit
		z := b[column]
		for k, v := range x {
			z += v * wx[k*4*n+column]
		}
		for k, v := range h {
			z += v * u[k*4*n+column]
		}
		return z
	}
	hNew, cNew = make([]float64, n), make([]float64, n)
	for k := range n {
		cNew[k] = squash(gate(1, k))*c[k] + squash(gate(0, k))*math.Tanh(gate(2, k))
		hNew[k] = squash(gate(3, k)) * math.Tanh(cNew[k])
	}
	return hNew, cNew
}

func (r *reference) drop(q kernels.Sequence, l, t int, h []float64) []float64 {
	out := make([]float64, len(h))
	for u, v := range h {
		if r.d.Keeps(q.ID, l, t, u) {
			out[u] = v / (1 - r.d.Rate)
		}
	}
	return out
}

// slope is the derivative of the summed loss by weight k.
func (r *reference) slope(seqs []kernels.Sequence, k int) float64 {
	const h = 1e-4
	at := func(x float64) (sum float64) {
		old := r.w[k]
		r.w[k] += x
		for _, q := range seqs {
			sum += r.loss(q)
		}
		r.w[k] = old
		return sum
	}
	// of fourth order: the error is about 1e-12
	return (8*(at(h)-at(-h)) - (at(2*h) - at(-2*h))) / (12 * h)
}

func TestGradientsAreTheSlopesOfTheLoss(t *testing.T) {
	drop := kernels.Dropout{Seed: 8, Epoch: 4}
	// a rate whose threshold is the word of the first unit, which is kept
	edge := float64(drop.Word(0, 0, 0, 0)) * 0x1p-32
	for _, layers := range []int{1, 2, 3} {
		for _, rate := range []float64{0, 0.4, edge} {
			for _, embed := range []int{4, 0} {
				for _, levels := range []int{0, 3} {
					t.Run(fmt.Sprintf("%d-layers/embed-%d/dropout-%.2f/%d-levels", layers, embed, rate, levels), func(t *testing.T) {
						drop.Rate = rate
						checkSlopes(t, kernels.Shape{Skills: 3, Embed: embed, Hidden: 5, Layers: layers, Kinds: 2 * levels, Levels: levels}, drop)
					})
				}
			}
		}
	}
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

func checkSlopes(t *testing.T, s kernels.Shape, drop kernels.Dropout) {
	seqs := drawn(s, 5, 5)
	p := begun(s, 11)
	r := &reference{s: s, d: drop}
	for _, v := range p.Data {
		r.w = append(r.w, float64(v))
	}
	answers, total := 0, 0.0
	for _, q := range seqs {
		answers += len(q.In)
		total += r.loss(q)
	}
	slopes := make([]float64, len(r.w))
	for k := range slopes {
		slopes[k] = r.slope(seqs, k) / float64(answers)
	}
	for _, path := range cpu.Paths() {
		e := open(t, s, cpu.Options{Path: path})
		sums, grad := kernels.NewSums(s), make([]float32, s.ParamCount())
		ok(t, e.Load(p))
		ok(t, e.Gradients(seqs, drop, sums))
		ok(t, e.Derive(p, sums, grad))
		if got := sums.Counters()[kernels.CountAnswers]; got != int64(answers) {
			t.Errorf("%s: %d answers counted, want %d", path, got, answers)
		}
		if got := float64(sums.Counters()[kernels.CountLoss]) / kernels.FixedOne; math.Abs(got-total) > 1e-5 {
			t.Errorf("%s: loss %g, want %g", path, got, total)
		}
		worst := 0.0
		for k, want := range slopes {
			worst = max(worst, math.Abs(float64(grad[k])-want))
		}
		t.Logf("%s: largest error of a gradient %.2g", path, worst)
		if worst > 1e-7 {
			t.Errorf("%s: gradients are off by up to %g", path, worst)
		}
	}
}

func TestLogitsAreTheModels(t *testing.T) {
	for _, embed := range []int{6, 0} {
		checkLogits(t, kernels.Shape{Skills: 4, Embed: embed, Hidden: 19, Layers: 2})
		checkLogits(t, kernels.Shape{Skills: 4, Embed: embed, Hidden: 19, Layers: 2, Kinds: 4})
		checkLogits(t, kernels.Shape{Skills: 4, Embed: embed, Hidden: 19, Layers: 2, Levels: 5})
	}
}

func checkLogits(t *testing.T, s kernels.Shape) {
	t.Helper()
	seqs := drawn(s, 20, 12)
	p := begun(s, 2)
	r := &reference{s: s}
	for _, v := range p.Data {
		r.w = append(r.w, float64(v))
	}
	for _, path := range cpu.Paths() {
		e := open(t, s, cpu.Options{Path: path, Threads: 2})
		ok(t, e.Load(p))
		z := make([][]float32, len(seqs))
		for k, q := range seqs {
			z[k] = make([]float32, len(q.In))
		}
		ok(t, e.Logits(seqs, z))
		for k, q := range seqs {
			for step, want := range r.logits(q) {
				if math.Abs(float64(z[k][step])-want) > 2e-6 {
					t.Fatalf("%s: logit %d of sequence %d is %g, want %g", path, step, k, z[k][step], want)
				}
			}
		}
	}
}

// Adam against the textbook in float64, from the same gradients.
func TestAdamIsTheTextbooks(t *testing.T) {
	const n, rate, beta1, beta2, epsilon, decay = 28, 0.01, 0.9, 0.999, 1e-8, 0.1
	for _, path := range cpu.Paths() {
		s := kernels.Shape{Skills: 4, Embed: 1, Hidden: 1, Layers: 1}
		e := open(t, s, cpu.Options{Path: path})
		theta, m, v, grad := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		want, m64, v64 := make([]float64, n), make([]float64, n), make([]float64, n)
		for k := range theta {
			theta[k] = float32(k) - 10
			want[k] = float64(theta[k])
		}
		for step := 1; step <= 20; step++ {
			c1, c2 := 1-math.Pow(beta1, float64(step)), 1-math.Pow(beta2, float64(step))
			for k := range grad {
				grad[k] = float32(math.Sin(float64(7*k + step)))
				g := float64(grad[k])
				m64[k] = beta1*m64[k] + (1-beta1)*g
				v64[k] = beta2*v64[k] + (1-beta2)*g*g
				want[k] -= rate * decay * want[k]
				want[k] -= rate * (m64[k] / c1) / (math.Sqrt(v64[k]/c2) + epsilon)
			}
			ok(t, e.Adam(theta, m, v, whole(s, grad), kernels.AdamStep{
				Beta1: beta1, Beta2: beta2, Rate: float32(rate / c1), Root: float32(1 / math.Sqrt(c2)),
				Epsilon: epsilon, Decay: rate * decay,
			}, kernels.AbsentNow))
		}
		for k := range theta {
			if math.Abs(float64(theta[k])-want[k]) > 2e-5 {
				t.Errorf("%s: weight %d is %g, want %g", path, k, theta[k], want[k])
			}
		}
	}
}

// Moments that nothing feeds die before they become subnormal.
func TestAdamForgetsTinyMoments(t *testing.T) {
	for _, path := range cpu.Paths() {
		s := kernels.Shape{Skills: 2, Embed: 1, Hidden: 1, Layers: 1}
		e := open(t, s, cpu.Options{Path: path})
		const n = 20
		theta, m, v, grad := make([]float32, n), make([]float32, n), make([]float32, n), make([]float32, n)
		for k := range m {
			m[k], v[k] = 0x1p-100, 0x1p-120
			if k%2 == 1 {
				m[k], v[k] = -0x1.8p-100, 0x1.8p-120
			}
		}
		ok(t, e.Adam(theta, m, v, whole(s, grad), kernels.AdamStep{Beta1: 0.75, Beta2: 0.75, Rate: 1, Root: 1, Epsilon: 1}, kernels.AbsentNow))
		for k := range m {
			wantM, wantV := float32(0), float32(0)
			if k%2 == 1 {
				wantM, wantV = -0x1.2p-100, 0x1.2p-120
			}
			if m[k] != wantM || v[k] != wantV || math.Signbit(float64(m[k])) != (wantM < 0) {
				t.Errorf("%s: moments %d are %x and %x, want %x and %x", path, k, m[k], v[k], wantM, wantV)
			}
		}
	}
}
