// Package graph states the DKT model as a Gorgonia expression graph in
// float64. Automatic differentiation of that graph is the independent witness
// that tests hold the fused gradients to; it is slow and promises no hash.
package graph

import (
	"fmt"

	"cohort/kernels"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// Mask gives the factors of dropout on the outputs of a layer: the value for
// unit u of layer l after step t of sequence s, 0 or 1/(1−rate). Layer
// Shape.Layers−1 feeds the head.
type Mask func(s kernels.Sequence, l, t, u int) float64

// Keep is the Mask that drops nothing.
func Keep(kernels.Sequence, int, int, int) float64 { return 1 }

// Gradients returns the summed binary cross-entropy of the sequences' asked
// answers and its gradient in the order of Params.Data, both unscaled.
func Gradients(p *kernels.Params, seqs []kernels.Sequence, mask Mask) (loss float64, grad []float64, err error) {
	grad = make([]float64, len(p.Data))
	for _, s := range seqs {
		l, err := one(p, s, mask, grad)
		if err != nil {
			return 0, nil, fmt.Errorf("sequence %d: %w", s.ID, err)
		}
		loss += l
	}
	return loss, grad, nil
}

// one adds a sequence's gradient to grad and returns its loss.
func one(p *kernels.Params, s kernels.Sequence, mask Mask, grad []float64) (float64, error) {
	m, err := newModel(p)
	if err != nil {
		return 0, err
	}
	cost, err := m.cost(s, mask)
	if err != nil {
		return 0, err
	}
	leaves := m.leaves()
	if _, err := gorgonia.Grad(cost, leaves...); err != nil {
		return 0, fmt.Errorf("differentiate: %w", err)
	}
	var value gorgonia.Value
	gorgonia.Read(cost, &value)
	vm := gorgonia.NewTapeMachine(m.g, gorgonia.BindDualValues(leaves...))
	if err := vm.RunAll(); err != nil {
		return 0, fmt.Errorf("run graph: %w", err)
	}
	if err := m.collect(grad); err != nil {
		return 0, err
	}
	loss, ok := value.Data().(float64)
	if !ok {
		return 0, fmt.Errorf("the loss is a %T, not a number", value.Data())
	}
	return loss, vm.Close()
}

// A weight is a leaf of the graph with the place of its entries in Params.
type weight struct {
	node       *gorgonia.Node
	rows, cols int
	at, stride int // entry (r, c) is Params.Data[at + r·stride + c]
}

// layer holds a layer's weights, gate by gate.
type layer struct {
	input, recurrent, bias [kernels.Gates]weight
}

// model is the graph under construction. Vectors are matrices of one row.
type model struct {
	g      *gorgonia.ExprGraph
	p      *kernels.Params
	embed  weight
	layers []layer
	head   weight
	offset weight
}

func newModel(p *kernels.Params) (*model, error) {
	m := &model{g: gorgonia.NewGraph(), p: p}
	s := p.Shape
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Direct() {
		return nil, fmt.Errorf("shape %+v has no embedding", s)
	}
	width := s.Width()
	at := 0
	take := func(name string, rows, cols, offset, stride int) weight {
		return m.leaf(name, weight{rows: rows, cols: cols, at: at + offset, stride: stride})
	}
	m.embed = take("E", s.EmbedRows(), s.Embed, 0, s.Embed)
	at += s.EmbedRows() * s.Embed
	for l := range s.Layers {
		in := s.Hidden
		if l == 0 {
			in = s.Embed
		}
		var made layer
		for gate := range kernels.Gates {
			name := fmt.Sprintf("%d.%d", l, gate)
			made.input[gate] = take("W"+name, in, s.Hidden, gate*s.Hidden, width)
			made.recurrent[gate] = take("U"+name, s.Hidden, s.Hidden, in*width+gate*s.Hidden, width)
			made.bias[gate] = take("B"+name, 1, s.Hidden, (in+s.Hidden)*width+gate*s.Hidden, width)
		}
		m.layers = append(m.layers, made)
		at += (in + s.Hidden + 1) * width
	}
	m.head = take("Wout", s.HeadRows(), s.Hidden, 0, s.Hidden)
	m.offset = take("Bout", s.HeadRows(), 1, s.HeadRows()*s.Hidden, 1)
	return m, nil
}

// leaf makes the graph's node of a weight, filled from the parameters.
func (m *model) leaf(name string, w weight) weight {
	data := make([]float64, 0, w.rows*w.cols)
	for r := range w.rows {
		for c := range w.cols {
			data = append(data, float64(m.p.Data[w.at+r*w.stride+c]))
		}
	}
	w.node = m.matrix(name, w.rows, w.cols, data)
	return w
}

func (m *model) matrix(name string, rows, cols int, data []float64) *gorgonia.Node {
	t := tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(data))
	return gorgonia.NewMatrix(m.g, tensor.Float64, gorgonia.WithShape(rows, cols), gorgonia.WithName(name), gorgonia.WithValue(t))
}

func (m *model) weights() []weight {
	all := []weight{m.embed}
	for _, l := range m.layers {
		all = append(all, l.input[:]...)
		all = append(all, l.recurrent[:]...)
		all = append(all, l.bias[:]...)
	}
	return append(all, m.head, m.offset)
}

func (m *model) leaves() gorgonia.Nodes {
	var nodes gorgonia.Nodes
	for _, w := range m.weights() {
		nodes = append(nodes, w.node)
	}
	return nodes
}

// collect adds the leaves' gradients to grad.
func (m *model) collect(grad []float64) error {
	for _, w := range m.weights() {
		value, err := w.node.Grad()
		if err != nil {
			return fmt.Errorf("gradient of %s: %w", w.node.Name(), err)
		}
		data, ok := value.Data().([]float64)
		if !ok || len(data) != w.rows*w.cols {
			return fmt.Errorf("gradient of %s is %T of shape %v", w.node.Name(), value.Data(), value.Shape())
		}
		for k, v := range data {
			grad[w.at+k/w.cols*w.stride+k%w.cols] += v
		}
	}
	return nil
}
