package cpu

import "cohort/kernels"

// table is one of the parts of the parameters whose rows may be absent from a
// gradient, with its moments.
type table struct {
	theta, m, v []float32
	width       int
	had         []int32 // how many of Engine.missed each row has had
}

// Adam updates parameters theta and their moments m and v by the mean gradient;
// absent says when it updates rows that the gradient lacks. Those that are
// updated later go through their updates one after another in the first-level
// cache, not each of them through memory.
func (e *Engine) Adam(theta, m, v []float32, grad *kernels.Gradient, a kernels.AdamStep, absent kernels.Absent) error {
	if grad.Shape != e.d.Shape {
		return errShape
	}
	if err := e.hold(theta, m, v); err != nil {
		return err
	}
	e.call.gradient, e.call.adam, e.call.absent = grad, scalars(a), absent
	if err := e.each(adam); err != nil || absent == kernels.AbsentNever {
		return err
	}
	e.missed = append(e.missed, scalars(a))
	if absent == kernels.AbsentLater {
		return nil
	}
	return e.Settle(theta, m, v)
}

// CatchUp makes up for the updates that the rows of g have missed; theta, m and
// v are those of the Adam before.
func (e *Engine) CatchUp(theta, m, v []float32, g *kernels.Sums) error {
	if g.Shape != e.d.Shape {
		return errShape
	}
	if err := e.hold(theta, m, v); err != nil || len(e.missed) == 0 {
		return err
	}
	e.call.owed = e.owes(g)
	return e.each(catchUp)
}

// owes are the rows of E and of the head that g's interactions and questions
// are sums of.
func (e *Engine) owes(g *kernels.Sums) [2][]int32 {
	ids := [2][]int32{g.Rows, g.Asked}
	if e.d.Kinds > 0 {
		e.owed[0] = kernels.PartsOf(g.Rows, e.owed[0][:0], e.d.EmbedParts)
		ids[0] = e.owed[0]
	}
	if e.d.Levels > 0 {
		e.owed[1] = kernels.PartsOf(g.Asked, e.owed[1][:0], e.d.HeadParts)
		ids[1] = e.owed[1]
	}
	return ids
}

// Settle makes up for all missed updates.
func (e *Engine) Settle(theta, m, v []float32) error {
	if err := e.hold(theta, m, v); err != nil || len(e.missed) == 0 {
		return err
	}
	if err := e.each(settleRows); err != nil {
		return err
	}
	e.missed = e.missed[:0]
	for _, t := range e.call.tables {
		clear(t.had)
	}
	return nil
}

// hold begins a call on parameters and moments.
func (e *Engine) hold(theta, m, v []float32) error {
	d := e.d
	if n := d.ParamCount(); len(theta) != n || len(m) != n || len(v) != n {
		return errShape // assembly would write beyond them
	}
	e.call = call{}
	for k, data := range [][]float32{theta, m, v} {
		e.call.state[k] = kernels.Params{Shape: d.Shape, Data: data}
	}
	p, q, r := &e.call.state[0], &e.call.state[1], &e.call.state[2]
	e.call.tables = [3]table{
		{p.E(), q.E(), r.E(), d.RowWidth(), e.had[0]},
		{p.Wout(), q.Wout(), r.Wout(), d.Hidden, e.had[1]},
		{p.Bout(), q.Bout(), r.Bout(), 1, e.had[2]},
	}
	return nil
}

func scalars(a kernels.AdamStep) adamScalars {
	return adamScalars{
		beta1: a.Beta1, rest1: 1 - a.Beta1, beta2: a.Beta2, rest2: 1 - a.Beta2,
		minusRate: -a.Rate, root: a.Root, epsilon: a.Epsilon, minusDecay: -a.Decay,
	}
}

func adam(e *Engine, k int, _ *thread) error {
	c, n := &e.call, len(e.threads)
	g := c.gradient
	theta, m, v := &c.state[0], &c.state[1], &c.state[2]
	from, to := share(len(g.LSTM()), k, n)
	e.ops.adam(theta.LSTM()[from:to], m.LSTM()[from:to], v.LSTM()[from:to], g.LSTM()[from:to], &c.adam)
	for i, grad := range [][]float32{g.E(), g.Wout(), g.Bout()} {
		t := &c.tables[i]
		ids := [...][]int32{g.Rows, g.Asked, g.Asked}[i]
		first, last := share(len(ids), k, n)
		for at := first; at < last; at++ {
			e.makeUp(t, int(ids[at]))
			e.adamRow(t, int(ids[at]), grad[at*t.width:][:t.width], &c.adam)
			if c.absent != kernels.AbsentNever {
				t.had[ids[at]]++
			}
		}
	}
	return nil
}

func catchUp(e *Engine, k int, _ *thread) error {
	c := &e.call
	for i := range c.tables {
		ids := [...][]int32{c.owed[0], c.owed[1], c.owed[1]}[i]
		first, last := share(len(ids), k, len(e.threads))
		for _, id := range ids[first:last] {
			e.makeUp(&c.tables[i], int(id))
		}
	}
	return nil
}

func settleRows(e *Engine, k int, _ *thread) error {
	for i := range e.call.tables {
		t := &e.call.tables[i]
		first, last := share(len(t.had), k, len(e.threads))
		for row := first; row < last; row++ {
			e.makeUp(t, row)
		}
	}
	return nil
}

// makeUp runs the updates that a row has missed: its gradient was zero.
func (e *Engine) makeUp(t *table, row int) {
	for n := &t.had[row]; int(*n) < len(e.missed); *n++ {
		e.adamRow(t, row, e.zeros[:t.width], &e.missed[*n])
	}
}

func (e *Engine) adamRow(t *table, row int, grad []float32, a *adamScalars) {
	from, to := row*t.width, (row+1)*t.width
	e.ops.adam(t.theta[from:to], t.m[from:to], t.v[from:to], grad, a)
}
