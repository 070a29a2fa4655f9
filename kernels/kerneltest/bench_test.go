package kerneltest

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

// BenchmarkGradients is a whole step's forward and backward, dense (B=64,
// T=200, Q=124) and ragged as real logs are. FLOP counts the three recurrent
// products only.
func BenchmarkGradients(b *testing.B) {
	for _, hidden := range []int{100, 200, 256} {
		for _, threads := range []int{1, 2} {
			for _, ragged := range []bool{false, true} {
				b.Run(fmt.Sprintf("H=%d/threads=%d/ragged=%v", hidden, threads, ragged), func(b *testing.B) {
					benchmark(b, hidden, threads, ragged)
				})
			}
		}
	}
}

func benchmark(b *testing.B, hidden, threads int, ragged bool) {
	s := kernels.Shape{Skills: 124, Embed: hidden, Hidden: hidden, Layers: 1}
	r := rand.New(rand.NewPCG(1, 7))
	steps := 0
	var seqs []kernels.Sequence
	for id := range 64 {
		n := 200
		if ragged {
			n = min(1+int(r.ExpFloat64()*60), 200)
		}
		q := sequences(r, s, 1, 1)[0]
		q.ID = uint32(id)
		for len(q.In) < n {
			more := sequences(r, s, 1, 1)[0]
			q.In, q.Ask, q.Right = append(q.In, more.In...), append(q.Ask, more.Ask...), append(q.Right, more.Right...)
		}
		steps += n
		seqs = append(seqs, q)
	}
	e, err := cpu.New(s, cpu.Options{Threads: threads})
	if err != nil {
		b.Fatal(err)
	}
	if err := e.Load(kernels.InitParams(s, 1)); err != nil {
		b.Fatal(err)
	}
	g := kernels.NewSums(s)
	for b.Loop() {
		if err := e.Gradients(seqs, kernels.Dropout{Rate: 0.1}, g); err != nil {
			b.Fatal(err)
		}
	}
	flop := 3 * 2 * 4 * float64(hidden) * float64(hidden) * float64(steps)
	rate := flop * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(100*rate/e.Peak(200*time.Millisecond), "%peak")
	b.ReportMetric(flop*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
	b.ReportMetric(float64(steps)*float64(b.N)/b.Elapsed().Seconds(), "answers/s")
}
