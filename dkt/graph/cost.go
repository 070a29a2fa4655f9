package graph

import (
	"errors"
	"fmt"

	"cohort/kernels"

	"gorgonia.org/gorgonia"
)

// build applies operations until the first error, which it keeps.
type build struct{ err error }

func (b *build) do(op string, n *gorgonia.Node, err error) *gorgonia.Node {
	if b.err == nil && err != nil {
		b.err = fmt.Errorf("%s: %w", op, err)
	}
	return n
}

func (b *build) mul(x, y *gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	n, err := gorgonia.Mul(x, y)
	return b.do("mul", n, err)
}

// had is the element-wise product.
func (b *build) had(x, y *gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	n, err := gorgonia.HadamardProd(x, y)
	return b.do("hadamard", n, err)
}

func (b *build) add(x, y *gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	n, err := gorgonia.Add(x, y)
	return b.do("add", n, err)
}

func (b *build) apply(f func(*gorgonia.Node) (*gorgonia.Node, error), x *gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	n, err := f(x)
	return b.do("apply", n, err)
}

// cost builds the summed loss of a sequence, a scalar node.
func (m *model) cost(s kernels.Sequence, mask Mask) (*gorgonia.Node, error) {
	if len(s.In) == 0 {
		return nil, errors.New("no steps")
	}
	b := &build{}
	state := m.start()
	var total *gorgonia.Node
	for t := range s.In {
		x := b.mul(m.pickSum(fmt.Sprintf("x%d", t), m.p.Shape.EmbedRows(), s.In[t], m.p.Shape.EmbedParts), m.embed.node)
		for l := range m.layers {
			state[l] = m.step(b, l, x, state[l])
			x = b.had(state[l].h, m.mask(s, mask, l, t))
		}
		loss := m.loss(b, s, t, x)
		if total == nil {
			total = loss
		} else {
			total = b.add(total, loss)
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	return gorgonia.Sum(total)
}

// cell is a layer's state.
type cell struct{ h, c *gorgonia.Node }

// start is the zero state of each layer.
func (m *model) start() []cell {
	state := make([]cell, len(m.layers))
	zero := func(name string, l int) *gorgonia.Node {
		return m.matrix(fmt.Sprintf("%s%d", name, l), 1, m.p.Shape.Hidden, make([]float64, m.p.Shape.Hidden))
	}
	for l := range state {
		state[l] = cell{h: zero("h", l), c: zero("c", l)}
	}
	return state
}

func (m *model) step(b *build, l int, x *gorgonia.Node, before cell) cell {
	w := &m.layers[l]
	var gate [kernels.Gates]*gorgonia.Node
	for k := range gate {
		z := b.add(b.mul(x, w.input[k].node), w.bias[k].node)
		z = b.add(z, b.mul(before.h, w.recurrent[k].node))
		squash := gorgonia.Sigmoid
		if k == 2 {
			squash = gorgonia.Tanh
		}
		gate[k] = b.apply(squash, z)
	}
	c := b.add(b.had(gate[0], gate[2]), b.had(gate[1], before.c))
	return cell{h: b.had(gate[3], b.apply(gorgonia.Tanh, c)), c: c}
}

// loss is log(1 + exp(z)) − z·y of the asked skill's logit, shape [1][1].
func (m *model) loss(b *build, s kernels.Sequence, t int, hd *gorgonia.Node) *gorgonia.Node {
	asked := m.pickSum(fmt.Sprintf("q%d", t), m.p.Shape.HeadRows(), s.Ask[t], m.p.Shape.HeadParts)
	row := b.mul(asked, m.head.node)
	z := b.add(b.mul(hd, b.apply(transpose, row)), b.mul(asked, m.offset.node))
	sign := m.matrix(fmt.Sprintf("y%d", t), 1, 1, []float64{-float64(s.Right[t])})
	return b.add(b.apply(gorgonia.Softplus, z), b.had(z, sign))
}

func transpose(n *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Transpose(n) }

// pickSum is a row of n with ones at the parts of an id: its product with a matrix
// is the sum of their rows.
func (m *model) pickSum(name string, n int, id int32, parts func(int32) (own, more int32)) *gorgonia.Node {
	data := make([]float64, n)
	own, more := parts(id)
	data[own] = 1
	if more >= 0 {
		data[more] = 1
	}
	return m.matrix(name, 1, n, data)
}

func (m *model) mask(s kernels.Sequence, mask Mask, l, t int) *gorgonia.Node {
	data := make([]float64, m.p.Shape.Hidden)
	for u := range data {
		data[u] = mask(s, l, t, u)
	}
	return m.matrix(fmt.Sprintf("keep%d.%d", l, t), 1, len(data), data)
}
