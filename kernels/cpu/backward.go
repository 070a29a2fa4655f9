package cpu

import (
	"math"
	"slices"
	"unsafe"

	"cohort/kernels"
)

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

// answer is the head at a cell of the top layer, just activated: the logit and,
// in training, loss and gradients.
func (t *thread) answer(c cell) error {
	d, w := t.e.d, &t.wave
	s := w.seqs[c.seq]
	ask, row := s.Ask[c.step], w.row(c)
	hd := t.output(d.Layers-1, row)
	head, bias := t.e.w.asked(d, ask)
	z := t.e.ops.dot(hd, head) + bias
	if t.out != nil {
		t.out[w.at[c.seq]][c.step] = z
		return nil
	}
	right := s.Right[c.step]
	q, ok := kernels.ToFixed(loss(z, right))
	if !ok || !finite(z) {
		return &kernels.NonFiniteError{Tensor: "logit", Sequence: s.ID, Step: int(c.step)}
	}
	t.sums.counts[kernels.CountLoss] += q
	t.sums.counts[kernels.CountAnswers]++
	t.dz[row] = kernels.Sigmoid(z) - float32(right)
	if !t.headRow(ask, hd, t.dz[row:row+1]) {
		return &kernels.NonFiniteError{Tensor: "Wout", Sequence: s.ID, Step: int(c.step)}
	}
	return nil
}

// headRow adds one answer's dz·hd and dz to the row of what is asked.
func (t *thread) headRow(ask int32, hd, dz []float32) bool {
	d := t.e.d
	t.scales = scaleArgs{dst: &t.scaled[0], src: &hd[0], n: d.hp, factor: dz[0]}
	t.e.ops.scale(&t.scales)
	row := zeroed(&t.sums.head, ask)
	ok := t.door(row[:d.hp], t.scaled)
	return t.door(row[d.hp:d.hp+1], dz) && ok
}

// backward turns layer l's gates into dG, last step first, adds them to the
// table or the bias, and leaves the gradient of its input in the head of the
// layer below.
func (t *thread) backward(l int) error {
	d, w := t.e.d, &t.wave
	layer := &t.e.w.layers[l]
	for k := range slices.Backward(w.ticks) {
		cells := w.cells[w.ticks[k].first:w.ticks[k].end]
		for n, c := range cells {
			if !t.slope(l, n, c) {
				name := "table"
				if l > 0 {
					name = "bias"
				}
				return &kernels.NonFiniteError{Tensor: name, Sequence: w.seqs[c.seq].ID, Step: int(c.step)}
			}
		}
		if k > 0 {
			t.expect(l, w.cells[w.ticks[k-1].first:w.ticks[k-1].end])
		}
		going := w.ticks[k].rest - w.ticks[k].first
		t.gatedProduct(going, d.hp, t.z, layer.recurrent.backward, t.after, d.hq)
		for n, c := range cells[:going] {
			t.seat[c.slot] = n
		}
		if l == 0 {
			continue
		}
		t.gatedProduct(len(cells), d.hp, t.z, layer.input.backward, t.a, d.hq)
		for n, c := range cells {
			row := w.row(c)
			t.dropped(l-1, row, t.state[l-1].head[row*d.hq:], t.a[n*d.hq:], 1)
		}
	}
	return nil
}

// expect fetches what slope will read of cells.
func (t *thread) expect(l int, cells []cell) {
	d, s := t.e.d, &t.state[l]
	for _, c := range cells {
		row := t.wave.row(c)
		t.touch(&s.z[row*d.gq], 1, 0, d.gq/16)
		t.touch(&s.tc[row*d.hq], 1, 0, d.hq/16)
		t.touch(&s.c[max(row-1, 0)*d.hq], 1, 0, d.hq/16)
		if l == 0 {
			sum := zeroed(&t.sums.table, t.wave.seqs[c.seq].In[c.step])
			t.touches = touchArgs{p: unsafe.Pointer(&sum[0]), rows: 1, lines: d.np / 8}
			t.e.ops.touch(&t.touches)
		}
	}
}

func (t *thread) touch(p *float32, rows, stride, lines int) {
	t.touches = touchArgs{unsafe.Pointer(p), rows, 4 * stride, lines}
	t.e.ops.touch(&t.touches)
}

// slope makes dG of the gates of a tick's nth cell, in the state and in t.z.
func (t *thread) slope(l, n int, c cell) bool {
	d, w, s := t.e.d, &t.wave, &t.state[l]
	row, q := w.row(c), w.seqs[c.seq]
	head := t.head
	if l == d.Layers-1 {
		asked, _ := t.e.w.asked(d, q.Ask[c.step])
		t.dropped(l, row, head, asked, t.dz[row])
	} else {
		head = s.head[row*d.hq:]
	}
	args := &t.backs
	*args = backwardArgs{
		gates: &s.z[row*d.gq], stride: 4 * d.hp, n: d.hp, copy: &t.z[n*d.gq], tc: &s.tc[row*d.hq],
		head: &head[0], carry: &t.carry[int(c.slot)*d.hq],
	}
	if c.step > 0 {
		args.before = &s.c[(row-1)*d.hq]
	}
	if !w.last(c) {
		args.after = &t.after[t.seat[c.slot]*d.hq]
	}
	t.e.ops.backward(args)
	dg := t.z[n*d.gq:][:d.np]
	if l > 0 {
		return t.door(t.sums.layers[l].bias, dg)
	}
	return t.door(zeroed(&t.sums.table, q.In[c.step]), dg)
}

// collect adds layer l's gradients of each sequence to the sums.
func (t *thread) collect(l int) error {
	for k := range t.wave.seqs {
		for n := range t.e.d.panels() {
			if err := t.outers(l, k, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// outers adds a sequence's dU and, above layer 0, dWx of a panel: chains from its
// last step down.
func (t *thread) outers(l, k, n int) error {
	d, s, sums := t.e.d, &t.state[l], &t.sums.layers[l]
	q := t.wave.seqs[k]
	steps, size := len(q.In), d.Hidden*d.columns
	end := t.wave.first[k] + steps - 1
	dg := &s.z[end*d.gq+n*d.columns]
	t.touch(dg, steps, -d.gq, d.columns/16)
	if steps > 1 && !t.outer(sums.recurrent[n*size:], d.Hidden, steps-1, &s.h[(end-1)*d.hq], -d.hq, dg, -d.gq, t.door) {
		return &kernels.NonFiniteError{Tensor: "U", Sequence: q.ID, Step: -1}
	}
	if l > 0 && !t.outer(sums.input[n*size:], d.Hidden, steps, &t.output(l-1, end)[0], -d.hq, dg, -d.gq, t.door) {
		return &kernels.NonFiniteError{Tensor: "Wx", Sequence: q.ID, Step: -1}
	}
	return nil
}
