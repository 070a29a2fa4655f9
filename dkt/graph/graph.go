// Package graph states the DKT model as a Gorgonia expression graph in
// float64. Automatic differentiation of that graph is the independent witness
// that tests hold the fused gradients to, and the engine of cells that have no
// fused kernel; it is slow, and its weights are a hash class of their own.
package graph

import (
	"fmt"
	"slices"

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
func Gradients(p *kernels.Params, c Cell, seqs []kernels.Sequence, mask Mask) (loss float64, grad []float64, err error) {
	grad = make([]float64, len(p.Data))
	for _, s := range seqs {
		l, err := one(p, c, s, mask, grad)
		if err != nil {
			return 0, nil, fmt.Errorf("sequence %d: %w", s.ID, err)
		}
		loss += l
	}
	return loss, grad, nil
}

// one adds a sequence's gradient to grad and returns its loss.
func one(p *kernels.Params, c Cell, s kernels.Sequence, mask Mask, grad []float64) (float64, error) {
	k, err := compile(p.Shape, c, len(s.In))
	if err != nil {
		return 0, err
	}
	defer k.vm.Close() //nolint:errcheck // always nil
	return k.run(p, s, mask, grad)
}

// compiled is the graph of sequences up to a length, which is run with one's
// parameters and answers after another's: to make it takes longer than to run it.
type compiled struct {
	m    *model
	vm   gorgonia.VM
	loss gorgonia.Value
}

// compile makes the graph of sequences of up to so many steps.
func compile(s kernels.Shape, c Cell, steps int) (*compiled, error) {
	m, err := newModel(s, c)
	if err != nil {
		return nil, err
	}
	cost, err := m.cost(steps)
	if err != nil {
		return nil, err
	}
	leaves := m.leaves()
	if _, err := gorgonia.Grad(cost, leaves...); err != nil {
		return nil, fmt.Errorf("differentiate: %w", err)
	}
	k := &compiled{m: m}
	gorgonia.Read(cost, &k.loss)
	k.vm = gorgonia.NewTapeMachine(m.g, gorgonia.BindDualValues(leaves...))
	return k, nil
}

// run adds the gradient of a sequence of no more steps to grad, and returns its loss.
func (k *compiled) run(p *kernels.Params, s kernels.Sequence, mask Mask, grad []float64) (float64, error) {
	for _, fill := range k.m.fill {
		fill(p, s, mask)
	}
	k.vm.Reset()
	if err := k.vm.RunAll(); err != nil {
		return 0, fmt.Errorf("run graph: %w", err)
	}
	if err := k.m.collect(grad); err != nil {
		return 0, err
	}
	loss, ok := k.loss.Data().(float64)
	if !ok {
		return 0, fmt.Errorf("the loss is a %T, not a number", k.loss.Data())
	}
	return loss, nil
}

// A weight is a leaf of the graph with the place of its entries in Params.
type weight struct {
	node       *gorgonia.Node
	rows, cols int
	at, stride int // entry (r, c) is Params.Data[at + r·stride + c]
}

// layer holds a layer's weights, gate by gate.
type layer struct {
	input, recurrent, bias [kernels.Gates]weight // of a direct model's layer 0: input is the table, no bias
}

// model is the graph under construction. Vectors are matrices of one row.
type model struct {
	g      *gorgonia.ExprGraph
	shape  kernels.Shape
	cell   Cell
	fill   []filler
	at     int    // of the next part's entries in Params
	embed  weight // no node in a direct model
	layers []layer
	head   weight
	offset weight
}

// A filler writes a run's numbers to where a node of the graph reads them.
type filler func(p *kernels.Params, s kernels.Sequence, mask Mask)

func newModel(s kernels.Shape, c Cell) (*model, error) {
	m := &model{g: gorgonia.NewGraph(), shape: s, cell: c}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if !s.Direct() {
		m.embed = m.take("E", s.EmbedRows(), s.Embed, 0, s.Embed)
		m.at += s.EmbedRows() * s.Embed
	}
	for l := range s.Layers {
		m.layers = append(m.layers, m.layer(l))
	}
	m.head = m.take("Wout", s.HeadRows(), s.Hidden, 0, s.Hidden)
	m.offset = m.take("Bout", s.HeadRows(), 1, s.HeadRows()*s.Hidden, 1)
	return m, nil
}

func (m *model) take(name string, rows, cols, offset, stride int) weight {
	return m.leaf(name, weight{rows: rows, cols: cols, at: m.at + offset, stride: stride})
}

// layer makes the leaves of layer l.
func (m *model) layer(l int) (made layer) {
	s, width := m.shape, m.shape.Width()
	in, bias := s.Hidden, 1
	if l == 0 {
		in = s.Embed
	}
	if l == 0 && s.Direct() {
		in, bias = s.EmbedRows(), 0
	}
	for gate := range m.cell.gates() {
		name := fmt.Sprintf("%d.%d", l, gate)
		made.input[gate] = m.take("W"+name, in, s.Hidden, gate*s.Hidden, width)
		made.recurrent[gate] = m.take("U"+name, s.Hidden, s.Hidden, in*width+gate*s.Hidden, width)
		if bias > 0 {
			made.bias[gate] = m.take("B"+name, 1, s.Hidden, (in+s.Hidden)*width+gate*s.Hidden, width)
		}
	}
	m.at += (in + s.Hidden + bias) * width
	return made
}

// leaf makes the graph's node of a weight.
func (m *model) leaf(name string, w weight) weight {
	w.node = m.matrix(name, w.rows, w.cols, func(to []float64, p *kernels.Params, _ kernels.Sequence, _ Mask) {
		for r := range w.rows {
			for c := range w.cols {
				to[r*w.cols+c] = float64(p.Data[w.at+r*w.stride+c])
			}
		}
	})
	return w
}

// matrix makes a node that is filled before each run; nil leaves it zero.
func (m *model) matrix(name string, rows, cols int, fill func(to []float64, p *kernels.Params, s kernels.Sequence, mask Mask)) *gorgonia.Node {
	data := make([]float64, rows*cols)
	if fill != nil {
		m.fill = append(m.fill, func(p *kernels.Params, s kernels.Sequence, mask Mask) { fill(data, p, s, mask) })
	}
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
	all = append(all, m.head, m.offset)
	return slices.DeleteFunc(all, func(w weight) bool { return w.node == nil })
}

func (m *model) leaves() gorgonia.Nodes {
	var nodes gorgonia.Nodes
	for _, w := range m.weights() {
		nodes = append(nodes, w.node)
	}
	return nodes
}

// collect moves the leaves' gradients into grad.
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
		clear(data) // the next run adds to it
	}
	return nil
}
