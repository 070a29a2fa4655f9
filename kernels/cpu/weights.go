package cpu

import (
	"unsafe"

	"cohort/kernels"
)

// weights are the parameters of a step in the engine's layouts.
type weights struct {
	params *kernels.Params // the caller's
	input  []float32       // layer 0's input weights, for the fold
	table  []float32       // folded, [2Q][np]
	folded []bool          // which rows are
	rows   []int32         // those that a call folds
	layers []layerWeights
	wout   []float32 // [Q][hp]
	bout   []float32 // [Q]
}

// layerWeights are a layer's; input is empty for layer 0, whose input is the table.
type layerWeights struct {
	recurrent, input packed
	bias             []float32 // [np]
}

// packed is a matrix [H][4H] in the two orders that the products read.
type packed struct {
	forward  []float32 // [panels][H][columns]: columns are gates
	backward []float32 // panels of H, [H units][4][width]: columns are rows of the matrix
}

func newWeights(d dims) weights {
	w := weights{
		input: make([]float32, d.np*d.Embed), table: make([]float32, d.Rows()*d.gq), folded: make([]bool, d.Rows()),
		layers: make([]layerWeights, d.Layers), wout: make([]float32, d.Skills*d.hp), bout: make([]float32, d.Skills),
	}
	for l := range w.layers {
		w.layers[l].bias = make([]float32, d.np)
		w.layers[l].recurrent = newPacked(d)
		if l > 0 {
			w.layers[l].input = newPacked(d)
		}
	}
	return w
}

func newPacked(d dims) packed {
	return packed{forward: make([]float32, d.np*d.Hidden), backward: make([]float32, d.hp*d.Width())}
}

// pack fills p from a matrix of H × 4H: thread k's share.
func (p packed) pack(d dims, m []float32, k, threads int) {
	from, to := share(d.panels(), k, threads)
	d.packForward(p.forward, m, d.Hidden, from, to)
	from, to = share(d.hp, k, threads)
	d.packBackward(p.backward, m, d.Hidden, from, to)
}

// Load takes the parameters of the next steps, which must not change until the
// next Load: packs the weights. The rows of the table, which fold embedding,
// input weights and bias of layer 0, follow as sequences ask for them.
func (e *Engine) Load(p *kernels.Params) error {
	if p.Shape != e.d.Shape || len(p.Data) != e.d.ParamCount() {
		return errShape
	}
	d, w := e.d, &e.w
	w.params = p
	clear(w.folded)
	copy(w.bout, p.Bout())
	return e.each(func(k int, _ *thread) error {
		n := len(e.threads)
		from, to := share(d.panels(), k, n)
		d.packForward(w.input, p.Wx(0), d.Embed, from, to)
		for l := range w.layers {
			layer := &w.layers[l]
			layer.recurrent.pack(d, p.U(l), k, n)
			if l > 0 {
				layer.input.pack(d, p.Wx(l), k, n)
			}
			if k == 0 {
				d.padGates(layer.bias, p.B(l))
			}
		}
		from, to = share(d.Skills, k, n)
		for q := from; q < to; q++ {
			copy(w.wout[q*d.hp:], p.Wout()[q*d.Hidden:][:d.Hidden])
		}
		return nil
	})
}

// fold makes the table rows of all interactions of the sequences: each starts at
// the bias and chains over the embedding.
func (e *Engine) fold(seqs []kernels.Sequence) error {
	w := &e.w
	w.rows = w.rows[:0]
	for _, s := range seqs {
		for _, x := range s.In {
			if !w.folded[x] {
				w.folded[x] = true
				w.rows = append(w.rows, x)
			}
		}
	}
	return e.each(func(k int, t *thread) error {
		from, to := share(len(w.rows), k, len(e.threads))
		t.fold(w.rows[from:to])
		return nil
	})
}

func (t *thread) fold(rows []int32) {
	d, w := t.e.d, &t.e.w
	for k := range t.starts {
		t.starts[k] = unsafe.Pointer(&w.layers[0].bias[0])
	}
	for ; len(rows) > 0; rows = rows[min(slots, len(rows)):] {
		some := rows[:min(slots, len(rows))]
		for k, x := range some {
			copy(t.embed[k*d.Embed:], w.params.E()[int(x)*d.Embed:][:d.Embed])
		}
		t.product(product{
			rows: len(some), k: d.Embed, a: t.embed, aRow: d.Embed, b: w.input, start: &t.starts, c: t.z, cRow: d.gq,
		})
		for k, x := range some {
			copy(w.table[int(x)*d.gq:][:d.np], t.z[k*d.gq:])
		}
	}
}
