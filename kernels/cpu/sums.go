package cpu

import (
	"math"

	"cohort/kernels"
)

// sums are a thread's fixed-point gradients in the engine's layouts.
type sums struct {
	d      dims
	table  []int64 // [2Q][np]
	layers []layerSums
	wout   []int64 // [Q][hp]
	bout   []int64 // [Q]
	counts [kernels.CountLen]int64
}

type layerSums struct {
	recurrent, input []int64 // [np/16][H][16]
	bias             []int64 // [np]
}

func newSums(d dims) *sums {
	s := &sums{
		d: d, table: make([]int64, d.Rows()*d.np), layers: make([]layerSums, d.Layers),
		wout: make([]int64, d.Skills*d.hp), bout: make([]int64, d.Skills),
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
	clear(s.table)
	clear(s.wout)
	clear(s.bout)
	clear(s.counts[:])
	for _, l := range s.layers {
		clear(l.recurrent)
		clear(l.input)
		clear(l.bias)
	}
}

// addTo adds the sums to g, in g's layout.
func (s *sums) addTo(g *kernels.Sums) {
	d := s.d
	s.addRows(g.T(), s.table)
	for l, layer := range s.layers {
		addPanels(d, d.Hidden, g.U(l), layer.recurrent, settle)
		if l > 0 {
			addPanels(d, d.Hidden, g.Wx(l), layer.input, settle)
			s.addRows(g.B(l), layer.bias)
		}
	}
	for q := range d.Skills {
		addSettled(g.Wout()[q*d.Hidden:][:d.Hidden], s.wout[q*d.hp:])
	}
	addSettled(g.Bout(), s.bout)
	for k, v := range s.counts {
		g.Counters()[k] += v
	}
}

// addRows adds rows of np to rows of 4H.
func (s *sums) addRows(to, from []int64) {
	d := s.d
	for r := range len(from) / d.np {
		for g := range kernels.Gates {
			addSettled(to[r*d.Width()+g*d.Hidden:][:d.Hidden], from[r*d.np+g*d.hp:])
		}
	}
}

// addPanels adds [np/16][rows][16] to [rows][4H]; settled converts a thread's sums.
func addPanels(d dims, rows int, to, from []int64, settled func(int64) int64) {
	for n := 0; n < d.np; n += 8 {
		g, u := n/d.hp, n%d.hp
		units := min(8, d.Hidden-u)
		if units <= 0 {
			continue
		}
		panel := from[n/tileCols*rows*tileCols+n%tileCols:]
		for k := range rows {
			row := to[k*d.Width()+g*d.Hidden+u:][:units]
			for j := range row {
				row[j] += settled(panel[k*tileCols+j])
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
