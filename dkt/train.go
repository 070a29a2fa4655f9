package dkt

import (
	"context"
	"errors"
	"fmt"
	"math"

	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// Backend is the arithmetic of one member, see kernels/cpu.Engine.
type Backend interface {
	Load(p *kernels.Params) error
	Gradients(seqs []kernels.Sequence, d kernels.Dropout, g *kernels.Sums) error
	Logits(seqs []kernels.Sequence, z [][]float32) error
	DeriveShare(p *kernels.Params, g *kernels.Sums, rank, size int, d *kernels.Derived) error
	Mean(g *kernels.Sums, d *kernels.Derived, out *kernels.Gradient) error
	Adam(theta, m, v []float32, grad *kernels.Gradient, a kernels.AdamStep, absent kernels.Absent) error
	CatchUp(theta, m, v []float32, g *kernels.Sums) error
	Settle(theta, m, v []float32) error
}

// Reducer sums a vector over all members of the round, in place, exactly.
// Every member calls it in the same order; (epoch, step) names the call.
type Reducer interface {
	Reduce(ctx context.Context, epoch, step uint32, v []int64) error
}

// Seat is a member's place in its round.
type Seat struct{ Rank, Size int }

// Data are the sequences to learn from and to choose the best epoch by.
type Data struct{ Train, Valid *sequence.Set }

// Errors of Train.
var (
	ErrNoTrain = errors.New("no student has two answers in the training part of the split")
	ErrNoValid = errors.New("no student has two answers in the validation part of the split")
)

// Train runs st to the end of the training, from wherever it stands. After an
// error st is at the last completed step, and may be run on.
func Train(ctx context.Context, c Config, d Data, b Backend, seat Seat, r Reducer, st *State, o Observer) error {
	if err := c.Validate(); err != nil {
		return err
	}
	if len(d.Train.Seqs) == 0 {
		return ErrNoTrain
	}
	if len(d.Valid.Seqs) == 0 {
		return ErrNoValid
	}
	t := &trainer{
		c: c, d: d, b: b, seat: seat, r: r, st: st, o: o,
		sums: &kernels.Sums{Shape: c.Shape},
	}
	for !st.Done {
		if err := t.epoch(ctx); err != nil {
			return errors.Join(err, t.settle())
		}
	}
	return nil
}

type trainer struct {
	c    Config
	d    Data
	b    Backend
	seat Seat
	r    Reducer
	st   *State
	o    Observer

	sums    *kernels.Sums
	derived kernels.Derived
	grad    kernels.Gradient
	dealer  kernels.Dealer
	drawn   []kernels.Sequence // of the step
	part    []kernels.Sequence // of this member
}

// epoch runs the rest of the epoch under way, and its end.
func (t *trainer) epoch(ctx context.Context) error {
	order := t.d.Train.Order(t.c.Seed, uint32(t.st.Epoch))
	size := t.c.Batch * t.c.Accumulate
	steps := (len(order) + size - 1) / size
	for t.st.Step < steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		at := t.st.Step * size
		if err := t.step(ctx, order[at:min(at+size, len(order))], steps); err != nil {
			return fmt.Errorf("epoch %d, step %d: %w", t.st.Epoch+1, t.st.Step+1, err)
		}
	}
	return t.finish(ctx, steps)
}

// step computes this member's part, reduces, and updates the weights.
func (t *trainer) step(ctx context.Context, drawn []int32, steps int) error {
	t.drawn = t.drawn[:0]
	for _, at := range drawn {
		t.drawn = append(t.drawn, t.d.Train.Seqs[at])
	}
	t.sums.Place(t.drawn)
	if err := t.b.CatchUp(t.st.Params.Data, t.st.Moment1, t.st.Moment2, t.sums); err != nil {
		return err
	}
	if err := t.b.Load(t.st.Params); err != nil {
		return err
	}
	drop := kernels.Dropout{Seed: t.c.Seed, Epoch: uint32(t.st.Epoch), Rate: t.c.Dropout}
	if err := t.b.Gradients(t.mine(), drop, t.sums); err != nil {
		return err
	}
	if err := t.r.Reduce(ctx, uint32(t.st.Epoch), uint32(t.st.Step), t.sums.Data); err != nil {
		return err
	}
	if err := t.derive(ctx); err != nil {
		return err
	}
	norm := 0.0
	if t.st.Step+1 == steps || t.c.Clip > 0 {
		norm = length(&t.grad)
	}
	if err := t.update(norm); err != nil {
		return err
	}
	counts := t.sums.Counters()
	answers, loss := counts[kernels.CountAnswers], counts[kernels.CountLoss]
	t.st.Answers += answers
	t.st.Loss += loss
	t.st.Step++
	t.o.StepDone(StepReport{
		Epoch: t.st.Epoch + 1, Epochs: t.c.Epochs, Step: t.st.Step, Steps: steps,
		Answers: answers, Loss: mean(t.st.Loss, t.st.Answers), Norm: norm,
	})
	return nil
}

// mean is a fixed-point sum over n, in its own unit.
func mean(sum, n int64) float64 { return float64(sum) / kernels.FixedOne / float64(n) }

// mine are the drawn sequences that this member computes.
func (t *trainer) mine() []kernels.Sequence {
	t.part = t.part[:0]
	for _, k := range t.dealer.Deal(t.drawn, t.seat.Size)[t.seat.Rank] {
		t.part = append(t.part, t.drawn[k])
	}
	return t.part
}

// sharedRows is the number of table rows from which members share the work of
// what follows from them; with fewer a second reduction costs more.
const sharedRows = 1024

// derive makes the step's mean gradient of the reduced sums.
func (t *trainer) derive(ctx context.Context) error {
	seat := Seat{Rank: 0, Size: 1}
	if len(t.sums.Rows) >= sharedRows && !t.c.Shape.Direct() {
		seat = t.seat
	}
	if err := t.b.DeriveShare(t.st.Params, t.sums, seat.Rank, seat.Size, &t.derived); err != nil {
		return err
	}
	if seat.Size > 1 {
		if err := t.r.Reduce(ctx, uint32(t.st.Epoch), uint32(t.st.Step), t.derived.Data); err != nil {
			return err
		}
	}
	return t.b.Mean(t.sums, &t.derived, &t.grad)
}

// update clips the gradient, which has that norm, and applies Adam.
func (t *trainer) update(norm float64) error {
	if limit := t.c.Clip; limit > 0 && norm > limit {
		scale := float32(limit / norm)
		for k := range t.grad.Data {
			t.grad.Data[k] *= scale
		}
	}
	st, absent := t.st, kernels.AbsentLater
	if t.c.Lazy {
		absent = kernels.AbsentNever
	}
	return t.b.Adam(st.Params.Data, st.Moment1, st.Moment2, &t.grad, st.NextAdam(t.c), absent)
}

// settle ends what update left for later: the state is whole.
func (t *trainer) settle() error {
	return t.b.Settle(t.st.Params.Data, t.st.Moment1, t.st.Moment2)
}

// NextAdam moves on to the scalars of the next update.
func (st *State) NextAdam(c Config) kernels.AdamStep {
	rate := c.Rate.At(st.Epoch)
	st.Power1 = float64(st.Power1 * beta1)
	st.Power2 = float64(st.Power2 * beta2)
	return kernels.AdamStep{
		Beta1: beta1, Beta2: beta2, Epsilon: epsilon,
		Rate: float32(rate / (1 - st.Power1)), Root: float32(1 / math.Sqrt(1-st.Power2)),
		Decay: float32(rate * c.Decay),
	}
}

// length is a gradient's L2 norm: float64 squares, chains over 256 entries of the
// whole vector, blocks ascending. What grad lacks is zero and adds nothing.
func length(grad *kernels.Gradient) float64 {
	const block = 256
	total, sum, now := 0.0, 0.0, 0
	for at, part := range grad.Spans() {
		for len(part) > 0 {
			if at/block != now {
				total, sum, now = total+sum, 0, at/block
			}
			n := min(len(part), block-at%block)
			for _, g := range part[:n] {
				sum += float64(float64(g) * float64(g))
			}
			at, part = at+n, part[n:]
		}
	}
	return math.Sqrt(total + sum)
}

// finish measures the epoch, keeps the best weights and decides whether to stop.
// Every member decides from the same integers, so all decide alike.
func (t *trainer) finish(ctx context.Context, steps int) error {
	st := t.st
	if err := t.settle(); err != nil {
		return err
	}
	valid, err := evaluate(ctx, t.b, st.Params, t.d.Valid, t.seat, call{t.r, uint32(st.Epoch), uint32(steps)})
	if err != nil {
		return fmt.Errorf("validation after epoch %d: %w", st.Epoch+1, err)
	}
	report := EpochReport{
		Epoch: st.Epoch + 1, Rate: t.c.Rate.At(st.Epoch), Loss: mean(st.Loss, st.Answers),
		Answers: st.Answers, Valid: valid,
	}
	st.Epoch++
	st.Step, st.Loss, st.Answers = 0, 0, 0
	report.Best = st.judge(valid, t.c.MinDelta)
	st.Done = st.over(t.c)
	st.History = append(st.History, report)
	return t.o.EpochDone(report, st)
}

// judge notes an epoch's validation and reports whether it is the best.
func (st *State) judge(valid metric.Binary, delta float64) bool {
	if st.Best == nil || valid.AUC > st.Mark+delta {
		st.Mark, st.Since = valid.AUC, 0
	} else {
		st.Since++
	}
	if st.Best != nil && valid.AUC <= st.BestValid.AUC {
		return false
	}
	st.Best = &kernels.Params{Shape: st.Params.Shape, Data: append([]float32(nil), st.Params.Data...)}
	st.BestHash = kernels.HashWeights(st.Best)
	st.BestEpoch, st.BestValid = st.Epoch, valid
	return true
}
