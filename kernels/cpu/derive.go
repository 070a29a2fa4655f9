package cpu

import (
	"errors"
	"fmt"
	"slices"

	"cohort/kernels"
)

// blockRows is the number of table-row ids of a block of the sums over rows.
const blockRows = 64

// deriving is the memory of Derive.
type deriving struct {
	runs  []run           // of the step's rows
	first int             // row of the first run of this member's share
	table []float32       // gradients of the share's rows, [rows][gq]
	input []float32       // layer 0's input weights, packed for backward
	sums  []int64         // of dWx(0), [panels][E][columns]
	parts [3][]int64      // of dE, dWout and dBout, where rows are sums of parts
	width int             // of a row of dE
	whole kernels.Derived // for Derive, like the next
	flat  kernels.Gradient
	scale float64
}

// run is the rows of a block, as places in the step's Sums.
type run struct{ first, end int }

func newDeriving(d dims) deriving {
	v := deriving{width: up(d.Embed, 8), sums: make([]int64, d.Embed*d.np)}
	v.input = make([]float32, v.width*d.Width())
	return v
}

// Derive turns a step's reduced sums into the mean gradient in the order of
// Params: those of the embedding and of layer 0's input weights and bias follow
// from the table's (../DESIGN.md). p are the step's parameters. Rows of out
// that have no place in g are left alone.
func (e *Engine) Derive(p *kernels.Params, g *kernels.Sums, out []float32) error {
	v := &e.derive
	if len(out) != e.d.ParamCount() {
		return errShape
	}
	if err := e.DeriveShare(p, g, 0, 1, &v.whole); err != nil {
		return err
	}
	if err := e.Mean(g, &v.whole, &v.flat); err != nil {
		return err
	}
	for at, part := range v.flat.Spans() {
		copy(out[at:], part)
	}
	return nil
}

// DeriveShare sets to to the share of member rank of size of what follows from
// the table's gradients: whole blocks of rows. Shares add up to the whole.
func (e *Engine) DeriveShare(p *kernels.Params, g *kernels.Sums, rank, size int, to *kernels.Derived) error {
	if err := e.checkSums(p, g); err != nil {
		return err
	}
	to.Reset(e.d.Shape, len(g.Rows))
	if e.d.Direct() || len(g.Rows) == 0 {
		return nil
	}
	v := &e.derive
	v.list(g.Rows)
	first, last := share(len(v.runs), rank, size)
	if first == last {
		return nil
	}
	v.runs, v.first = v.runs[first:last], v.runs[first].first
	if need := (v.runs[len(v.runs)-1].end - v.first) * e.d.gq; len(v.table) < need {
		v.table = make([]float32, need)
	}
	e.call = call{sums: g, derived: to, params: p}
	for _, f := range []phase{packInput, deriveRows, deriveInputs, putInputs} {
		if err := e.each(f); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) checkSums(p *kernels.Params, g *kernels.Sums) error {
	if p.Shape != e.d.Shape || len(p.Data) != e.d.ParamCount() || g.Shape != e.d.Shape || len(g.Data) != g.Len() {
		return errShape
	}
	if answers := g.Counters()[kernels.CountAnswers]; answers <= 0 {
		return fmt.Errorf("cpu: a step of %d answers has no mean gradient", answers)
	}
	return nil
}

// list finds the runs of ids of the same block.
func (v *deriving) list(ids []int32) {
	v.runs = v.runs[:0]
	for k, id := range ids {
		if k == 0 || id/blockRows != ids[k-1]/blockRows {
			v.runs = append(v.runs, run{k, k})
		}
		v.runs[len(v.runs)-1].end++
	}
}

func packInput(e *Engine, k int, _ *thread) error {
	from, to := share(e.derive.width, k, len(e.threads))
	e.d.packBackward(e.derive.input, e.call.params.Wx(0), e.d.Embed, from, to)
	return nil
}

// deriveRows takes a share of the rows: their summed gradient as floats, dE[x][e],
// the blocked chains of dT[x] over Wx(0)[e], and their part of dB(0), which
// stays with the thread.
func deriveRows(e *Engine, k int, t *thread) error {
	d, v, c := e.d, &e.derive, &e.call
	clear(t.bias)
	first, last := share(v.runs[len(v.runs)-1].end-v.first, k, len(e.threads))
	for ; first < last; first += slots {
		n := min(slots, last-first)
		rows := v.table[first*d.gq:]
		for i := range n {
			row := c.sums.T()[(v.first+first+i)*d.Width():][:d.Width()]
			for g := range kernels.Gates {
				if !e.ops.mean(rows[i*d.gq+g*d.hp:][:d.Hidden], row[g*d.Hidden:][:d.Hidden], 1/kernels.FixedOne) {
					return &kernels.NonFiniteError{Tensor: "the gradient of the table", Step: -1}
				}
			}
			for c, q := range row {
				t.bias[c] += q
			}
		}
		t.gatedProduct(n, v.width, rows, v.input, t.embedded, v.width)
		for i := range n {
			to := c.derived.E()[(v.first+first+i)*d.Embed:][:d.Embed]
			if !t.exact(to, t.embedded[i*v.width:][:d.Embed]) {
				return &kernels.NonFiniteError{Tensor: "the gradient of E", Step: -1}
			}
		}
	}
	return nil
}

// deriveInputs is dWx(0), the sum over blocks of row ids of the converted chains
// of E[x]·dT[x]: a share of the panels.
func deriveInputs(e *Engine, k int, t *thread) error {
	d, v := e.d, &e.derive
	size := d.Embed * d.columns
	first, last := share(d.panels(), k, len(e.threads))
	clear(v.sums[first*size : last*size])
	for _, r := range v.runs {
		for i, id := range e.call.sums.Rows[r.first:r.end] {
			copy(t.block[i*d.Embed:], t.rowOf(e.call.params, id))
		}
		for p := first; p < last; p++ {
			for i := range r.end - r.first {
				copy(t.column[i*d.columns:][:d.columns], v.table[(r.first+i-v.first)*d.gq+p*d.columns:])
			}
			if !t.outer(v.sums[p*size:], d.Embed, r.end-r.first, &t.block[0], d.Embed, &t.column[0], d.columns, t.exact) {
				return &kernels.NonFiniteError{Tensor: "the gradient of Wx", Step: -1}
			}
		}
	}
	return nil
}

// putInputs is a share of Wx(0) and, on the first thread, B(0), the sum of the
// rows, once the phases before are done everywhere.
func putInputs(e *Engine, k int, _ *thread) error {
	d, v, to := e.d, &e.derive, e.call.derived
	first, last := share(d.Embed, k, len(e.threads))
	for r := first; r < last; r++ {
		row := to.Wx()[r*d.Width():]
		for at := 0; at < d.np; at += 8 {
			if u := at % d.hp; u < d.Hidden {
				copy(row[at/d.hp*d.Hidden+u:][:min(8, d.Hidden-u)], v.sums[(at/d.columns*d.Embed+r)*d.columns+at%d.columns:])
			}
		}
	}
	for n := 0; k == 0 && n < len(e.threads); n++ {
		for c, q := range e.threads[n].bias {
			to.B()[c] += q
		}
	}
	return nil
}

// Mean sets out to the mean gradient of a step's reduced sums and of what
// derives from them.
func (e *Engine) Mean(g *kernels.Sums, derived *kernels.Derived, out *kernels.Gradient) error {
	if g.Shape != e.d.Shape || len(g.Data) != g.Len() ||
		derived.Shape != e.d.Shape || derived.Rows != len(g.Rows) || len(derived.Data) != derived.Len() {
		return errShape
	}
	out.Reset(g)
	e.derive.scale = kernels.Scale(g.Counters()[kernels.CountAnswers])
	e.call = call{sums: g, derived: derived, gradient: out}
	if e.d.Kinds+e.d.Levels > 0 {
		for k, to := range [][]float32{out.E(), out.Wout(), out.Bout()} {
			e.derive.parts[k] = slices.Grow(e.derive.parts[k][:0], len(to))[:len(to)]
		}
		if err := e.each(gatherParts); err != nil {
			return err
		}
	}
	return e.each(mean)
}

// ofRows is the gradient of the step's interactions: of their embeddings, or of
// the rows of a direct table.
func (c *call) ofRows() []int64 {
	if c.sums.Shape.Direct() {
		return c.sums.T()
	}
	return c.derived.E()
}

// gatherParts adds up, in a share of the columns, what each row of E and of the
// head gets from the interactions and questions that it is part of.
func gatherParts(e *Engine, k int, _ *thread) error {
	c, v, g, n := &e.call, &e.derive, e.call.sums, len(e.threads)
	if e.d.Kinds > 0 {
		gather(v.parts[0], c.ofRows(), c.gradient.Rows, g.Rows, e.d.EmbedParts, k, n)
	}
	if e.d.Levels > 0 {
		gather(v.parts[1], g.Wout(), c.gradient.Asked, g.Asked, e.d.HeadParts, k, n)
		gather(v.parts[2], g.Bout(), c.gradient.Asked, g.Asked, e.d.HeadParts, k, n)
	}
	return nil
}

// gather sets the kth of n shares of the columns of to, rows of the ids parts, to
// the sums of the rows of from, of the ids whole.
func gather(to, from []int64, parts, whole []int32, of func(int32) (int32, int32), k, n int) {
	width := len(from) / len(whole)
	first, last := share(width, k, n)
	for at := first; at < len(to); at += width {
		clear(to[at : at+last-first])
	}
	for i, id := range whole {
		own, more := of(id)
		for _, part := range [...]int32{own, more} {
			at, _ := slices.BinarySearch(parts, part)
			row := to[at*width:][:width]
			for j := first; j < last; j++ {
				row[j] += from[i*width+j]
			}
		}
	}
}

func mean(e *Engine, k int, _ *thread) error {
	d, v, g, out := e.d, &e.derive, e.call.sums, e.call.gradient
	rows, wout, bout := e.call.ofRows(), g.Wout(), g.Bout()
	if d.Kinds > 0 {
		rows = v.parts[0]
	}
	if d.Levels > 0 {
		wout, bout = v.parts[1], v.parts[2]
	}
	if err := v.put(e, "E", out.E(), rows, k); err != nil {
		return err
	}
	left := out.LSTM()
	next := func(name string, from []int64) error {
		to := left[:len(from)]
		left = left[len(from):]
		return v.put(e, name, to, from, k)
	}
	for l := range d.Layers {
		if err := v.layer(g, e.call.derived, l, next); err != nil {
			return err
		}
	}
	if err := v.put(e, "Wout", out.Wout(), wout, k); err != nil {
		return err
	}
	return v.put(e, "Bout", out.Bout(), bout, k)
}

// layer puts a layer's tensors in the order of Params.
func (v *deriving) layer(g *kernels.Sums, derived *kernels.Derived, l int, next func(string, []int64) error) error {
	switch {
	case l > 0:
		return errors.Join(next("Wx", g.Wx(l)), next("U", g.U(l)), next("B", g.B(l)))
	case g.Shape.Direct():
		return next("U", g.U(l))
	}
	return errors.Join(next("Wx", derived.Wx()), next("U", g.U(l)), next("B", derived.B()))
}

// put is the mean of thread k's share of a tensor.
func (v *deriving) put(e *Engine, name string, to []float32, from []int64, k int) error {
	first, last := share(len(to), k, len(e.threads))
	if !e.ops.mean(to[first:last], from[first:last], v.scale) {
		return &kernels.NonFiniteError{Tensor: "the gradient of " + name, Step: -1}
	}
	return nil
}
