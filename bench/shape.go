package bench

import (
	"fmt"
	"math/rand/v2"

	"cohort/kernels"
)

// Load is what a step computes on: a model's shape and a batch.
type Load struct {
	Name   string
	Shape  kernels.Shape
	Batch  int
	Steps  int  // of a sequence
	Ragged bool // lengths exponential with mean Steps, cut at 200, as real logs are
}

// Dense is the shape of the published comparisons: B=64, T=200, Q=124, E=H.
func Dense(hidden int) Load {
	return Load{
		Name: fmt.Sprintf("dense/H=%d", hidden), Batch: 64, Steps: 200,
		Shape: kernels.Shape{Skills: 124, Embed: hidden, Hidden: hidden, Layers: 1},
	}
}

// Ragged is the same with lengths as in assist2009.
func Ragged(hidden int) Load {
	l := Dense(hidden)
	l.Name, l.Steps, l.Ragged = fmt.Sprintf("ragged/H=%d", hidden), 60, true
	return l
}

// sequences draws n sequences; skills come in runs, as learners practise them.
func (l Load) sequences(n int) []kernels.Sequence {
	r := rand.New(rand.NewPCG(1, 7)) //nolint:gosec // no secret
	seqs := make([]kernels.Sequence, n)
	for id := range seqs {
		q := &seqs[id]
		q.ID = uint32(id)
		length := l.Steps
		if l.Ragged {
			length = min(1+int(r.ExpFloat64()*float64(l.Steps)), 200)
		}
		skill := r.IntN(l.Shape.Skills)
		for range length {
			right := r.IntN(2)
			q.In = append(q.In, int32(skill+l.Shape.Skills*right))
			if r.IntN(4) == 0 {
				skill = r.IntN(l.Shape.Skills)
			}
			q.Ask = append(q.Ask, int32(skill))
			q.Right = append(q.Right, uint8(r.IntN(2)))
		}
	}
	return seqs
}

func answers(seqs []kernels.Sequence) (n int) {
	for _, s := range seqs {
		n += len(s.In)
	}
	return n
}

// flop is what a step's recurrent products take, forward and backward (dh and
// dU): three products of 2·4H² a row and layer, and as many for the input of
// layers above the first. Fold, head and derivation are not counted.
func flop(s kernels.Shape, rows int) float64 {
	products := 3 * (2*s.Layers - 1)
	return float64(products) * 2 * 4 * float64(s.Hidden) * float64(s.Hidden) * float64(rows)
}
