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

func (b *build) sub(x, y *gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	n, err := gorgonia.Sub(x, y)
	return b.do("sub", n, err)
}

func (b *build) apply(f func(*gorgonia.Node) (*gorgonia.Node, error), x *gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	n, err := f(x)
	return b.do("apply", n, err)
}

// cost builds the summed loss of a sequence of up to so many steps, a scalar node.
func (m *model) cost(steps int) (*gorgonia.Node, error) {
	if steps == 0 {
		return nil, errors.New("no steps")
	}
	b := &build{}
	states := m.start()
	var total *gorgonia.Node
	for t := range steps {
		x := m.pickSum(fmt.Sprintf("x%d", t), m.shape.EmbedRows(), t, m.shape.EmbedParts, func(s kernels.Sequence) []int32 { return s.In })
		if m.embed.node != nil {
			x = b.mul(x, m.embed.node)
		}
		for l := range m.layers {
			states[l] = m.step(b, l, x, states[l])
			x = b.had(states[l].h, m.mask(l, t))
		}
		loss := m.loss(b, t, x)
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

// state is a layer's; c is nil but in an LSTM.
type state struct{ h, c *gorgonia.Node }

// start is the zero state of each layer.
func (m *model) start() []state {
	all := make([]state, len(m.layers))
	zero := func(name string, l int) *gorgonia.Node {
		return m.matrix(fmt.Sprintf("%s%d", name, l), 1, m.shape.Hidden, nil)
	}
	for l := range all {
		all[l] = state{h: zero("h", l), c: zero("c", l)}
	}
	return all
}

// loss is log(1 + exp(z)) − z·y of the asked skill's logit, shape [1][1]; 0 for a
// step that a sequence does not have.
func (m *model) loss(b *build, t int, hd *gorgonia.Node) *gorgonia.Node {
	asked := m.pickSum(fmt.Sprintf("q%d", t), m.shape.HeadRows(), t, m.shape.HeadParts, func(s kernels.Sequence) []int32 { return s.Ask })
	row := b.mul(asked, m.head.node)
	z := b.add(b.mul(hd, b.apply(transpose, row)), b.mul(asked, m.offset.node))
	sign := m.matrix(fmt.Sprintf("y%d", t), 1, 1, func(to []float64, _ *kernels.Params, s kernels.Sequence, _ Mask) {
		if to[0] = 0; t < len(s.Right) {
			to[0] = -float64(s.Right[t])
		}
	})
	there := m.matrix(fmt.Sprintf("w%d", t), 1, 1, func(to []float64, _ *kernels.Params, s kernels.Sequence, _ Mask) {
		if to[0] = 0; t < len(s.In) {
			to[0] = 1
		}
	})
	return b.add(b.had(there, b.apply(gorgonia.Softplus, z)), b.had(z, sign))
}

func transpose(n *gorgonia.Node) (*gorgonia.Node, error) { return gorgonia.Transpose(n) }

// pickSum is a row of n with ones at the parts of step t's id: its product with a
// matrix is the sum of their rows.
func (m *model) pickSum(name string, n, t int, parts func(int32) (own, more int32), ids func(kernels.Sequence) []int32) *gorgonia.Node {
	return m.matrix(name, 1, n, func(to []float64, _ *kernels.Params, s kernels.Sequence, _ Mask) {
		clear(to)
		of := ids(s)
		if t >= len(of) {
			return
		}
		own, more := parts(of[t])
		to[own] = 1
		if more >= 0 {
			to[more] = 1
		}
	})
}

func (m *model) mask(l, t int) *gorgonia.Node {
	return m.matrix(fmt.Sprintf("keep%d.%d", l, t), 1, m.shape.Hidden, func(to []float64, _ *kernels.Params, s kernels.Sequence, mask Mask) {
		for u := range to {
			to[u] = mask(s, l, t, u)
		}
	})
}
