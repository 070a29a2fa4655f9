package cpu

import (
	"unsafe"

	"cohort/kernels"
)

// weights are the parameters of a step in the engine's layouts.
type weights struct {
	params *kernels.Params // the caller's
	input  []float32       // layer 0's input weights, for the fold
	table  rows[float32]   // folded rows that have been asked for, of gq
	layers []layerWeights
	wout   []float32     // [Q + V][hp]; the caller's where H fills hp
	heads  rows[float32] // with levels: of hp, then the bias, of what has been asked for
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
		input: make([]float32, d.np*d.Embed), table: newRows[float32](d.Rows(), d.gq), layers: make([]layerWeights, d.Layers),
	}
	if d.hp != d.Hidden {
		w.wout = make([]float32, d.HeadRows()*d.hp)
	}
	if d.Levels > 0 {
		w.heads = newRows[float32](d.Asks(), d.hp+8)
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
	e.w.params = p
	e.w.table.clear()
	e.w.heads.clear()
	if e.d.hp == e.d.Hidden {
		e.w.wout = p.Wout()
	}
	return e.each(load)
}

func load(e *Engine, k int, _ *thread) error {
	d, w, p, n := e.d, &e.w, e.w.params, len(e.threads)
	from, to := share(d.panels(), k, n)
	if !d.Direct() {
		d.packForward(w.input, p.Wx(0), d.Embed, from, to)
	}
	for l := range w.layers {
		layer := &w.layers[l]
		layer.recurrent.pack(d, p.U(l), k, n)
		if l > 0 {
			layer.input.pack(d, p.Wx(l), k, n)
		}
		if k == 0 && len(p.B(l)) > 0 {
			d.padGates(layer.bias, p.B(l))
		}
	}
	if d.hp == d.Hidden {
		return nil
	}
	from, to = share(d.HeadRows(), k, n)
	for q := from; q < to; q++ {
		copy(w.wout[q*d.hp:], p.Wout()[q*d.Hidden:][:d.Hidden])
	}
	return nil
}

// fold makes the table rows of all interactions of the call's sequences.
func (e *Engine) fold() error {
	table := &e.w.table
	e.fresh = len(table.ids)
	for _, s := range e.call.seqs {
		for _, x := range s.In {
			table.row(x)
		}
		for _, ask := range s.Ask {
			e.w.addHead(e.d, ask)
		}
	}
	return e.each(fold)
}

// addHead makes the row of what is asked, of a model with levels the sum of two.
func (w *weights) addHead(d dims, ask int32) {
	if d.Levels == 0 {
		return
	}
	row, fresh := w.heads.row(ask)
	if !fresh {
		return
	}
	own, more := d.HeadParts(ask)
	a, b := w.wout[int(own)*d.hp:][:d.hp], w.wout[int(more)*d.hp:][:d.hp]
	for k, v := range a {
		row[k] = v + b[k]
	}
	row[d.hp] = w.params.Bout()[own] + w.params.Bout()[more]
}

// asked is the row of the head of what is asked, [hp], and its bias.
func (w *weights) asked(d dims, ask int32) ([]float32, float32) {
	if d.Levels == 0 {
		return w.wout[int(ask)*d.hp:][:d.hp], w.params.Bout()[ask]
	}
	row := w.heads.place(w.heads.find(ask))
	return row[:d.hp], row[d.hp]
}

func fold(e *Engine, k int, t *thread) error {
	from, to := share(len(e.w.table.ids)-e.fresh, k, len(e.threads))
	if e.d.Direct() {
		t.copyRows(e.fresh+from, e.fresh+to)
		return nil
	}
	t.fold(e.fresh+from, e.fresh+to)
	return nil
}

// rowOf is an interaction's embedding, or row of a direct table: of a model with
// kinds the sum of two, which the next call overwrites.
func (t *thread) rowOf(p *kernels.Params, x int32) []float32 {
	n := p.Shape.RowWidth()
	own, more := p.Shape.EmbedParts(x)
	row := p.E()[int(own)*n:][:n]
	if more < 0 {
		return row
	}
	other := p.E()[int(more)*n:][:n]
	for k, v := range row {
		t.sum[k] = v + other[k]
	}
	return t.sum
}

// copyRows puts a direct table's rows into places from one to another.
func (t *thread) copyRows(from, to int) {
	d, w := t.e.d, &t.e.w
	for ; from < to; from++ {
		d.padGates(w.table.place(from), t.rowOf(w.params, w.table.ids[from]))
	}
}

// fold fills places from one to another: each row starts at the bias and chains
// over the embedding.
func (t *thread) fold(from, to int) {
	d, w := t.e.d, &t.e.w
	for k := range t.starts {
		t.starts[k] = unsafe.Pointer(&w.layers[0].bias[0])
	}
	for ; from < to; from += slots {
		some := w.table.ids[from:min(from+slots, to)]
		for k, x := range some {
			copy(t.embed[k*d.Embed:], t.rowOf(w.params, x))
		}
		t.product(product{
			rows: len(some), k: d.Embed, a: t.embed, aRow: d.Embed, b: w.input, start: &t.starts,
			c: w.table.data[from*d.gq:], cRow: d.gq,
		})
	}
}
