package graph

import (
	"fmt"
	"slices"

	"cohort/kernels"
)

// narrow is a direct model of only what occurs in a sequence: its graph is then
// no larger than it must be.
type narrow struct {
	p     *kernels.Params
	rows  []int32 // interaction of each of its table's first rows
	asked []int32 // skill of each of its head's first rows
}

// narrow makes the model, and the sequence in its terms. Both have sizes that
// other sequences share, of which steps is one.
func (e *Engine) narrow(s kernels.Sequence) (n *narrow, own kernels.Sequence, steps int) {
	from := e.forward.p
	n = &narrow{rows: distinct(s.In), asked: distinct(s.Ask)}
	shape := from.Shape
	of := size{max((len(n.rows)+1)/2, len(n.asked)), len(s.In)}.rounded()
	shape.Embed, shape.Skills = 0, of.skills
	n.p = kernels.NewParams(shape)
	for k, x := range n.rows {
		e.forward.row(x, n.p.E()[k*shape.Width():][:shape.Width()])
	}
	for l := range shape.Layers {
		copy(n.p.U(l), from.U(l))
		if l > 0 {
			copy(n.p.Wx(l), from.Wx(l))
			copy(n.p.B(l), from.B(l))
		}
	}
	for k, q := range n.asked {
		copy(n.p.Wout()[k*shape.Hidden:][:shape.Hidden], from.Wout()[int(q)*shape.Hidden:])
		n.p.Bout()[k] = from.Bout()[q]
	}
	own = s
	own.In, own.Ask = renumbered(s.In, n.rows), renumbered(s.Ask, n.asked)
	return n, own, of.steps
}

func distinct(ids []int32) []int32 { return slices.Compact(slices.Sorted(slices.Values(ids))) }

func renumbered(ids, of []int32) []int32 {
	out := make([]int32, len(ids))
	for k, id := range ids {
		out[k] = int32(place(of, id))
	}
	return out
}

// scatter adds a gradient, in the order of the narrow model's parameters, to sums
// of the whole one.
func (n *narrow) scatter(g *kernels.Sums, grad []float64, d *door) {
	shape, width, hidden := n.p.Shape, n.p.Shape.Width(), n.p.Shape.Hidden
	at := 0
	next := func(size int) []float64 {
		at += size
		return grad[at-size : at]
	}
	table := next(shape.EmbedRows() * width)
	for k, x := range n.rows {
		n.row(d, "table", g.T(), place(g.Rows, x), width, table[k*width:][:width])
	}
	for l := range shape.Layers {
		if l > 0 {
			d.add("Wx", g.Wx(l), next(hidden*width))
		}
		d.add("U", g.U(l), next(hidden*width))
		if l > 0 {
			d.add("B", g.B(l), next(width))
		}
	}
	wout, bout := next(shape.HeadRows()*hidden), next(shape.HeadRows())
	for k, q := range n.asked {
		n.row(d, "Wout", g.Wout(), place(g.Asked, q), hidden, wout[k*hidden:][:hidden])
		n.row(d, "Bout", g.Bout(), place(g.Asked, q), 1, bout[k:k+1])
	}
}

func (n *narrow) row(d *door, tensor string, to []int64, k, width int, from []float64) {
	if k < 0 {
		d.err = fmt.Errorf("%w: %s", errPlaces, tensor)
		return
	}
	d.add(tensor, to[k*width:][:width], from)
}
