package onnx

import (
	"fmt"

	"cohort/kernels"
)

// graph is the model as a GraphProto: a row of E for each interaction, LSTM
// nodes over them, each with its own lengths, and the head for every skill on
// what the last one holds at a row's length.
func graph(p *kernels.Params) message {
	s := p.Shape
	var m message
	for _, n := range nodes(s) {
		m.part(1, n)
	}
	m.text(2, "dkt")
	m.part(5, floats("E", []int{s.EmbedRows(), s.RowWidth()}, p.E()))
	for l := range s.Layers {
		for _, t := range layer(p, l) {
			m.part(5, t)
		}
	}
	m.part(5, floats("Wout", []int{s.Skills, s.Hidden}, p.Wout()))
	m.part(5, floats("Bout", []int{s.Skills}, p.Bout()))
	m.part(5, axis("zero", 0))
	if s.Layers > 1 {
		m.part(5, axis("one", 1))
	}
	m.part(11, value("interactions", int64s, "batch", "time"))
	m.part(11, value("lengths", int64s, "batch"))
	m.part(12, value("probabilities", float, "batch", s.Skills))
	return m
}

func nodes(s kernels.Shape) []message {
	all := []message{
		node("Gather", []string{"E", "interactions"}, []string{"rows"}, whole("axis", 0)),
		node("Transpose", []string{"rows"}, []string{"x0"}, wholes("perm", 1, 0, 2)), // time first
		node("Cast", []string{"lengths"}, []string{"ends"}, whole("to", int32s)),
	}
	for l := range s.Layers {
		at := func(name string) string { return fmt.Sprintf("%s%d", name, l) }
		all = append(all, node("LSTM",
			[]string{at("x"), at("W"), at("R"), at("B"), "ends"}, []string{at("y"), at("h")}, whole("hidden_size", s.Hidden)))
		if l < s.Layers-1 {
			all = append(all, node("Squeeze", []string{at("y"), "one"}, []string{fmt.Sprintf("x%d", l+1)}))
		}
	}
	last := fmt.Sprintf("h%d", s.Layers-1)
	return append(all,
		node("Squeeze", []string{last, "zero"}, []string{"state"}),
		node("Gemm", []string{"state", "Wout", "Bout"}, []string{"logits"}, whole("transB", 1)),
		node("Sigmoid", []string{"logits"}, []string{"probabilities"}))
}
