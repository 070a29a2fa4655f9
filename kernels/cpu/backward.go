package cpu

import (
	"math"

	"cohort/kernels"
)

// logit is the head's z of a slot's step: 16 lanes, tree, then the bias.
func (t *thread) logit(slot, step int) float32 {
	d := t.e.d
	q := int(t.group.seqs[slot].Ask[step])
	hd := t.state[d.Layers-1].hd[t.at(slot, step, d.hp):][:d.hp]
	return t.e.ops.dot(hd, t.e.w.wout[q*d.hp:][:d.hp]) + t.e.w.bout[q]
}

// loss is the binary cross-entropy of a logit, max(z,0) − z·y + log1p(exp(−|z|)).
func loss(z float32, right uint8) float32 {
	x := float64(z)
	hinge := max(x, 0)
	if right != 0 {
		hinge -= x
	}
	return float32(hinge + kernels.Log1p(kernels.Exp(-math.Abs(x))))
}

// finite is false of ±Inf and NaN.
func finite(z float32) bool { return math.Abs(float64(z)) <= math.MaxFloat32 }

// headBackward adds the head's gradients and starts the top layer's.
func (t *thread) headBackward() error {
	d := t.e.d
	top := &t.state[d.Layers-1]
	for slot, s := range t.group.seqs {
		for step := range s.In {
			z := t.logit(slot, step)
			q, ok := kernels.ToFixed(loss(z, s.Right[step]))
			if !ok || !finite(z) {
				return &kernels.NonFiniteError{Tensor: "logit", Sequence: s.ID, Step: step}
			}
			t.sums.counts[kernels.CountLoss] += q
			t.sums.counts[kernels.CountAnswers]++
			dz := kernels.Sigmoid(z) - float32(s.Right[step])
			if !t.headRow(int(s.Ask[step]), dz, top.hd[t.at(slot, step, d.hp):][:d.hp]) {
				return &kernels.NonFiniteError{Tensor: "Wout", Sequence: s.ID, Step: step}
			}
			w := t.e.w.wout[int(s.Ask[step])*d.hp:][:d.hp]
			for u, v := range w {
				t.scaled[u] = dz * v
			}
			t.drop(d.Layers-1, slot, step, top.head[t.at(slot, step, d.hq):][:d.hp], t.scaled)
		}
	}
	return nil
}

// headRow adds one answer's dz·hd and dz to the row of the asked skill.
func (t *thread) headRow(q int, dz float32, hd []float32) bool {
	d := t.e.d
	for u, v := range hd {
		t.scaled[u] = dz * v
	}
	ok := t.add(t.sums.wout[q*d.hp:][:d.hp], t.scaled)
	return t.add(t.sums.bout[q:q+1], []float32{dz}) && ok
}

// backward turns layer l's gates into dG, last step first, and leaves the
// gradient of its input in the head of the layer below.
func (t *thread) backward(l int) {
	d, w, s := t.e.d, &t.e.w.layers[l], &t.state[l]
	after := 0 // rows that have a step after this one
	for step := t.group.steps - 1; step >= 0; step-- {
		n := t.group.active(step)
		clear(t.carry[after*d.hp : n*d.hp])
		for slot := range n {
			dh := s.head[t.at(slot, step, d.hq):][:d.hp]
			if slot < after {
				for u, v := range t.dh[slot*d.hq:][:d.hp] {
					t.dhRow[u] = dh[u] + v
				}
				dh = t.dhRow
			}
			args := backwardArgs{
				z: &s.z[t.at(slot, step, d.np)], stride: 4 * d.hp, tc: &s.tc[t.at(slot, step, d.hp)],
				dh: &dh[0], carry: &t.carry[slot*d.hp], n: d.hp / 8,
			}
			if step > 0 {
				args.before = &s.c[t.at(slot, step-1, d.hp)]
			}
			t.e.ops.backward(&args)
		}
		dg := s.z[t.at(0, step, d.np):]
		if step > 0 {
			t.gatedProduct(n, d.hq/tileCols, dg, t.steps*d.np, w.recurrent.backward, t.dh, d.hq)
		}
		if l > 0 {
			t.inputGradient(l, step, n)
		}
		after = n
	}
}

// inputGradient is dx of layer l ≥ 1, through the dropout of the layer below.
func (t *thread) inputGradient(l, step, n int) {
	d := t.e.d
	below := t.state[l-1].head
	t.gatedProduct(n, d.hq/tileCols, t.state[l].z[t.at(0, step, d.np):], t.steps*d.np,
		t.e.w.layers[l].input.backward, below[t.at(0, step, d.hq):], t.steps*d.hq)
	for slot := range n {
		row := below[t.at(slot, step, d.hq):][:d.hp]
		t.drop(l-1, slot, step, row, row)
	}
}

// collect adds layer l's gradients of each sequence to the sums.
func (t *thread) collect(l int) error {
	d := t.e.d
	for slot, s := range t.group.seqs {
		for step := range s.In {
			row := t.state[l].z[t.at(slot, step, d.np):][:d.np]
			dst := t.sums.table
			name := "table"
			if l == 0 {
				dst = dst[int(s.In[step])*d.np:][:d.np]
			} else {
				dst, name = t.sums.layers[l].bias, "bias"
			}
			if !t.add(dst, row) {
				return &kernels.NonFiniteError{Tensor: name, Sequence: s.ID, Step: step}
			}
		}
	}
	for n := range d.panels() {
		for slot, s := range t.group.seqs {
			t.gather(l, slot, len(s.In), n)
			if !t.outer(t.state[l].h, slot, len(s.In), 1, t.sums.layers[l].recurrent, n) {
				return &kernels.NonFiniteError{Tensor: "U", Sequence: s.ID, Step: -1}
			}
			if l > 0 && !t.outer(t.state[l-1].hd, slot, len(s.In), 0, t.sums.layers[l].input, n) {
				return &kernels.NonFiniteError{Tensor: "Wx", Sequence: s.ID, Step: -1}
			}
		}
	}
	return nil
}

// gather copies a panel of a sequence's dG, last step first.
func (t *thread) gather(l, slot, steps, panel int) {
	d := t.e.d
	z := t.state[l].z
	for k := range steps {
		from := t.at(slot, steps-1-k, d.np) + panel*tileCols
		copy(t.column[k*tileCols:][:tileCols], z[from:])
	}
}

// outer adds one sequence's product of x and dG, for a panel of columns: each
// entry is one chain from the last step down to step lag, x taken lag before.
func (t *thread) outer(x []float32, slot, steps, lag int, dst []int64, panel int) bool {
	d := t.e.d
	if steps <= lag {
		return true
	}
	last := t.at(slot, steps-1-lag, d.hp)
	args := &t.args
	*args = tileArgs{
		aRow: 4, aStep: -4 * d.hp, b: &t.column[0], bStep: 4 * tileCols,
		cRow: 4 * tileCols, k: steps - lag, mode: modeStore,
	}
	for k := 0; k < d.Hidden; k += tileRows {
		args.a, args.c = &x[last+k], &t.tile[k*tileCols]
		t.e.ops.tile(min(tileRows, d.Hidden-k), args)
	}
	size := d.Hidden * tileCols
	return t.add(dst[panel*size:][:size], t.tile[:size])
}
