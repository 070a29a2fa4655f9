package kerneltest

import (
	"math/rand/v2"
	"testing"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// Once its buffers have grown to the data, a step allocates nothing.
func TestAStepAllocatesNothing(t *testing.T) {
	for _, embed := range []int{7, 0} {
		s := kernels.Shape{Skills: 90, Embed: embed, Hidden: 20, Layers: 2}
		e, err := cpu.New(s, cpu.Options{Threads: 2})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close() //nolint:errcheck // always nil
		seqs := sequences(rand.New(rand.NewPCG(3, 3)), s, 40, 30)
		p, grad := kernels.InitParams(s, 1), &kernels.Gradient{}
		m, v := make([]float32, len(p.Data)), make([]float32, len(p.Data))
		g, d := &kernels.Sums{Shape: s}, &kernels.Derived{}
		var fault error
		note := func(err error) {
			if err != nil {
				fault = err
			}
		}
		n := testing.AllocsPerRun(5, func() {
			g.Place(seqs)
			note(e.CatchUp(p.Data, m, v, g))
			note(e.Load(p))
			note(e.Gradients(seqs, kernels.Dropout{Rate: 0.1}, g))
			note(e.DeriveShare(p, g, 0, 1, d))
			note(e.Mean(g, d, grad))
			a := kernels.AdamStep{Beta1: 0.9, Beta2: 0.99, Rate: 1e-3, Root: 1, Epsilon: 1e-8}
			note(e.Adam(p.Data, m, v, grad, a, kernels.AbsentNow))
			note(e.Adam(p.Data, m, v, grad, a, kernels.AbsentLater))
			note(e.Settle(p.Data, m, v))
			note(e.Adam(p.Data, m, v, grad, a, kernels.AbsentNever))
		})
		if fault != nil {
			t.Fatal(fault)
		}
		if n != 0 {
			t.Errorf("embed %d: %v allocations a step", embed, n)
		}
	}
}
