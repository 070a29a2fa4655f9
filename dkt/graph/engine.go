package graph

import (
	"errors"
	"fmt"
	"slices"

	"cohort/kernels"
	"cohort/kernels/cpu"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/sync/errgroup"
)

// Engine trains and predicts with cells that have no fused kernel: dkt's backend.
// A sequence's gradients come from its own graph and enter the fixed-point sums
// once, so that members, threads and the order of sequences move no bit; but they
// are Gorgonia's, in float64, and not those of ARITHMETIC.md. What follows the
// sums is the portable path's.
type Engine struct {
	*cpu.Engine // all but Load, Gradients and Logits

	cell    Cell
	threads int
	forward forward
	graphs  []*lru.Cache[size, *compiled] // by thread
}

// size is what a graph is made for.
type size struct{ skills, steps int }

// most is how many graphs a thread keeps, those used last: all that windows of 200
// answers need.
const most = 128

// grain is what sizes are rounded up to: a graph serves all that fit.
const grain = 16

func (s size) rounded() size {
	up := func(n int) int { return (n + grain - 1) / grain * grain }
	return size{up(s.skills), up(s.steps)}
}

var errPlaces = errors.New("graph: sums of another shape, or without a place for all that occurs")

// New makes an engine. Models with kinds or levels are refused.
func New(s kernels.Shape, c Cell, threads int) (*Engine, error) {
	if s.Kinds != 0 || s.Levels != 0 {
		return nil, fmt.Errorf("graph: shape %+v takes more than skill and correctness", s)
	}
	e, err := cpu.New(s, cpu.Options{Path: cpu.Portable})
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	made := &Engine{Engine: e, cell: c, threads: max(threads, 1)}
	for range made.threads {
		graphs, err := lru.NewWithEvict(most, func(_ size, k *compiled) {
			k.vm.Close() //nolint:errcheck // always nil
		})
		if err != nil {
			return nil, errors.Join(fmt.Errorf("graph: %w", err), made.Close())
		}
		made.graphs = append(made.graphs, graphs)
	}
	return made, nil
}

// Close frees the graphs and ends the engine's goroutines.
func (e *Engine) Close() error {
	for _, graphs := range e.graphs {
		graphs.Purge()
	}
	e.graphs = nil
	return e.Engine.Close()
}

// Load takes the parameters of the next steps, which must not change until the
// next Load.
func (e *Engine) Load(p *kernels.Params) error {
	e.forward = forward{p, e.cell}
	return e.Engine.Load(p)
}

// Gradients runs forward and backward over the sequences and sets g to the
// gradients of their summed loss, and the counters. The error is a
// *kernels.NonFiniteError when a number left its range; g is then undefined.
func (e *Engine) Gradients(seqs []kernels.Sequence, d kernels.Dropout, g *kernels.Sums) error {
	if e.forward.p == nil || g.Shape != e.forward.p.Shape || len(g.Data) != g.Len() {
		return errPlaces
	}
	clear(g.Data)
	parts := make([][]int64, e.threads)
	var group errgroup.Group
	for k := range parts {
		group.Go(func() error {
			mine := *g
			mine.Data = make([]int64, len(g.Data))
			for i := k; i < len(seqs); i += e.threads {
				if err := e.add(k, &mine, seqs[i], d); err != nil {
					return err
				}
			}
			parts[k] = mine.Data
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err //nolint:wrapcheck // of this package
	}
	for _, part := range parts {
		for i, v := range part {
			g.Data[i] += v
		}
	}
	return nil
}

// add adds a sequence's share to sums.
func (e *Engine) add(thread int, g *kernels.Sums, s kernels.Sequence, d kernels.Dropout) error {
	small, own, steps := e.narrow(s)
	k, err := e.graph(thread, small.p.Shape, steps)
	if err != nil {
		return err
	}
	grad := make([]float64, len(small.p.Data))
	loss, err := k.run(small.p, own, maskOf(d), grad)
	if err != nil {
		return fmt.Errorf("sequence %d: %w", s.ID, err)
	}
	door := &door{sequence: s.ID}
	small.scatter(g, grad, door)
	if door.err != nil {
		return door.err
	}
	q, ok := kernels.ToFixed(float32(loss))
	if !ok {
		return &kernels.NonFiniteError{Tensor: "loss", Sequence: s.ID, Step: -1}
	}
	g.Counters()[kernels.CountAnswers] += int64(len(s.In))
	g.Counters()[kernels.CountLoss] += q
	return nil
}

// graph is a thread's for sequences of a narrow model of so many steps.
func (e *Engine) graph(thread int, s kernels.Shape, steps int) (k *compiled, err error) {
	of := size{s.Skills, steps}
	k, ok := e.graphs[thread].Get(of)
	if !ok {
		if k, err = compile(s, e.cell, steps); err == nil {
			e.graphs[thread].Add(of, k)
		}
	}
	return k, err
}

// maskOf is a step's dropout as the graph takes it.
func maskOf(d kernels.Dropout) Mask {
	if d.Rate == 0 {
		return Keep
	}
	return func(s kernels.Sequence, l, t, u int) float64 {
		if !d.Keeps(s.ID, l, t, u) {
			return 0
		}
		return 1 / (1 - d.Rate)
	}
}

// Logits fills z[i], of the length of seqs[i].In, with the logit of each asked
// answer, without dropout. The error is a *kernels.NonFiniteError for one that is
// not finite.
func (e *Engine) Logits(seqs []kernels.Sequence, z [][]float32) error {
	if e.forward.p == nil || len(z) != len(seqs) {
		return errors.New("graph: Load comes first, and there must be room for the logits of each sequence")
	}
	var group errgroup.Group
	group.SetLimit(e.threads)
	for k, s := range seqs {
		if len(z[k]) != len(s.In) || len(s.Ask) != len(s.In) {
			return fmt.Errorf("graph: sequence %d has %d steps, %d asked skills and room for %d logits", s.ID, len(s.In), len(s.Ask), len(z[k]))
		}
		group.Go(func() error { return e.forward.logits(s, z[k]) })
	}
	return group.Wait() //nolint:wrapcheck // of this package
}

// door lets gradients into fixed point and keeps the first that may not pass.
type door struct {
	sequence uint32
	err      error
}

func (d *door) add(tensor string, to []int64, from []float64) {
	for k, v := range from {
		q, ok := kernels.ToFixed(float32(v))
		if !ok && d.err == nil {
			d.err = &kernels.NonFiniteError{Tensor: tensor, Sequence: d.sequence, Step: -1}
		}
		to[k] += q
	}
}

// place is where id stands among ids, ascending.
func place(ids []int32, id int32) int {
	k, ok := slices.BinarySearch(ids, id)
	if !ok {
		return -1
	}
	return k
}
