package kernels

import (
	"iter"
	"slices"
)

// Gradient is a step's mean gradient in the order of Params, of the rows of E,
// Wout and Bout that occur in the step; that of all others is zero.
type Gradient struct {
	Shape Shape
	Rows  []int32 // of E, ascending
	Asked []int32 // of Wout and Bout, ascending
	Data  []float32
	parts [2][]int32 // memory of Rows and Asked
}

// Reset makes room for the gradient of g, whose places it shares, or the parts of
// them; the entries are undefined.
func (d *Gradient) Reset(g *Sums) {
	d.Shape = g.Shape
	d.Rows = d.keep(0, g.Rows, g.Shape.Kinds, g.Shape.EmbedParts)
	d.Asked = d.keep(1, g.Asked, g.Shape.Levels, g.Shape.HeadParts)
	n := d.lstmEnd() + len(d.Asked)*(d.Shape.Hidden+1)
	d.Data = slices.Grow(d.Data[:0], n)[:n]
}

func (d *Gradient) keep(k int, ids []int32, more int, parts func(int32) (int32, int32)) []int32 {
	if more == 0 {
		return ids
	}
	d.parts[k] = PartsOf(ids, d.parts[k][:0], parts)
	return d.parts[k]
}

func (d *Gradient) lstmAt() int { return len(d.Rows) * d.Shape.RowWidth() }
func (d *Gradient) lstmEnd() int {
	return d.lstmAt() + d.Shape.layerAt(d.Shape.Layers) - d.Shape.layerAt(0)
}

// E is the gradient of the rows, [len(Rows)][E], or [4H] of a direct model.
func (d *Gradient) E() []float32 { return d.Data[:d.lstmAt()] }

// LSTM is that of all layers, as Params.LSTM.
func (d *Gradient) LSTM() []float32 { return d.Data[d.lstmAt():d.lstmEnd()] }

// Wout is that of the head's rows, [len(Asked)][H].
func (d *Gradient) Wout() []float32 {
	return d.Data[d.lstmEnd() : len(d.Data)-len(d.Asked)]
}

// Bout is that of the head's bias, [len(Asked)].
func (d *Gradient) Bout() []float32 { return d.Data[len(d.Data)-len(d.Asked):] }

// Spans are the parts that lie together, with their place in Params.Data,
// ascending.
func (d *Gradient) Spans() iter.Seq2[int, []float32] {
	s := d.Shape
	head := s.layerAt(s.Layers)
	return func(yield func(int, []float32) bool) {
		_ = spans(d.E(), d.Rows, s.RowWidth(), 0, yield) &&
			yield(s.layerAt(0), d.LSTM()) &&
			spans(d.Wout(), d.Asked, s.Hidden, head, yield) &&
			spans(d.Bout(), d.Asked, 1, head+s.HeadRows()*s.Hidden, yield)
	}
}

// spans yields the runs of adjacent ids.
func spans(v []float32, ids []int32, width, at int, yield func(int, []float32) bool) bool {
	for first := 0; first < len(ids); {
		end := first + 1
		for end < len(ids) && ids[end] == ids[end-1]+1 {
			end++
		}
		if !yield(at+int(ids[first])*width, v[first*width:end*width]) {
			return false
		}
		first = end
	}
	return true
}
