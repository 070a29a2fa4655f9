package train

import (
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dkt"
	"cohort/dkt/graph"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// maxContributions bounds what one entry of a gradient may receive in a step,
// so that its int64 sum cannot wrap (kernels/DESIGN.md).
const maxContributions = 1 << 17

// configOf is the training that a job's settings describe.
func configOf(s wire.TrainSettings, skills int) (dkt.Config, error) {
	t, m := s.Train, s.Model
	if m.Cell != "" && m.Cell != "lstm" && m.Engine != engineGraph {
		return dkt.Config{}, inputf("model.cell %q: the kernels know lstm; model.engine: graph knows it", m.Cell)
	}
	if t.Precision != "" && t.Precision != "fp32" {
		return dkt.Config{}, inputf("train.precision %q: this worker knows fp32", t.Precision)
	}
	c := dkt.Config{
		Shape:   kernels.Shape{Skills: skills, Embed: int(m.Embed), Hidden: m.Hidden, Layers: m.Layers},
		Dropout: m.Dropout, Batch: t.Batch, Accumulate: max(t.Accumulate, 1), Epochs: t.Epochs,
		Rate: dkt.Rate{Base: t.LR}, Clip: t.Clip, Patience: t.Patience, MinDelta: t.MinDelta, Seed: t.Seed, Lazy: t.Lazy,
	}
	if t.Schedule == "cosine" {
		c.Rate = dkt.Rate{Base: t.LR, Cosine: true, Min: t.MinLR, Cycle: t.Cycle, Mult: t.CycleMult}
		if t.Cycle == 0 {
			c.Rate.Cycle = t.Epochs
		}
	}
	if m.Embed == wire.Direct {
		c.Shape.Embed = 0
	}
	if t.Optimizer == "adamw" {
		c.Decay = t.WeightDecay
	}
	if n := c.Batch * c.Accumulate * (s.Window - 1); n > maxContributions {
		return c, inputf("train: batch × accumulate × (window − 1) is %d, at most %d is exact: make the batch smaller", n, maxContributions)
	}
	if err := c.Validate(); err != nil {
		return c, inputf("train: %v", err)
	}
	return c, nil
}

// backend is a task's arithmetic.
type backend interface {
	dkt.Backend
	Path() cpu.Path
	Close() error
}

// engineGraph is model.engine of cells without fused kernels: another hash class.
const engineGraph = "graph"

// engine makes the arithmetic for a task: as many threads as cores granted.
func engine(env Env, a wire.Assignment, shape kernels.Shape, m wire.ModelSpec, wanted string) (backend, error) {
	threads := max(a.Task.Granted.Cores, 1)
	if m.Engine == engineGraph {
		cell, err := graph.ParseCell(m.Cell)
		if err != nil {
			return nil, inputf("model.%v", err)
		}
		e, err := graph.New(shape, cell, threads)
		if err != nil {
			return nil, inputf("model.engine: %v", err)
		}
		return e, nil
	}
	path := cpu.Path(wanted)
	if wanted == "" || wanted == "auto" {
		path = cpu.Path(env.Kernels)
	}
	e, err := cpu.New(shape, cpu.Options{Threads: threads, Path: path})
	if err != nil {
		return nil, fmt.Errorf("kernels: %w", err)
	}
	return e, nil
}
