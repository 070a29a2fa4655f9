package onnx_test

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// runtime computes a file's graph in float64, as the text of the ONNX operators
// says: of those that are in use, with the attributes that they have.
type runtime struct {
	t      *testing.T
	values map[string]array
}

// ask runs a file on histories that are padded to one length.
func ask(t *testing.T, file []byte, in [][]int32) [][]float64 {
	t.Helper()
	model := read(t, file)
	g := read(t, model.parts[7][0])
	r := runtime{t, map[string]array{}}
	for _, b := range g.parts[5] {
		name, a := tensor(t, b)
		r.values[name] = a
	}
	longest := 0
	for _, h := range in {
		longest = max(longest, len(h))
	}
	x, lengths := array{shape: []int{len(in), longest}}, array{shape: []int{len(in)}}
	for _, h := range in {
		for t := range longest {
			at := 0.0
			if t < len(h) {
				at = float64(h[t])
			}
			x.data = append(x.data, at)
		}
		lengths.data = append(lengths.data, float64(len(h)))
	}
	r.values["interactions"], r.values["lengths"] = x, lengths
	for _, b := range g.parts[1] {
		r.node(read(t, b))
	}
	out := r.values["probabilities"]
	var all [][]float64
	for row := range slices.Chunk(out.data, out.shape[1]) {
		all = append(all, row)
	}
	return all
}

func (r runtime) node(f fields) {
	var in []array
	for _, name := range f.texts(1) {
		v, ok := r.values[name]
		if !ok {
			r.t.Fatalf("%s reads %q, which nothing has made", f.texts(4), name)
		}
		in = append(in, v)
	}
	out := f.texts(2)
	set := func(a ...array) {
		for k, v := range a {
			r.values[out[k]] = v
		}
	}
	attributes := map[string][]int{}
	for _, b := range f.parts[5] {
		a := read(r.t, b)
		attributes[a.texts(1)[0]] = append(a.numbers[3], a.numbers[8]...)
	}
	op := f.texts(4)[0]
	want := map[string]map[string][]int{
		"Gather": {"axis": {0}}, "Transpose": {"perm": {1, 0, 2}}, "Cast": {"to": {6}}, "Gemm": {"transB": {1}},
	}[op]
	if op == "LSTM" {
		want = map[string][]int{"hidden_size": {in[2].shape[2]}}
	}
	if d := cmp.Diff(want, attributes, cmpopts.EquateEmpty()); d != "" {
		r.t.Errorf("%s: %s", op, d)
	}
	switch op {
	case "Gather":
		set(gather(in[0], in[1]))
	case "Transpose":
		set(transpose(in[0]))
	case "Cast":
		set(in[0])
	case "LSTM":
		set(lstm(in[0], in[1], in[2], in[3], in[4]))
	case "Squeeze":
		axis := int(in[1].data[0])
		if in[0].shape[axis] != 1 {
			r.t.Fatalf("squeeze of axis %d of %v", axis, in[0].shape)
		}
		set(array{slices.Delete(slices.Clone(in[0].shape), axis, axis+1), in[0].data})
	case "Gemm":
		set(gemm(in[0], in[1], in[2]))
	case "Sigmoid":
		y := array{in[0].shape, slices.Clone(in[0].data)}
		for k, v := range y.data {
			y.data[k] = sigmoid(v)
		}
		set(y)
	default:
		r.t.Fatalf("the graph has a node %s", op)
	}
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

func gather(rows, at array) array {
	width := rows.shape[1]
	y := array{shape: append(slices.Clone(at.shape), width)}
	for _, k := range at.data {
		y.data = append(y.data, rows.data[int(k)*width:(int(k)+1)*width]...)
	}
	return y
}

// transpose is of perm 1, 0, 2.
func transpose(x array) array {
	a, b, c := x.shape[0], x.shape[1], x.shape[2]
	y := array{shape: []int{b, a, c}}
	for j := range b {
		for i := range a {
			y.data = append(y.data, x.data[(i*b+j)*c:(i*b+j+1)*c]...)
		}
	}
	return y
}

// gemm is x·wᵀ + b.
func gemm(x, w, b array) array {
	n, k := w.shape[0], w.shape[1]
	y := array{shape: []int{x.shape[0], n}}
	for row := range slices.Chunk(x.data, k) {
		for j := range n {
			y.data = append(y.data, b.data[j]+dot(row, w.data[j*k:(j+1)*k]))
		}
	}
	return y
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for k := range a {
		sum += a[k] * b[k]
	}
	return sum
}

// lstm is forward, gates iofc: Y is zero beyond a row's length, Y_h what is there.
func lstm(x, w, u, b, lengths array) (y, last array) {
	steps, batch, input := x.shape[0], x.shape[1], x.shape[2]
	hidden := u.shape[2]
	y = array{[]int{steps, 1, batch, hidden}, make([]float64, steps*batch*hidden)}
	last = array{[]int{1, batch, hidden}, make([]float64, batch*hidden)}
	for n := range batch {
		h, c := make([]float64, hidden), make([]float64, hidden)
		for t := range int(lengths.data[n]) {
			from := x.data[(t*batch+n)*input : (t*batch+n+1)*input]
			gates := make([]float64, 4*hidden)
			for g := range gates {
				gates[g] = dot(from, w.data[g*input:(g+1)*input]) + dot(h, u.data[g*hidden:(g+1)*hidden]) + b.data[g] + b.data[4*hidden+g]
			}
			for k := range hidden {
				i, o, f := sigmoid(gates[k]), sigmoid(gates[hidden+k]), sigmoid(gates[2*hidden+k])
				c[k] = f*c[k] + i*math.Tanh(gates[3*hidden+k])
				h[k] = o * math.Tanh(c[k])
			}
			copy(y.data[(t*batch+n)*hidden:], h)
		}
		copy(last.data[n*hidden:], h)
	}
	return y, last
}
