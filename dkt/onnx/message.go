package onnx

import (
	"cohort/kernels"

	"google.golang.org/protobuf/encoding/protowire"
)

// A message is a protobuf message under construction. Numbers of fields are
// those of onnx.proto3.
type message []byte

func (m *message) number(field protowire.Number, v int) {
	*m = protowire.AppendVarint(protowire.AppendTag(*m, field, protowire.VarintType), uint64(v))
}

func (m *message) text(field protowire.Number, v string) {
	*m = protowire.AppendString(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

func (m *message) part(field protowire.Number, v message) {
	*m = protowire.AppendBytes(protowire.AppendTag(*m, field, protowire.BytesType), v)
}

// Types of elements.
const (
	float  = 1
	int32s = 6
	int64s = 7
)

// floats is an initialiser, a TensorProto of float32.
func floats(name string, shape []int, data []float32) message {
	return tensor(name, shape, float, kernels.AppendFloats(make([]byte, 0, 4*len(data)), data))
}

// axis is an initialiser of one int64.
func axis(name string, v int64) message {
	return tensor(name, []int{1}, int64s, protowire.AppendFixed64(nil, uint64(v)))
}

func tensor(name string, shape []int, kind int, raw []byte) message {
	var m message
	for _, d := range shape {
		m.number(1, d)
	}
	m.number(2, kind)
	m.text(8, name)
	m.part(9, raw)
	return m
}

// value is a ValueInfoProto: an input or output. A dimension is a number, or a
// name for any.
func value(name string, kind int, shape ...any) message {
	var dims, of, kinds, m message
	for _, d := range shape {
		var dim message
		switch d := d.(type) {
		case int:
			dim.number(1, d)
		case string:
			dim.text(2, d)
		}
		dims.part(1, dim)
	}
	of.number(1, kind)
	of.part(2, dims)
	kinds.part(1, of)
	m.text(1, name)
	m.part(2, kinds)
	return m
}

// node is a NodeProto; a missing input or output is "".
func node(op string, in, out []string, attributes ...message) message {
	var m message
	for _, name := range in {
		m.text(1, name)
	}
	for _, name := range out {
		m.text(2, name)
	}
	m.text(3, out[len(out)-1]+" of "+op)
	m.text(4, op)
	for _, a := range attributes {
		m.part(5, a)
	}
	return m
}

// whole is an attribute of one whole number, wholes of several.
func whole(name string, v int) message {
	var m message
	m.text(1, name)
	m.number(3, v)
	m.number(20, 2)
	return m
}

func wholes(name string, v ...int) message {
	var m message
	m.text(1, name)
	for _, x := range v {
		m.number(8, x)
	}
	m.number(20, 7)
	return m
}
