package cpu

import (
	"math"

	"cohort/kernels"
)

// sums are a thread's fixed-point gradients in the engine's layouts. Of the
// table and the head only rows that occur have a place.
type sums struct {
	d      dims
	table  rows[int64] // of np
	head   rows[int64] // of hp, then the bias
	layers []layerSums
	counts [kernels.CountLen]int64
}

type layerSums struct {
	recurrent, input []int64 // [panels][H][columns]
	bias             []int64 // [np]
}

func newSums(d dims) *sums {
	s := &sums{
		d: d, table: newRows[int64](d.Rows(), d.np), head: newRows[int64](d.Asks(), d.hp+8), layers: make([]layerSums, d.Layers),
	}
	for l := range s.layers {
		s.layers[l].recurrent = make([]int64, d.Hidden*d.np)
		if l > 0 {
			s.layers[l].input = make([]int64, d.Hidden*d.np)
			s.layers[l].bias = make([]int64, d.np)
		}
	}
	return s
}

func (s *sums) clear() {
	s.table.clear()
	s.head.clear()
	clear(s.counts[:])
	for _, l := range s.layers {
		clear(l.recurrent)
		clear(l.input)
		clear(l.bias)
	}
}

// zeroed is the sums of an id's row.
func zeroed(r *rows[int64], id int32) []int64 {
	row, fresh := r.row(id)
	if fresh {
		clear(row)
	}
	return row
}

// total sets the kth share of g to the sums of all threads.
func total(e *Engine, k int, _ *thread) error {
	d, g, n := e.d, e.call.sums, len(e.threads)
	for l := range d.Layers {
		d.clearShare(g.U(l), k, n)
		if l > 0 {
			d.clearShare(g.Wx(l), k, n)
		}
	}
	if k == 0 {
		clear(g.Counters())
		for l := 1; l < d.Layers; l++ {
			clear(g.B(l))
		}
	}
	totalRows(e, k)
	for _, t := range e.threads {
		t.sums.addTo(g, k, n)
	}
	return nil
}

// clearShare zeroes the kth of n shares of rows of 4H.
func (d dims) clearShare(to []int64, k, n int) {
	first, last := share(d.Hidden, k, n)
	clear(to[first*d.Width() : last*d.Width()])
}

// totalRows sets the kth share of T, Wout and Bout.
func totalRows(e *Engine, k int) {
	d, g := e.d, e.call.sums
	first, last := share(len(g.Rows), k, len(e.threads))
	for at := first; at < last; at++ {
		to, fresh := g.T()[at*d.Width():][:d.Width()], true
		for _, t := range e.threads {
			if from := t.sums.table.find(g.Rows[at]); from >= 0 {
				d.addRow(to, t.sums.table.place(from), fresh)
				fresh = false
			}
		}
		if fresh {
			clear(to)
		}
	}
	first, last = share(len(g.Asked), k, len(e.threads))
	for at := first; at < last; at++ {
		to, bias, fresh := g.Wout()[at*d.Hidden:][:d.Hidden], g.Bout()[at:at+1], true
		for _, t := range e.threads {
			if from := t.sums.head.find(g.Asked[at]); from >= 0 {
				row := t.sums.head.place(from)
				addSettled(to, row, fresh)
				addSettled(bias, row[d.hp:], fresh)
				fresh = false
			}
		}
		if fresh {
			clear(to)
			clear(bias)
		}
	}
}

// addTo adds the kth of n shares of all but the rows to g, in g's layout.
func (s *sums) addTo(g *kernels.Sums, k, n int) {
	d := s.d
	for l, layer := range s.layers {
		d.addPanels(d.Hidden, g.U(l), layer.recurrent, k, n)
		if l > 0 {
			d.addPanels(d.Hidden, g.Wx(l), layer.input, k, n)
		}
	}
	if k > 0 {
		return
	}
	for l := 1; l < d.Layers; l++ {
		d.addRow(g.B(l), s.layers[l].bias, false)
	}
	for c, v := range s.counts {
		g.Counters()[c] += v
	}
}

// addRow adds a row of np to one of 4H, which may be fresh.
func (d dims) addRow(to, from []int64, fresh bool) {
	for g := range kernels.Gates {
		addSettled(to[g*d.Hidden:][:d.Hidden], from[g*d.hp:], fresh)
	}
}

// addPanels adds the kth of n shares of [panels][rows][columns] to [rows][4H].
func (d dims) addPanels(rows int, to, from []int64, k, n int) {
	c := d.columns
	first, last := share(rows, k, n)
	for r := first; r < last; r++ {
		for at := 0; at < d.np; at += 8 {
			if u := at % d.hp; u < d.Hidden {
				row := to[r*d.Width()+at/d.hp*d.Hidden+u:][:min(8, d.Hidden-u)]
				addSettled(row, from[(at/c*rows+r)*c+at%c:], false)
			}
		}
	}
}

// addSettled adds entries as they leave a thread to others or, where those are
// fresh, takes their place.
func addSettled(to, from []int64, fresh bool) {
	from = from[:len(to)]
	switch {
	case fresh && !floatSums:
		copy(to, from)
		return
	case fresh:
		clear(to)
	}
	for k, v := range from {
		to[k] += settle(v)
	}
}

// add lets gradients through the fixed-point door into dst.
func (t *thread) add(dst []int64, src []float32) bool {
	src = src[:len(dst)]
	if floatSums {
		return addFloats(dst, src)
	}
	return t.e.ops.fixed(dst, src)
}

// addFloats is the negative control's door: dst holds float32 bits.
func addFloats(dst []int64, src []float32) bool {
	for k, x := range src {
		sum := math.Float32frombits(uint32(dst[k])) + x
		dst[k] = int64(math.Float32bits(sum))
	}
	return true
}

// settle is the identity, but for the negative control, whose float sum
// becomes fixed point here.
func settle(v int64) int64 {
	if !floatSums {
		return v
	}
	q, _ := kernels.ToFixed(math.Float32frombits(uint32(v)))
	return q
}
