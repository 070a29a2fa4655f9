package graph

import (
	"math"

	"cohort/kernels"
)

// forward is the model without dropout and without a graph, in float32: what a
// prediction needs.
type forward struct {
	p    *kernels.Params
	cell Cell
}

// row is an interaction's row of the folded table, [4H]: E·Wx + B of layer 0.
func (f *forward) row(x int32, to []float32) {
	s := f.p.Shape
	if s.Direct() {
		copy(to, f.p.E()[int(x)*s.Width():][:s.Width()])
		return
	}
	copy(to, f.p.B(0))
	addProduct(to, f.p.E()[int(x)*s.Embed:][:s.Embed], f.p.Wx(0))
}

// addProduct adds v·m to to; m has a row of len(to) for each entry of v.
func addProduct(to, v, m []float32) {
	for k, a := range v {
		for j, b := range m[k*len(to):][:len(to)] {
			to[j] += float32(a * b)
		}
	}
}

// logits fills z with the logit of each asked answer.
func (f *forward) logits(s kernels.Sequence, z []float32) error {
	shape := f.p.Shape
	h, c := make([][]float32, shape.Layers), make([][]float32, shape.Layers)
	for l := range h {
		h[l], c[l] = make([]float32, shape.Hidden), make([]float32, shape.Hidden)
	}
	in, rec := make([]float32, shape.Width()), make([]float32, shape.Width())
	for t, x := range s.In {
		f.row(x, in)
		for l := range h {
			if l > 0 {
				copy(in, f.p.B(l))
				addProduct(in, h[l-1], f.p.Wx(l))
			}
			clear(rec)
			addProduct(rec, h[l], f.p.U(l))
			f.step(in, rec, h[l], c[l])
		}
		q := int(s.Ask[t])
		z[t] = f.p.Bout()[q]
		for k, v := range h[shape.Layers-1] {
			z[t] += float32(v * f.p.Wout()[q*shape.Hidden+k])
		}
		if math.Abs(float64(z[t])) > math.MaxFloat32 || z[t] != z[t] {
			return &kernels.NonFiniteError{Tensor: "logit", Sequence: s.ID, Step: t}
		}
	}
	return nil
}

// step moves a layer's state on.
func (f *forward) step(in, rec, h, c []float32) {
	n := len(h)
	for u := range h {
		gate := func(k int) float32 { return in[k*n+u] + rec[k*n+u] }
		switch f.cell {
		case RNN:
			h[u] = kernels.Tanh(gate(0))
		case GRU:
			r, z := kernels.Sigmoid(gate(0)), kernels.Sigmoid(gate(1))
			new := kernels.Tanh(in[2*n+u] + float32(r*rec[2*n+u]))
			h[u] = new + float32(z*(h[u]-new))
		case LSTM:
			i, g := kernels.Sigmoid(gate(0)), kernels.Tanh(gate(2))
			c[u] = float32(i*g) + float32(kernels.Sigmoid(gate(1))*c[u])
			h[u] = float32(kernels.Sigmoid(gate(3)) * kernels.Tanh(c[u]))
		}
	}
}
