package cpu

import (
	"fmt"

	"cohort/kernels"
)

// blockRows is the number of table-row ids of a block of the sums over rows.
const blockRows = 64

// Derive turns a step's reduced sums into the mean gradient in the order of
// Params: those of the embedding and of layer 0's input weights and bias follow
// from the table's (../DESIGN.md). p are the step's parameters.
func (e *Engine) Derive(p *kernels.Params, g *kernels.Sums, out []float32) error {
	d := e.d
	if p.Shape != d.Shape || len(p.Data) != d.ParamCount() ||
		g.Shape != d.Shape || len(g.Data) != d.SumCount() || len(out) != d.ParamCount() {
		return errShape
	}
	answers := g.Counters()[kernels.CountAnswers]
	if answers <= 0 {
		return fmt.Errorf("cpu: a step of %d answers has no mean gradient", answers)
	}
	table, err := e.tableGradient(g.T())
	if err != nil {
		return err
	}
	embed, err := e.deriveEmbedding(p, table)
	if err != nil {
		return err
	}
	input, err := e.deriveInput(p, table)
	if err != nil {
		return err
	}
	bias := make([]int64, d.Width())
	for r := range d.Rows() {
		for n, q := range g.T()[r*d.Width():][:d.Width()] {
			bias[n] += q
		}
	}
	m := mean{scale: kernels.Scale(answers)}
	grad := &kernels.Params{Shape: d.Shape, Data: out}
	m.put("E", grad.E(), embed)
	m.put("Wx", grad.Wx(0), input)
	m.put("B", grad.B(0), bias)
	for l := range d.Layers {
		m.put("U", grad.U(l), g.U(l))
		if l > 0 {
			m.put("Wx", grad.Wx(l), g.Wx(l))
			m.put("B", grad.B(l), g.B(l))
		}
	}
	m.put("Wout", grad.Wout(), g.Wout())
	m.put("Bout", grad.Bout(), g.Bout())
	return m.err
}

// mean converts reduced sums; err is the first that was out of range.
type mean struct {
	scale float64
	err   error
}

func (m *mean) put(name string, to []float32, from []int64) {
	for k, q := range from {
		if outOfRange(q) && m.err == nil {
			m.err = &kernels.NonFiniteError{Tensor: "the gradient of " + name, Step: -1}
		}
		to[k] = kernels.FromFixed(q, m.scale)
	}
}

func outOfRange(q int64) bool { return q >= kernels.SumLimit || q <= -kernels.SumLimit }

// tableGradient is the summed gradient of the table in floats, [2Q][np].
func (e *Engine) tableGradient(t []int64) ([]float32, error) {
	d := e.d
	table := make([]float32, d.Rows()*d.np)
	for k, q := range t {
		if outOfRange(q) {
			return nil, &kernels.NonFiniteError{Tensor: "the gradient of the table", Step: -1}
		}
		n := k % d.Width()
		table[k/d.Width()*d.np+n/d.Hidden*d.hp+n%d.Hidden] = kernels.FromFixed(q, 1/kernels.FixedOne)
	}
	return table, nil
}

// deriveEmbedding is dE[x][e], the blocked chains of dT[x] over Wx(0)[e].
func (e *Engine) deriveEmbedding(p *kernels.Params, table []float32) ([]int64, error) {
	d := e.d
	wx := newPacked(d, d.Embed)
	wx.pack(d, p.Wx(0), d.Embed)
	panels := (d.Embed + tileCols - 1) / tileCols
	out := make([]int64, d.Rows()*d.Embed)
	err := e.each(func(k int, t *thread) error {
		from, to := share(d.Rows(), k, len(e.threads))
		if from == to {
			return nil
		}
		width := panels * tileCols
		sums := make([]float32, (to-from)*width)
		t.gatedProduct(to-from, panels, table[from*d.np:], d.np, wx.backward, sums, width)
		for r := from; r < to; r++ {
			if !e.ops.fixed(out[r*d.Embed:][:d.Embed], sums[(r-from)*width:][:d.Embed]) {
				return &kernels.NonFiniteError{Tensor: "the gradient of E", Step: -1}
			}
		}
		return nil
	})
	return out, err
}

// deriveInput is dWx(0), the sum over blocks of row ids of the converted chains
// of E[x]·dT[x]; rows that occur nowhere in the step are in no chain.
func (e *Engine) deriveInput(p *kernels.Params, table []float32) ([]int64, error) {
	d := e.d
	sums := make([]int64, d.Embed*d.np)
	err := e.each(func(k int, t *thread) error {
		from, to := share(d.panels(), k, len(e.threads))
		rows, embed := make([]float32, blockRows*tileCols), make([]float32, blockRows*d.Embed)
		tile := make([]float32, d.Embed*tileCols)
		for first := 0; first < d.Rows(); first += blockRows {
			present := d.present(table, first)
			for i, r := range present {
				copy(embed[i*d.Embed:], p.E()[r*d.Embed:][:d.Embed])
			}
			for n := from; n < to && len(present) > 0; n++ {
				for i, r := range present {
					copy(rows[i*tileCols:][:tileCols], table[r*d.np+n*tileCols:])
				}
				t.args = tileArgs{
					aRow: 4, aStep: 4 * d.Embed, b: &rows[0], bStep: 4 * tileCols,
					cRow: 4 * tileCols, k: len(present), mode: modeStore,
				}
				for i := 0; i < d.Embed; i += tileRows {
					t.args.a, t.args.c = &embed[i], &tile[i*tileCols]
					e.ops.tile(min(tileRows, d.Embed-i), &t.args)
				}
				if !e.ops.fixed(sums[n*d.Embed*tileCols:][:d.Embed*tileCols], tile) {
					return &kernels.NonFiniteError{Tensor: "the gradient of Wx", Step: -1}
				}
			}
		}
		return nil
	})
	out := make([]int64, d.Embed*d.Width())
	addPanels(d, d.Embed, out, sums, func(q int64) int64 { return q })
	return out, err
}

// present lists the rows of the block at first whose gradient is not all zero.
func (d dims) present(table []float32, first int) []int {
	var rows []int
	for r := first; r < min(first+blockRows, d.Rows()); r++ {
		for _, v := range table[r*d.np:][:d.np] {
			if v != 0 {
				rows = append(rows, r)
				break
			}
		}
	}
	return rows
}

// Adam updates theta and its moments m and v, all as long as grad or longer, by
// the mean gradient.
func (e *Engine) Adam(theta, m, v, grad []float32, a kernels.AdamStep) {
	if min(len(theta), len(m), len(v)) < len(grad) {
		panic("cpu: Adam's vectors are shorter than the gradient") // assembly would write beyond them
	}
	s := adamScalars{
		beta1: a.Beta1, rest1: 1 - a.Beta1, beta2: a.Beta2, rest2: 1 - a.Beta2,
		minusRate: -a.Rate, root: a.Root, epsilon: a.Epsilon, minusDecay: -a.Decay,
	}
	e.ops.adam(theta, m, v, grad, &s)
}
