package cpu

import (
	"fmt"

	"cohort/kernels"
)

// blockRows is the number of table-row ids of a block of the sums over rows.
const blockRows = 64

// deriving is the memory of Derive.
type deriving struct {
	here  []bool    // [2Q]: which rows are present
	ids   []int     // those, ascending
	table []float32 // their gradients, [ids][np]
	input []float32 // layer 0's input weights, packed for backward
	sums  []int64   // of dWx(0), [panels][E][columns]
	width int       // of a row of dE
	bias  []int64   // [4H]
}

func newDeriving(d dims) deriving {
	v := deriving{
		here: make([]bool, d.Rows()), sums: make([]int64, d.Embed*d.np), width: up(d.Embed, 8),
		bias: make([]int64, d.Width()),
	}
	v.input = make([]float32, v.width*d.Width())
	return v
}

// Derive turns a step's reduced sums into the mean gradient in the order of
// Params: those of the embedding and of layer 0's input weights and bias follow
// from the table's (../DESIGN.md). p are the step's parameters.
func (e *Engine) Derive(p *kernels.Params, g *kernels.Sums, out []float32) error {
	d, v := e.d, &e.derive
	if p.Shape != d.Shape || len(p.Data) != d.ParamCount() ||
		g.Shape != d.Shape || len(g.Data) != d.SumCount() || len(out) != d.ParamCount() {
		return errShape
	}
	answers := g.Counters()[kernels.CountAnswers]
	if answers <= 0 {
		return fmt.Errorf("cpu: a step of %d answers has no mean gradient", answers)
	}
	n := len(e.threads)
	err := e.each(func(k int, _ *thread) error {
		v.findRows(d, g.T(), k, n)
		from, to := share(v.width, k, n)
		d.packBackward(v.input, p.Wx(0), d.Embed, from, to)
		return nil
	})
	if err != nil {
		return err
	}
	v.list(d)
	m := mean{e: e, scale: kernels.Scale(answers), out: &kernels.Params{Shape: d.Shape, Data: out}}
	if err := e.each(func(k int, t *thread) error { return m.embedding(t, g.T(), k, n) }); err != nil {
		return err
	}
	if err := e.each(func(k int, t *thread) error { return m.inputs(t, p.E(), k, n) }); err != nil {
		return err
	}
	return e.each(func(k int, t *thread) error { return m.rest(t, g, k, n) })
}

// findRows notes which of the kth of n shares of the rows are present.
func (v *deriving) findRows(d dims, t []int64, k, n int) {
	from, to := share(d.Rows(), k, n)
	for r := from; r < to; r++ {
		v.here[r] = false
		for _, q := range t[r*d.Width():][:d.Width()] {
			if q != 0 {
				v.here[r] = true
				break
			}
		}
	}
}

func (v *deriving) list(d dims) {
	v.ids = v.ids[:0]
	for r, here := range v.here {
		if here {
			v.ids = append(v.ids, r)
		}
	}
	if need := len(v.ids) * d.gq; len(v.table) < need {
		v.table = make([]float32, need)
	}
}

// mean writes the mean gradients.
type mean struct {
	e     *Engine
	scale float64
	out   *kernels.Params
}

func (m *mean) put(name string, to []float32, from []int64) error {
	if !m.e.ops.mean(to, from, m.scale) {
		return &kernels.NonFiniteError{Tensor: "the gradient of " + name, Step: -1}
	}
	return nil
}

// putShare is the kth of n shares of put.
func (m *mean) putShare(name string, to []float32, from []int64, k, n int) error {
	first, last := share(len(to), k, n)
	return m.put(name, to[first:last], from[first:last])
}

// embedding takes a share of the present rows: their summed gradient as floats,
// and dE[x][e], the blocked chains of dT[x] over Wx(0)[e]. Absent rows get +0.
func (m *mean) embedding(t *thread, table []int64, k, n int) error {
	d, v := m.e.d, &m.e.derive
	first, last := share(d.Rows(), k, n)
	for r := first; r < last; r++ {
		if !v.here[r] {
			clear(m.out.E()[r*d.Embed:][:d.Embed])
		}
	}
	first, last = share(len(v.ids), k, n)
	for ; first < last; first += slots {
		ids := v.ids[first:min(first+slots, last)]
		rows := v.table[first*d.gq:]
		for i, r := range ids {
			for g := range kernels.Gates {
				if !m.e.ops.mean(rows[i*d.gq+g*d.hp:][:d.Hidden], table[r*d.Width()+g*d.Hidden:][:d.Hidden], 1/kernels.FixedOne) {
					return &kernels.NonFiniteError{Tensor: "the gradient of the table", Step: -1}
				}
			}
		}
		if err := m.embedRows(t, ids, rows); err != nil {
			return err
		}
	}
	return nil
}

func (m *mean) embedRows(t *thread, ids []int, rows []float32) error {
	d, v := m.e.d, &m.e.derive
	t.gatedProduct(len(ids), v.width, rows, v.input, t.embedded, v.width)
	for i, r := range ids {
		clear(t.fixed)
		if !m.e.ops.fixed(t.fixed, t.embedded[i*v.width:][:len(t.fixed)]) {
			return &kernels.NonFiniteError{Tensor: "the gradient of E", Step: -1}
		}
		if err := m.put("E", m.out.E()[r*d.Embed:][:d.Embed], t.fixed); err != nil {
			return err
		}
	}
	return nil
}

// inputs is dWx(0), the sum over blocks of row ids of the converted chains of
// E[x]·dT[x], present rows only, and their sum, the bias: a share of the panels.
func (m *mean) inputs(t *thread, embed []float32, k, n int) error {
	d, v := m.e.d, &m.e.derive
	size := d.Embed * d.columns
	first, last := share(d.panels(), k, n)
	clear(v.sums[first*size : last*size])
	for at := 0; at < len(v.ids); {
		end := at
		for end < len(v.ids) && v.ids[end]/blockRows == v.ids[at]/blockRows {
			copy(t.block[(end-at)*d.Embed:], embed[v.ids[end]*d.Embed:][:d.Embed])
			end++
		}
		for p := first; p < last; p++ {
			for i := range end - at {
				copy(t.column[i*d.columns:][:d.columns], v.table[(at+i)*d.gq+p*d.columns:])
			}
			if !t.outer(v.sums[p*size:], d.Embed, end-at, &t.block[0], d.Embed, &t.column[0], d.columns, t.exact) {
				return &kernels.NonFiniteError{Tensor: "the gradient of Wx", Step: -1}
			}
		}
		at = end
	}
	return nil
}

// rest takes a share of all that is left once inputs is done everywhere.
func (m *mean) rest(t *thread, g *kernels.Sums, k, n int) error {
	d, v, out := m.e.d, &m.e.derive, m.out
	first, last := share(d.Embed, k, n)
	for r := first; r < last; r++ {
		for at := 0; at < d.np; at += 8 {
			if u := at % d.hp; u < d.Hidden {
				copy(t.wide[at/d.hp*d.Hidden+u:][:min(8, d.Hidden-u)], v.sums[(at/d.columns*d.Embed+r)*d.columns+at%d.columns:])
			}
		}
		if err := m.put("Wx", out.Wx(0)[r*d.Width():][:d.Width()], t.wide); err != nil {
			return err
		}
	}
	if err := m.biases(g.T(), k, n); err != nil {
		return err
	}
	for l := range d.Layers {
		if err := m.layer(g, l, k, n); err != nil {
			return err
		}
	}
	if err := m.putShare("Wout", out.Wout(), g.Wout(), k, n); err != nil {
		return err
	}
	return m.putShare("Bout", out.Bout(), g.Bout(), k, n)
}

func (m *mean) layer(g *kernels.Sums, l, k, n int) error {
	if err := m.putShare("U", m.out.U(l), g.U(l), k, n); err != nil || l == 0 {
		return err
	}
	if err := m.putShare("Wx", m.out.Wx(l), g.Wx(l), k, n); err != nil {
		return err
	}
	return m.putShare("B", m.out.B(l), g.B(l), k, n)
}

// biases is a share of dB(0), the sum of the table's rows.
func (m *mean) biases(table []int64, k, n int) error {
	d, v := m.e.d, &m.e.derive
	first, last := share(d.Width(), k, n)
	bias := v.bias[first:last]
	clear(bias)
	for _, r := range v.ids {
		for c, q := range table[r*d.Width()+first : r*d.Width()+last] {
			bias[c] += q
		}
	}
	return m.put("B", m.out.B(0)[first:last], bias)
}

// Adam updates theta and its moments m and v, all as long as grad or longer, by
// the mean gradient.
func (e *Engine) Adam(theta, m, v, grad []float32, a kernels.AdamStep) error {
	if min(len(theta), len(m), len(v)) < len(grad) {
		panic("cpu: Adam's vectors are shorter than the gradient") // assembly would write beyond them
	}
	s := adamScalars{
		beta1: a.Beta1, rest1: 1 - a.Beta1, beta2: a.Beta2, rest2: 1 - a.Beta2,
		minusRate: -a.Rate, root: a.Root, epsilon: a.Epsilon, minusDecay: -a.Decay,
	}
	return e.each(func(k int, _ *thread) error {
		from, to := share(len(grad), k, len(e.threads))
		e.ops.adam(theta[from:to], m[from:to], v[from:to], grad[from:to], &s)
		return nil
	})
}
