// Package cpu computes a DKT training step on the processor: the portable
// reference and the AVX2 and AVX-512 paths, which give the same bits (see
// ../DESIGN.md). Sequences are dealt to threads and run side by side in slots, row
// by row independent, so neither threads nor grouping can move a bit.
package cpu

import (
	"fmt"
	"slices"

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
	dealer  kernels.Dealer
	zeros   []float32     // a row of any table
	missed  []adamScalars // updates since all rows had all of them
	had     [3][]int32    // how many of these each row of E, Wout and Bout has had
	owed    [2][]int32    // memory of call.owed
	fresh   int           // first place of the table that a call folds
	places  [2]places     // of interactions and skills, to check sums
	derive  deriving
	call    call
	crew    crew
}

// call is what a method was given, for its phases.
type call struct {
	seqs     []kernels.Sequence
	drop     kernels.Dropout
	logits   [][]float32
	sums     *kernels.Sums
	owed     [2][]int32 // rows of E and of the head that CatchUp is asked for
	derived  *kernels.Derived
	params   *kernels.Params
	gradient *kernels.Gradient
	state    [3]kernels.Params // theta, m, v
	tables   [3]table          // E, Wout, Bout of state
	absent   kernels.Absent
	adam     adamScalars
}

// New returns an engine for models of the shape.
func New(s kernels.Shape, o Options) (*Engine, error) {
	if err := s.Check(); err != nil {
		return nil, err
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
	e.derive = newDeriving(e.d)
	e.zeros = make([]float32, max(s.RowWidth(), s.Hidden))
	e.had = [3][]int32{make([]int32, s.EmbedRows()), make([]int32, s.HeadRows()), make([]int32, s.HeadRows())}
	e.places = [2]places{newPlaces(s.Rows()), newPlaces(s.Asks())}
	e.crew.hire(e)
	return e, nil
}

// Path is the path in use.
func (e *Engine) Path() Path { return e.path }

// Close ends the engine's goroutines.
func (e *Engine) Close() error {
	e.crew.dismiss()
	return nil
}

// Gradients runs forward and backward over the sequences and sets g to the
// gradients of their summed loss, and the counters. All that occurs must have a
// place in g. The error is a *kernels.NonFiniteError when a number left its
// range; g is then unchanged.
func (e *Engine) Gradients(seqs []kernels.Sequence, d kernels.Dropout, g *kernels.Sums) error {
	if g.Shape != e.d.Shape || len(g.Data) != g.Len() {
		return errShape
	}
	if err := e.check(seqs); err != nil {
		return err
	}
	if err := checkAnswers(seqs); err != nil {
		return err
	}
	if err := e.checkPlaces(seqs, g); err != nil {
		return err
	}
	e.call = call{seqs: seqs, drop: d, sums: g}
	if err := e.fold(); err != nil {
		return err
	}
	e.parts = e.dealer.Deal(seqs, len(e.threads))
	if err := e.each(gradients); err != nil {
		return err
	}
	return e.each(total)
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
	e.call = call{seqs: seqs, logits: z}
	if err := e.fold(); err != nil {
		return err
	}
	e.parts = e.dealer.Deal(seqs, len(e.threads))
	if err := e.each(logits); err != nil {
		return err
	}
	return checkLogits(seqs, z)
}
