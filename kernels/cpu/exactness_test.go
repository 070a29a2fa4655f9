package cpu

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"cohort/kernels"
)

// BenchmarkExactness is what exact sums cost a step, forward and backward: the
// time beyond that of a step whose gradients stay floats, with a chain of dU a
// sequence, as in the contract, or one a wave, whichever is faster. They take turns.
func BenchmarkExactness(b *testing.B) {
	for _, hidden := range []int{100, 200, 256} {
		for _, mean := range []int{200, 60} {
			b.Run(fmt.Sprintf("H=%d/steps=%d", hidden, mean), func(b *testing.B) { exactness(b, hidden, mean) })
		}
	}
}

func exactness(b *testing.B, hidden, mean int) {
	s := kernels.Shape{Skills: 124, Embed: 8, Hidden: hidden, Layers: 1}
	e, err := New(s, Options{})
	if err != nil {
		b.Fatal(err)
	}
	seqs := exponential(s, mean)
	if err := e.Load(kernels.InitParams(s, 1)); err != nil {
		b.Fatal(err)
	}
	g := kernels.NewSums(s)
	run := func() {
		if err := e.Gradients(seqs, kernels.Dropout{Rate: 0.1}, g); err != nil {
			b.Fatal(err)
		}
	}
	run()
	t := e.threads[0]
	exact := t.door
	var spent [3]time.Duration
	for b.Loop() {
		for k, f := range []func(){run, run, func() { t.floats(e, seqs) }} {
			t.door = []door{exact, stored(e.ops), stored(e.ops)}[k]
			start := time.Now()
			f()
			spent[k] += time.Since(start)
		}
	}
	b.ReportMetric(100*(spent[0].Seconds()/min(spent[1], spent[2]).Seconds()-1), "exactness_percent")
}

// exponential are 64 sequences with lengths as in real logs; of 200 if mean is.
func exponential(s kernels.Shape, mean int) []kernels.Sequence {
	r := rand.New(rand.NewPCG(1, 7))
	seqs := make([]kernels.Sequence, 64)
	for id := range seqs {
		n := 200
		if mean < n {
			n = min(1+int(r.ExpFloat64()*float64(mean)), n)
		}
		q := &seqs[id]
		for range n {
			q.In, q.Ask = append(q.In, int32(r.IntN(s.Rows()))), append(q.Ask, int32(r.IntN(s.Asks())))
			q.Right = append(q.Right, uint8(r.IntN(2)))
		}
	}
	return seqs
}

// stored is a door that writes floats: no less than a float sum would.
func stored(o ops) door {
	return func(dst []int64, src []float32) bool {
		o.scale(&scaleArgs{dst: (*float32)(unsafe.Pointer(&dst[0])), src: &src[0], n: len(src) &^ 7, factor: 1})
		return true
	}
}

// floats is Gradients without a fixed point: dU of a wave is one chain.
func (t *thread) floats(e *Engine, seqs []kernels.Sequence) {
	t.sums.clear()
	t.drop, t.out = kernels.Dropout{Rate: 0.1}, nil
	parts := e.dealer.Deal(seqs, 1)
	for part := parts[0]; len(part) > 0; {
		part = t.wave.plan(seqs, part)
		t.grow(t.wave.rows)
		_, _ = t.forward(0), t.backward(0)
		d, s, rows := e.d, &t.state[0], t.wave.rows
		for n := range d.panels() {
			dg := &s.z[(rows-1)*d.gq+n*d.columns]
			t.outer(t.sums.layers[0].recurrent[n*d.Hidden*d.columns:], d.Hidden, rows-1, &s.h[(rows-2)*d.hq], -d.hq, dg, -d.gq, t.door)
		}
	}
	_ = e.each(total)
}

// BenchmarkEvaluation is an answer's evaluation as a share of its forward pass in
// training. The two take turns.
func BenchmarkEvaluation(b *testing.B) {
	s := kernels.Shape{Skills: 124, Embed: 8, Hidden: 200, Layers: 1}
	e, err := New(s, Options{})
	if err != nil {
		b.Fatal(err)
	}
	seqs := exponential(s, 60)
	g, z := kernels.NewSums(s), make([][]float32, len(seqs))
	for k, q := range seqs {
		z[k] = make([]float32, len(q.In))
	}
	if err := e.Load(kernels.InitParams(s, 1)); err != nil {
		b.Fatal(err)
	}
	if err := e.Gradients(seqs, kernels.Dropout{Rate: 0.1}, g); err != nil {
		b.Fatal(err)
	}
	t := e.threads[0]
	var spent [2]time.Duration
	for b.Loop() {
		for k, out := range [][][]float32{nil, z} {
			t.out, t.drop.Rate = out, []float64{0.1, 0}[k]
			start := time.Now()
			for part := e.dealer.Deal(seqs, 1)[0]; len(part) > 0; {
				part = t.wave.plan(seqs, part)
				t.grow(t.wave.rows)
				if err := t.forward(0); err != nil {
					b.Fatal(err)
				}
			}
			spent[k] += time.Since(start)
		}
	}
	b.ReportMetric(spent[1].Seconds()/spent[0].Seconds(), "x-training-forward")
}
