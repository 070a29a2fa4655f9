package graph

import (
	"fmt"

	"cohort/kernels"

	"gorgonia.org/gorgonia"
)

// Cell is a recurrent unit. All take the parameters of an LSTM's shape; one with
// fewer gates leaves the places of the others as they were drawn.
type Cell string

// The cells. With x the input's share Wx·x + b of a gate and u its recurrent
// share U·h:
//
//	LSTM  i, f, o = σ(x+u), g = tanh(x+u), c = i·g + f·c, h = o·tanh c (Hochreiter and Schmidhuber 1997, Gers 2000)
//	GRU   r, z = σ(x+u), n = tanh(x + r·u), h = n + z·(h − n)           (Cho et al. 2014, reset after the product)
//	RNN   h = tanh(x+u)                                                  (Elman 1990; the first DKT's other cell)
const (
	LSTM Cell = "lstm"
	GRU  Cell = "gru"
	RNN  Cell = "rnn"
)

// ParseCell reads a name; empty is an LSTM.
func ParseCell(name string) (Cell, error) {
	switch c := Cell(name); c {
	case "":
		return LSTM, nil
	case LSTM, GRU, RNN:
		return c, nil
	}
	return "", fmt.Errorf("cell %q is unknown; known: lstm, gru, rnn", name)
}

// gates is how many of an LSTM's gate places the cell has a use for.
func (c Cell) gates() int {
	switch c {
	case GRU:
		return 3
	case RNN:
		return 1
	case LSTM:
	}
	return kernels.Gates
}

// shares are a gate's pre-activations: of the input with the bias, and of what
// was before.
func (m *model) shares(b *build, l, gate int, x, h *gorgonia.Node) (input, recurrent *gorgonia.Node) {
	w := &m.layers[l]
	input = b.mul(x, w.input[gate].node)
	if bias := w.bias[gate].node; bias != nil {
		input = b.add(input, bias)
	}
	return input, b.mul(h, w.recurrent[gate].node)
}

// step is one step of layer l.
func (m *model) step(b *build, l int, x *gorgonia.Node, before state) state {
	gate := func(k int, squash func(*gorgonia.Node) (*gorgonia.Node, error)) *gorgonia.Node {
		in, rec := m.shares(b, l, k, x, before.h)
		return b.apply(squash, b.add(in, rec))
	}
	switch m.cell {
	case RNN:
		return state{h: gate(0, gorgonia.Tanh)}
	case GRU:
		r, z := gate(0, gorgonia.Sigmoid), gate(1, gorgonia.Sigmoid)
		in, rec := m.shares(b, l, 2, x, before.h)
		n := b.apply(gorgonia.Tanh, b.add(in, b.had(r, rec)))
		return state{h: b.add(n, b.had(z, b.sub(before.h, n)))}
	case LSTM:
	}
	i, f, g, o := gate(0, gorgonia.Sigmoid), gate(1, gorgonia.Sigmoid), gate(2, gorgonia.Tanh), gate(3, gorgonia.Sigmoid)
	c := b.add(b.had(i, g), b.had(f, before.c))
	return state{h: b.had(o, b.apply(gorgonia.Tanh, c)), c: c}
}
