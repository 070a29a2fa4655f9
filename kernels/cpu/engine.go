// Package cpu computes a DKT training step on the processor: the portable
// reference and the AVX2 path, which give the same bits (see ../DESIGN.md).
// Sequences are dealt to threads and run in groups of slots, row by row
// independent, so neither threads nor grouping can move a bit.
package cpu

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"cohort/kernels"
)

// Path names an implementation of the primitives.
type Path string

// The paths.
const (
	AVX2     Path = "avx2"
	Portable Path = "portable"
)

// Best is the fastest path this machine runs.
func Best() Path {
	if hasAVX2() {
		return AVX2
	}
	return Portable
}

// Options say how an engine computes; none of them moves a bit.
type Options struct {
	Threads int  // goroutines a step; 0 is 1
	Path    Path // empty is Best
}

// Engine computes steps of one shape. Its methods are not safe for use by
// several goroutines at once.
type Engine struct {
	d       dims
	ops     ops
	path    Path
	loaded  bool
	w       weights
	threads []*thread
}

// New returns an engine for models of the shape.
func New(s kernels.Shape, o Options) (*Engine, error) {
	if s.Skills < 1 || s.Embed < 1 || s.Hidden < 1 || s.Layers < 1 {
		return nil, fmt.Errorf("model shape %+v: every size must be at least 1", s)
	}
	if o.Path == "" {
		o.Path = Best()
	}
	e := &Engine{d: pad(s), path: o.Path}
	switch o.Path {
	case Portable:
		e.ops = portable{}
	case AVX2:
		if !hasAVX2() {
			return nil, errors.New("this processor has no AVX2 and FMA: use kernels portable")
		}
		e.ops = avx2{}
	default:
		return nil, fmt.Errorf("unknown kernel path %q, want avx2 or portable", o.Path)
	}
	e.w = newWeights(e.d)
	for range max(o.Threads, 1) {
		e.threads = append(e.threads, newThread(e))
	}
	return e, nil
}

// Path is the path in use.
func (e *Engine) Path() Path { return e.path }

// Close ends the engine.
func (e *Engine) Close() error { return nil }

// dims are a shape with the padded sizes of the engine's own layouts: units to
// groups of 8, so that gate g of unit u is column g·hp + u of np, and outputs
// of h to groups of 16. Padding holds zeros and is in no chain over units.
type dims struct {
	kernels.Shape
	hp, hq, np int
}

func pad(s kernels.Shape) dims {
	up := func(n, m int) int { return (n + m - 1) / m * m }
	d := dims{Shape: s, hp: up(s.Hidden, 8), hq: up(s.Hidden, tileCols)}
	d.np = kernels.Gates * d.hp
	return d
}

// panels is the number of 16-column panels of np.
func (d dims) panels() int { return d.np / tileCols }

// each runs f on every thread, waits, and returns the first thread's error.
func (e *Engine) each(f func(k int, t *thread) error) error {
	if len(e.threads) == 1 {
		return e.threads[0].run(0, f)
	}
	faults := make([]error, len(e.threads))
	var wait sync.WaitGroup
	for k, t := range e.threads {
		wait.Go(func() { faults[k] = t.run(k, f) })
	}
	wait.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// Gradients runs forward and backward over the sequences and adds the
// gradients of their summed loss, and the counters, to g. The error is a
// *kernels.NonFiniteError when a number left its range; g is then unchanged.
func (e *Engine) Gradients(seqs []kernels.Sequence, d kernels.Dropout, g *kernels.Sums) error {
	if g.Shape != e.d.Shape || len(g.Data) != e.d.SumCount() {
		return errShape
	}
	if err := e.check(seqs); err != nil {
		return err
	}
	if err := checkAnswers(seqs); err != nil {
		return err
	}
	parts := deal(seqs, len(e.threads))
	err := e.each(func(k int, t *thread) error { return t.gradients(seqs, parts[k], d) })
	if err != nil {
		return err
	}
	for k, t := range e.threads {
		if len(parts[k]) > 0 {
			t.sums.addTo(g)
		}
	}
	return nil
}

// Logits fills z[i], of the length of seqs[i].In, with the logit of each asked
// answer, without dropout. The error is a *kernels.NonFiniteError for the first
// that is not finite.
func (e *Engine) Logits(seqs []kernels.Sequence, z [][]float32) error {
	if err := e.check(seqs); err != nil {
		return err
	}
	if err := checkRoom(seqs, z); err != nil {
		return err
	}
	parts := deal(seqs, len(e.threads))
	err := e.each(func(k int, t *thread) error { return t.logits(seqs, parts[k], z) })
	if err != nil {
		return err
	}
	return checkLogits(seqs, z)
}

// deal gives each thread its sequences, longest first to the least loaded.
func deal(seqs []kernels.Sequence, threads int) [][]int {
	order := make([]int, len(seqs))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return len(seqs[b].In) - len(seqs[a].In) })
	parts, load := make([][]int, threads), make([]int, threads)
	for _, k := range order {
		least := 0
		for t := range load {
			if load[t] < load[least] {
				least = t
			}
		}
		parts[least] = append(parts[least], k)
		load[least] += len(seqs[k].In)
	}
	return parts
}
