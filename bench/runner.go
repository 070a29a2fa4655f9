package bench

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"cohort/dkt"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// runner is cohort's part of a race.
type runner struct {
	of     *Race
	engine *cpu.Engine
	dense  *stepper
	train  []kernels.Sequence // in the epoch's order
	sorted []kernels.Sequence // in batches of like lengths
}

func newRunner(r *Race) (*runner, error) {
	e, err := cpu.New(r.Epoch.Config.Shape, cpu.Options{Threads: r.Threads})
	if err != nil {
		return nil, err
	}
	o := &runner{of: r, engine: e}
	l := Load{Name: "dense", Shape: r.Epoch.Config.Shape, Batch: r.Epoch.Config.Batch, Steps: 200}
	if o.dense, err = newStepper(l, cpu.Best(), r.Threads); err != nil {
		return nil, err
	}
	set := r.Epoch.Data.Train
	for _, k := range set.Order(r.Epoch.Config.Seed, 0) {
		o.train = append(o.train, set.Seqs[k])
	}
	o.sorted = byLength(o.train, r.Epoch.Config.Batch)
	return o, nil
}

func (o *runner) close() {
	_ = o.engine.Close()
	_ = o.dense.engine.Close()
}

// byLength cuts batches from the sequences sorted by length, and takes them in
// the order of their first in the epoch.
func byLength(seqs []kernels.Sequence, size int) []kernels.Sequence {
	order := make([]int, len(seqs))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(seqs[a].In) - len(seqs[b].In) })
	batches := slices.Collect(slices.Chunk(order, size))
	slices.SortFunc(batches, func(a, b []int) int { return a[0] - b[0] })
	var out []kernels.Sequence
	for _, b := range batches {
		for _, k := range b {
			out = append(out, seqs[k])
		}
	}
	return out
}

func (o *runner) answers(event string) int {
	if event == "dense" {
		return o.dense.answers
	}
	return answers(o.train)
}

// write puts what the competitors read into a folder: little-endian vectors, a
// sequence as its length, interactions, asked skills and answers.
func (o *runner) write(folder string) error {
	c := o.of.Epoch.Config
	meta := map[string]any{"skills": c.Shape.Skills, "embed": c.Shape.Embed, "hidden": c.Shape.Hidden, "batch": c.Batch, "lr": c.Rate.Base}
	text, err := json.Marshal(meta)
	if err != nil {
		return err
	}
	numbers := []float32{float32(c.Shape.Skills), float32(c.Shape.Embed), float32(c.Shape.Hidden), float32(c.Batch), float32(c.Rate.Base)}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "meta.json"), text, 0o600),
		put(folder, "meta.f32", numbers), put(folder, "weights.f32", kernels.InitParams(c.Shape, c.Seed).Data),
		put(folder, "dense.i32", flat(o.dense.seqs)), put(folder, "train.i32", flat(o.train)),
		put(folder, "sorted.i32", flat(o.sorted)), put(folder, "valid.i32", flat(o.of.Epoch.Data.Valid.Seqs)),
	)
}

func put(folder, name string, v any) error {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, v); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, name), b.Bytes(), 0o600)
}

func flat(seqs []kernels.Sequence) (v []int32) {
	for _, s := range seqs {
		v = append(v, int32(len(s.In)))
		v = append(append(v, s.In...), s.Ask...)
		for _, r := range s.Right {
			v = append(v, int32(r))
		}
	}
	return v
}

// do is cohort's own turn, through the code that jobs run.
func (o *runner) do(ctx context.Context, event string) (r outcome, err error) {
	start := time.Now()
	if event == "dense" {
		if err = o.dense.loadWeights(); err == nil {
			err = o.dense.gradients(0)()
		}
		r.Seconds = time.Since(start).Seconds()
		return r, err
	}
	c := o.of.Epoch.Config
	st := dkt.NewState(c)
	start = time.Now()
	data, err := o.of.reload(ctx)
	if err != nil {
		return r, err
	}
	err = dkt.Train(ctx, c, data, o.engine, dkt.Seat{Size: 1}, dkt.Alone{}, st, silent{})
	r.Seconds = time.Since(start).Seconds()
	if err == nil {
		r.Loss, r.AUC = st.History[0].Loss, st.History[0].Valid.AUC
	}
	return r, err
}

// want is cohort's mean loss over the batches that a competitor gets.
func (o *runner) want(ctx context.Context, event string, sorted bool) (float64, error) {
	c := o.of.Epoch.Config
	switch {
	case event == "dense":
		p := *o.dense
		p.params = kernels.InitParams(c.Shape, c.Seed)
		if err := errors.Join(p.loadWeights(), p.gradients(0)()); err != nil {
			return 0, err
		}
		return meanLoss(p.sums.Counters()[kernels.CountLoss], p.sums.Counters()[kernels.CountAnswers]), nil
	case !sorted:
		r, err := o.do(ctx, event)
		return r.Loss, err
	}
	return o.overBatches(ctx, dkt.NewState(c))
}

// overBatches trains on the sorted batches, step by step.
func (o *runner) overBatches(ctx context.Context, st *dkt.State) (float64, error) {
	var loss, n int64
	c := o.of.Epoch.Config
	p := stepper{engine: o.engine, params: st.Params, sums: &kernels.Sums{Shape: c.Shape}}
	for some := range slices.Chunk(o.sorted, c.Batch) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		p.seqs = some
		p.sums.Place(some)
		if err := errors.Join(p.loadWeights(), p.gradients(0)(), p.derive()); err != nil {
			return 0, err
		}
		if err := o.engine.Adam(st.Params.Data, st.Moment1, st.Moment2, &p.grad, st.NextAdam(c), kernels.AbsentNow); err != nil {
			return 0, err
		}
		loss += p.sums.Counters()[kernels.CountLoss]
		n += p.sums.Counters()[kernels.CountAnswers]
	}
	return meanLoss(loss, n), nil
}

func meanLoss(sum, n int64) float64 { return float64(sum) / kernels.FixedOne / float64(n) }
