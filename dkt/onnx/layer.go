package onnx

import (
	"fmt"

	"cohort/kernels"
)

// order are the gates i, f, g, o in ONNX's order: i, o, f, and c, which is g.
func order() [kernels.Gates]int { return [...]int{0, 3, 1, 2} }

// layer are the weights W [1][4H][input], R [1][4H][H] and B [1][8H] of LSTM
// node l, whose rows are gates. A direct model's rows of E are layer 0's gates
// before the recurrence: its W puts them in order, and it has no bias.
func layer(p *kernels.Params, l int) []message {
	s := p.Shape
	width := s.Width()
	name := func(of string) string { return fmt.Sprintf("%s%d", of, l) }
	wx, bias := p.Wx(l), p.B(l)
	input := len(wx) / width
	if input == 0 {
		input, wx, bias = width, identity(width), make([]float32, width)
	}
	b := make([]float32, 2*width) // ONNX adds two biases: the second is zero
	copy(b, byGate(bias, 1, s.Hidden))
	return []message{
		floats(name("W"), []int{1, width, input}, byGate(wx, input, s.Hidden)),
		floats(name("R"), []int{1, width, s.Hidden}, byGate(p.U(l), s.Hidden, s.Hidden)),
		floats(name("B"), []int{1, 2 * width}, b),
	}
}

// byGate turns a matrix [rows][4H] into [4H][rows], gates in ONNX's order.
func byGate(from []float32, rows, hidden int) []float32 {
	width := kernels.Gates * hidden
	to := make([]float32, 0, len(from))
	for _, gate := range order() {
		for u := range hidden {
			for r := range rows {
				to = append(to, from[r*width+gate*hidden+u])
			}
		}
	}
	return to
}

func identity(n int) []float32 {
	m := make([]float32, n*n)
	for k := range n {
		m[k*n+k] = 1
	}
	return m
}
