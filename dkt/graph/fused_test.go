package graph

import (
	"math"
	"math/rand/v2"
	"testing"

	"cohort/kernels"
	"cohort/kernels/cpu"

	"pgregory.net/rapid"
)

// The fused gradients are held to automatic differentiation on random small
// models: the largest difference is at most 1e-5 of the tensor's largest entry.
func TestFusedGradientsAreTheDerivative(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := kernels.Shape{
			Skills: rapid.IntRange(1, 4).Draw(t, "skills"), Embed: rapid.IntRange(1, 5).Draw(t, "embed"),
			Hidden: rapid.IntRange(1, 6).Draw(t, "hidden"), Layers: rapid.IntRange(1, 3).Draw(t, "layers"),
			Kinds: 2 * rapid.IntRange(0, 4).Draw(t, "pairs"), Levels: rapid.IntRange(0, 4).Draw(t, "levels"),
		}
		seed := rapid.Uint32().Draw(t, "seed")
		drop := kernels.Dropout{Seed: seed, Epoch: 3, Rate: rapid.SampledFrom([]float64{0, 0.3}).Draw(t, "dropout")}
		p := kernels.InitParams(s, seed)
		for k, v := range p.Data {
			if v == 0 { // kinds and levels
				p.Data[k] = p.Data[k/2] / 2
			}
		}
		seqs := randomSequences(rand.New(rand.NewPCG(1, uint64(seed))), s)

		fused := make([]float32, s.ParamCount())
		answers := fusedGradients(t, p, seqs, drop, fused)
		_, exact, err := Gradients(p, LSTM, seqs, func(q kernels.Sequence, l, step, u int) float64 {
			if drop.Rate > 0 && !drop.Keeps(q.ID, l, step, u) {
				return 0
			}
			return 1 / (1 - drop.Rate)
		})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, s, fused, exact, float64(answers))
	})
}

func randomSequences(r *rand.Rand, s kernels.Shape) []kernels.Sequence {
	var seqs []kernels.Sequence
	for id := range 1 + r.IntN(3) {
		q := kernels.Sequence{ID: uint32(id)}
		for range 1 + r.IntN(4) {
			q.In = append(q.In, int32(r.IntN(s.Rows())))
			q.Ask = append(q.Ask, int32(r.IntN(s.Asks())))
			q.Right = append(q.Right, uint8(r.IntN(2)))
		}
		seqs = append(seqs, q)
	}
	return seqs
}

func fusedGradients(t *rapid.T, p *kernels.Params, seqs []kernels.Sequence, d kernels.Dropout, out []float32) int64 {
	e, err := cpu.New(p.Shape, cpu.Options{Path: cpu.Portable})
	if err != nil {
		t.Fatal(err)
	}
	sums := kernels.NewSums(p.Shape)
	if err := e.Load(p); err != nil {
		t.Fatal(err)
	}
	if err := e.Gradients(seqs, d, sums); err != nil {
		t.Fatal(err)
	}
	if err := e.Derive(p, sums, out); err != nil {
		t.Fatal(err)
	}
	return sums.Counters()[kernels.CountAnswers]
}

// compare goes tensor by tensor; exact is of the sum, fused of the mean.
func compare(t *rapid.T, s kernels.Shape, fused []float32, exact []float64, n float64) {
	view := &kernels.Params{Shape: s, Data: fused}
	sizes := map[string]int{"E": len(view.E()), "Wout": len(view.Wout()), "Bout": len(view.Bout())}
	order := []string{"E"}
	for l := range s.Layers {
		for name, v := range map[string][]float32{"Wx": view.Wx(l), "U": view.U(l), "B": view.B(l)} {
			sizes[name+string(rune('0'+l))] = len(v)
		}
		for _, name := range []string{"Wx", "U", "B"} {
			order = append(order, name+string(rune('0'+l)))
		}
	}
	at := 0
	for _, name := range append(order, "Wout", "Bout") {
		largest, worst := 0.0, 0.0
		for k := at; k < at+sizes[name]; k++ {
			largest = max(largest, math.Abs(exact[k]/n))
			worst = max(worst, math.Abs(float64(fused[k])-exact[k]/n))
		}
		at += sizes[name]
		if worst > 1e-5*largest+1e-8 {
			t.Errorf("%s: largest difference %g, largest entry %g", name, worst, largest)
		}
	}
	if at != len(fused) {
		t.Fatalf("tensors cover %d of %d parameters", at, len(fused))
	}
}
