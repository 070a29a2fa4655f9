package dkt

import (
	"context"
	"math"

	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// Evaluate measures weights on a set, shared between the members.
func Evaluate(ctx context.Context, b Backend, p *kernels.Params, set *sequence.Set, seat Seat, r Reducer) (metric.Binary, error) {
	return evaluate(ctx, b, p, set, seat, call{r, 0, 0})
}

// call names a reduction.
type call struct {
	r           Reducer
	epoch, step uint32
}

// Logits are those of a set's predicted answers, in the order of its sequences.
func Logits(b Backend, p *kernels.Params, set *sequence.Set) ([]float32, error) {
	return logits(b, p, set, Seat{Size: 1})
}

// logits has a member compute its sequences' logits; the others' are zero.
func logits(b Backend, p *kernels.Params, set *sequence.Set, seat Seat) ([]float32, error) {
	if err := b.Load(p); err != nil {
		return nil, err
	}
	first := make([]int, len(set.Seqs))
	total := 0
	for k, s := range set.Seqs {
		first[k] = total
		total += len(s.In)
	}
	z := make([]float32, total)
	var seqs []kernels.Sequence
	var out [][]float32
	var dealer kernels.Dealer
	for _, k := range dealer.Deal(set.Seqs, seat.Size)[seat.Rank] {
		seqs = append(seqs, set.Seqs[k])
		out = append(out, z[first[k]:first[k]+len(set.Seqs[k].In)])
	}
	return z, b.Logits(seqs, out)
}

// evaluate has each member compute its sequences' logits. They are shared as
// integers: a vector with every logit's bits in its own place, zero elsewhere.
func evaluate(ctx context.Context, b Backend, p *kernels.Params, set *sequence.Set, seat Seat, c call) (metric.Binary, error) {
	z, err := logits(b, p, set, seat)
	if err != nil {
		return metric.Binary{}, err
	}
	if seat.Size > 1 {
		if err := share(ctx, z, c); err != nil {
			return metric.Binary{}, err
		}
	}
	return metric.Compute(z, set.Right())
}

// share fills in the other members' logits.
func share(ctx context.Context, z []float32, c call) error {
	bits := make([]int64, len(z))
	for k, v := range z {
		bits[k] = int64(math.Float32bits(v))
	}
	if err := c.r.Reduce(ctx, c.epoch, c.step, bits); err != nil {
		return err
	}
	for k, v := range bits {
		z[k] = math.Float32frombits(uint32(v))
	}
	return nil
}

// Alone is the Reducer of a round of one.
type Alone struct{}

// Reduce changes nothing: the sum over one member.
func (Alone) Reduce(ctx context.Context, _, _ uint32, _ []int64) error { return ctx.Err() }
