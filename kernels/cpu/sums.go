package cpu

import (
	"math"

	"cohort/kernels"
)

// sums are a thread's fixed-point gradients in the engine's layouts. Of the
// table only the rows that occur have a place.
type sums struct {
	d      dims
	place  []int32 // [2Q]: of a row in table, -1 without
	ids    []int32 // the row of each place
	table  []int64 // [places][np]
	layers []layerSums
	wout   []int64 // [Q][hp]
	bout   []int64 // [Q]
	counts [kernels.CountLen]int64
}

type layerSums struct {
	recurrent, input []int64 // [panels][H][columns]
	bias             []int64 // [np]
}

func newSums(d dims) *sums {
	s := &sums{
		d: d, place: make([]int32, d.Rows()), layers: make([]layerSums, d.Layers),
		wout: make([]int64, d.Skills*d.hp), bout: make([]int64, d.Skills),
	}
	for k := range s.place {
		s.place[k] = -1
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
	for _, x := range s.ids {
		s.place[x] = -1
	}
	s.ids = s.ids[:0]
	clear(s.wout)
	clear(s.bout)
	clear(s.counts[:])
	for _, l := range s.layers {
		clear(l.recurrent)
		clear(l.input)
		clear(l.bias)
	}
}

// row is the sums of a table row.
func (s *sums) row(x int32) []int64 {
	n := s.d.np
	if s.place[x] < 0 {
		s.place[x] = int32(len(s.ids))
		s.ids = append(s.ids, x)
		if len(s.ids)*n > len(s.table) {
			s.table = append(s.table, make([]int64, max(n, len(s.table)))...)
		}
		clear(s.table[int(s.place[x])*n:][:n])
	}
	return s.table[int(s.place[x])*n:][:n]
}

// addTo adds the kth of n shares of the sums to g, in g's layout.
func (s *sums) addTo(g *kernels.Sums, k, n int) {
	d := s.d
	for at, x := range s.ids {
		if int(x)%n == k {
			s.addRow(g.T()[int(x)*d.Width():], s.table[at*d.np:])
		}
	}
	for l, layer := range s.layers {
		d.addPanels(d.Hidden, g.U(l), layer.recurrent, k, n)
		if l > 0 {
			d.addPanels(d.Hidden, g.Wx(l), layer.input, k, n)
		}
	}
	from, to := share(d.Skills, k, n)
	for q := from; q < to; q++ {
		addSettled(g.Wout()[q*d.Hidden:][:d.Hidden], s.wout[q*d.hp:])
	}
	addSettled(g.Bout()[from:to], s.bout[from:])
	if k > 0 {
		return
	}
	for l := 1; l < d.Layers; l++ {
		s.addRow(g.B(l), s.layers[l].bias)
	}
	for c, v := range s.counts {
		g.Counters()[c] += v
	}
}

// addRow adds a row of np to one of 4H.
func (s *sums) addRow(to, from []int64) {
	d := s.d
	for g := range kernels.Gates {
		addSettled(to[g*d.Hidden:][:d.Hidden], from[g*d.hp:])
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
				addSettled(row, from[(at/c*rows+r)*c+at%c:])
			}
		}
	}
}

// addSettled adds entries as they leave a thread.
func addSettled(to, from []int64) {
	for k := range to {
		to[k] += settle(from[k])
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
