// Package cpu computes a DKT training step on the processor: the portable
// reference and the AVX2 and AVX-512 paths, which give the same bits (see
// ../DESIGN.md). Sequences are dealt to threads and run side by side in slots, row
// by row independent, so neither threads nor grouping can move a bit.
package cpu

import (
	"fmt"
	"slices"
	"sync"

	"cohort/kernels"
)

// Path names an implementation of the primitives.
type Path string

// The paths.
const (
	AVX512   Path = "avx512"
	AVX2     Path = "avx2"
	Portable Path = "portable"
)

// Paths lists those that this machine runs, the fastest first.
func Paths() []Path {
	paths := []Path{Portable}
	if hasAVX2() {
		paths = append([]Path{AVX2}, paths...)
	}
	if hasAVX512() {
		paths = append([]Path{AVX512}, paths...)
	}
	return paths
}

// Best is the fastest path this machine runs.
func Best() Path { return Paths()[0] }

func primitives(p Path) (ops, error) {
	all := map[Path]ops{AVX512: avx512{}, AVX2: avx2{}, Portable: portable{}}
	o, known := all[p]
	switch {
	case !known:
		return nil, fmt.Errorf("unknown kernel path %q, want avx512, avx2 or portable", p)
	case !slices.Contains(Paths(), p):
		return nil, fmt.Errorf("this processor does not run the kernels %s: it has %v", p, Paths())
	}
	return o, nil
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
	w       weights
	threads []*thread
	parts   [][]int // sequences of each thread, longest first
	load    []int   // steps of each thread
	order   []int
	derive  deriving
}

// New returns an engine for models of the shape.
func New(s kernels.Shape, o Options) (*Engine, error) {
	if s.Skills < 1 || s.Embed < 1 || s.Hidden < 1 || s.Layers < 1 {
		return nil, fmt.Errorf("model shape %+v: every size must be at least 1", s)
	}
	if o.Path == "" {
		o.Path = Best()
	}
	prims, err := primitives(o.Path)
	if err != nil {
		return nil, err
	}
	e := &Engine{d: pad(s, prims), path: o.Path, ops: prims}
	e.w = newWeights(e.d)
	for range max(o.Threads, 1) {
		e.threads = append(e.threads, newThread(e))
	}
	e.parts, e.load = make([][]int, len(e.threads)), make([]int, len(e.threads))
	e.derive = newDeriving(e.d)
	return e, nil
}

// Path is the path in use.
func (e *Engine) Path() Path { return e.path }

// Close ends the engine.
func (e *Engine) Close() error { return nil }

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
	if err := e.fold(seqs); err != nil {
		return err
	}
	e.deal(seqs)
	err := e.each(func(k int, t *thread) error { return t.gradients(seqs, e.parts[k], d) })
	if err != nil {
		return err
	}
	return e.each(func(k int, _ *thread) error {
		for n, t := range e.threads {
			if len(e.parts[n]) > 0 {
				t.sums.addTo(g, k, len(e.threads))
			}
		}
		return nil
	})
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
	if err := e.fold(seqs); err != nil {
		return err
	}
	e.deal(seqs)
	if err := e.each(func(k int, t *thread) error { return t.logits(seqs, e.parts[k], z) }); err != nil {
		return err
	}
	return checkLogits(seqs, z)
}

// deal gives each thread its sequences, longest first to the least loaded.
func (e *Engine) deal(seqs []kernels.Sequence) {
	e.order = e.order[:0]
	for k := range seqs {
		e.order = append(e.order, k)
	}
	slices.SortStableFunc(e.order, func(a, b int) int { return len(seqs[b].In) - len(seqs[a].In) })
	for t := range e.parts {
		e.parts[t], e.load[t] = e.parts[t][:0], 0
	}
	for _, k := range e.order {
		least := 0
		for t, n := range e.load {
			if n < e.load[least] {
				least = t
			}
		}
		e.parts[least] = append(e.parts[least], k)
		e.load[least] += len(seqs[k].In)
	}
}
