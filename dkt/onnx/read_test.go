package onnx_test

import (
	"encoding/binary"
	"math"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// fields are a message's, by number; numbers and bytes as they come.
type fields struct {
	numbers map[protowire.Number][]int
	parts   map[protowire.Number][][]byte
}

func read(t *testing.T, b []byte) fields {
	t.Helper()
	f := fields{map[protowire.Number][]int{}, map[protowire.Number][][]byte{}}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			t.Fatal(protowire.ParseError(n))
		}
		b = b[n:]
		switch kind {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(b)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			f.numbers[field] = append(f.numbers[field], int(v))
			b = b[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			f.parts[field] = append(f.parts[field], v)
			b = b[n:]
		default:
			t.Fatalf("field %d has wire type %d", field, kind)
		}
	}
	return f
}

func (f fields) texts(field protowire.Number) []string {
	var all []string
	for _, b := range f.parts[field] {
		all = append(all, string(b))
	}
	return all
}

// array is a tensor with its numbers as float64.
type array struct {
	shape []int
	data  []float64
}

func tensor(t *testing.T, b []byte) (name string, a array) {
	t.Helper()
	f := read(t, b)
	a.shape = f.numbers[1]
	raw := f.parts[9][0]
	switch f.numbers[2][0] {
	case 1:
		for ; len(raw) > 0; raw = raw[4:] {
			a.data = append(a.data, float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
		}
	case 7:
		for ; len(raw) > 0; raw = raw[8:] {
			a.data = append(a.data, float64(int64(binary.LittleEndian.Uint64(raw))))
		}
	default:
		t.Fatalf("a tensor of type %d", f.numbers[2][0])
	}
	size := 1
	for _, d := range a.shape {
		size *= d
	}
	if size != len(a.data) {
		t.Fatalf("tensor %s of shape %v has %d numbers", f.texts(8), a.shape, len(a.data))
	}
	return f.texts(8)[0], a
}
