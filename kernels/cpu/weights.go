package cpu

import "cohort/kernels"

// weights are the parameters of a step in the engine's layouts.
type weights struct {
	table  []float32 // folded, [2Q][np]
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
	forward  []float32 // [np/16][H][16]: columns are gates
	backward []float32 // [hq/16][H units][4][16]: columns are rows of the matrix
}

func newWeights(d dims) weights {
	w := weights{
		table: make([]float32, d.Rows()*d.np), layers: make([]layerWeights, d.Layers),
		wout: make([]float32, d.Skills*d.hp), bout: make([]float32, d.Skills),
	}
	for l := range w.layers {
		w.layers[l].bias = make([]float32, d.np)
		w.layers[l].recurrent = newPacked(d, d.Hidden)
		if l > 0 {
			w.layers[l].input = newPacked(d, d.Hidden)
		}
	}
	return w
}

func newPacked(d dims, rows int) packed {
	columns := (rows + tileCols - 1) / tileCols * tileCols
	return packed{
		forward:  make([]float32, d.np*rows),
		backward: make([]float32, columns*kernels.Gates*d.Hidden),
	}
}

// pack fills p from a matrix of rows × 4H.
func (p packed) pack(d dims, m []float32, rows int) {
	p.packForward(d, m, rows)
	for k := range rows {
		panel := p.backward[k/tileCols*tileCols*kernels.Gates*d.Hidden:]
		for g := range kernels.Gates {
			row := m[(k*kernels.Gates+g)*d.Hidden:][:d.Hidden]
			at := g*tileCols + k%tileCols
			for _, v := range row {
				panel[at] = v
				at += kernels.Gates * tileCols
			}
		}
	}
}

func (p packed) packForward(d dims, m []float32, rows int) {
	for k := range rows {
		for g := range kernels.Gates {
			row := m[(k*kernels.Gates+g)*d.Hidden:][:d.Hidden]
			for u, v := range row {
				n := g*d.hp + u
				p.forward[(n/tileCols*rows+k)*tileCols+n%tileCols] = v
			}
		}
	}
}

// padGates copies rows of 4H to rows of np.
func padGates(d dims, to, from []float32) {
	for r := range len(from) / d.Width() {
		for g := range kernels.Gates {
			copy(to[r*d.np+g*d.hp:], from[r*d.Width()+g*d.Hidden:][:d.Hidden])
		}
	}
}

// Load takes the parameters of the next steps: packs the weights and folds
// embedding, input weights and bias of layer 0 into one row an interaction.
func (e *Engine) Load(p *kernels.Params) error {
	if p.Shape != e.d.Shape || len(p.Data) != e.d.ParamCount() {
		return errShape
	}
	d := e.d
	for l := range e.w.layers {
		w := &e.w.layers[l]
		w.recurrent.pack(d, p.U(l), d.Hidden)
		if l > 0 {
			w.input.pack(d, p.Wx(l), d.Hidden)
		}
		padGates(d, w.bias, p.B(l))
	}
	for q := range d.Skills {
		copy(e.w.wout[q*d.hp:], p.Wout()[q*d.Hidden:][:d.Hidden])
	}
	copy(e.w.bout, p.Bout())
	e.loaded = true
	return e.fold(p)
}

// fold starts each table row at the bias and chains over the embedding.
func (e *Engine) fold(p *kernels.Params) error {
	d := e.d
	wx := packed{forward: make([]float32, d.np*d.Embed)}
	wx.packForward(d, p.Wx(0), d.Embed)
	rows := d.Rows()
	return e.each(func(k int, t *thread) error {
		from, to := share(rows, k, len(e.threads))
		if from == to {
			return nil
		}
		for r := from; r < to; r++ {
			copy(e.w.table[r*d.np:], e.w.layers[0].bias)
		}
		t.product(product{
			rows: to - from, panels: d.panels(), k: d.Embed, mode: modeLoad,
			a: p.E()[from*d.Embed:], aRow: d.Embed, aStep: 1,
			b: wx.forward, c: e.w.table[from*d.np:], cRow: d.np,
		})
		return nil
	})
}

// share is thread k's part of n items.
func share(n, k, threads int) (from, to int) { return n * k / threads, n * (k + 1) / threads }

// product is C[rows][16·panels] from A and packed B; strides in floats.
type product struct {
	rows, panels, k, mode int
	a                     []float32
	aRow, aStep           int
	b                     []float32 // [panels][k][16]
	c                     []float32
	cRow                  int
}

func (t *thread) product(p product) {
	args := &t.args
	*args = tileArgs{aRow: 4 * p.aRow, aStep: 4 * p.aStep, bStep: 4 * tileCols, cRow: 4 * p.cRow, k: p.k, mode: p.mode}
	for n := range p.panels {
		args.b = &p.b[n*p.k*tileCols]
		for r := 0; r < p.rows; r += tileRows {
			args.a, args.c = &p.a[r*p.aRow], &p.c[r*p.cRow+n*tileCols]
			t.e.ops.tile(min(tileRows, p.rows-r), args)
		}
	}
}

// blockUnits is the number of units of a block of the sums over gates.
const blockUnits = 32

// gatedProduct is C[rows][16·panels] = (P0 + P1) + …: block j is a chain from
// +0 over units 32j … 32j+31 and within a unit over its gates; A's rows are np
// long, B is [panels][H][4][16].
func (t *thread) gatedProduct(rows, panels int, a []float32, aRow int, b, c []float32, cRow int) {
	d := t.e.d
	args := &t.args
	*args = gatedArgs{aRow: 4 * aRow, aStep: 4 * d.hp, cRow: 4 * cRow}
	for n := range panels {
		for r := 0; r < rows; r += tileRows {
			args.c, args.mode = &c[r*cRow+n*tileCols], modeStore
			for u := 0; u < d.Hidden; u += blockUnits {
				args.a = &a[r*aRow+u]
				args.b = &b[(n*d.Hidden+u)*kernels.Gates*tileCols]
				args.k = min(blockUnits, d.Hidden-u)
				t.e.ops.gated(min(tileRows, rows-r), args)
				args.mode = modeAdd
			}
		}
	}
}
