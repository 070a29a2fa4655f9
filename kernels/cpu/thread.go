package cpu

import (
	"errors"
	"slices"

	"cohort/kernels"
)

var (
	errShape   = errors.New("cpu: parameters or sums have another shape")
	errControl = errors.New("cpu: this thread does not round to nearest or drops subnormals")
)

// slots is the number of sequences that a thread runs side by side: two tiles
// of rows share each panel of weights.
const slots = 2 * tileRows

// thread is one goroutine's memory of an engine, grown to the longest sequence.
type thread struct {
	e      *Engine
	args   tileArgs
	sums   *sums
	state  []layerState // by layer
	steps  int          // capacity of the state, in time steps
	dh     []float32    // [slots][hq]: the part of dh that comes from the step after
	dhRow  []float32    // [hp]
	carry  []float32    // [slots][hp]
	column []float32    // [steps][16]: a panel of one sequence's dG, last step first
	tile   []float32    // [width][16]
	scaled []float32    // [hp]
	group  group
}

// layerState is kept from forward for backward, slot-major.
type layerState struct {
	z    []float32 // [slots][steps][np]: gates, then dG
	c    []float32 // [slots][steps][hp], like tc, h and hd
	tc   []float32
	h    []float32
	hd   []float32 // h after dropout
	head []float32 // [slots][steps][hq]: gradient of h from above
}

// group are up to slots sequences, longest first.
type group struct {
	seqs  []kernels.Sequence
	steps int
	drop  kernels.Dropout
}

func newThread(e *Engine) *thread {
	d := e.d
	return &thread{
		e: e, dh: make([]float32, slots*d.hq), dhRow: make([]float32, d.hp), carry: make([]float32, slots*d.hp),
		tile: make([]float32, max(d.Embed, d.hq)*tileCols), scaled: make([]float32, d.hp),
		state: make([]layerState, d.Layers),
	}
}

// run calls f after a check of the thread's floating-point mode, which foreign
// code may have changed.
func (t *thread) run(k int, f func(k int, t *thread) error) error {
	if !checkControl() {
		return errControl
	}
	return f(k, t)
}

// grow makes room for sequences of n steps.
func (t *thread) grow(n int) {
	if n <= t.steps {
		return
	}
	d := t.e.d
	t.steps = n
	for l := range t.state {
		s := &t.state[l]
		s.z = make([]float32, slots*n*d.np)
		s.c = make([]float32, slots*n*d.hp)
		s.tc = make([]float32, slots*n*d.hp)
		s.h = make([]float32, slots*n*d.hp)
		s.hd = make([]float32, slots*n*d.hp)
		s.head = make([]float32, slots*n*d.hq)
	}
	t.column = make([]float32, n*tileCols)
}

// groups runs visit on the sequences in groups of slots, longest first; part
// is already sorted so. at is the position in part of the group's first.
func (t *thread) groups(seqs []kernels.Sequence, part []int, drop kernels.Dropout, visit func(at int) error) error {
	for at := 0; at < len(part); at += slots {
		g := group{drop: drop}
		for _, k := range part[at:min(at+slots, len(part))] {
			g.seqs = append(g.seqs, seqs[k])
		}
		g.steps = len(g.seqs[0].In)
		t.grow(g.steps)
		t.group = g
		t.forward()
		if err := visit(at); err != nil {
			return err
		}
	}
	return nil
}

func (t *thread) gradients(seqs []kernels.Sequence, part []int, drop kernels.Dropout) error {
	if len(part) == 0 {
		return nil
	}
	if t.sums == nil {
		t.sums = newSums(t.e.d)
	}
	t.sums.clear()
	return t.groups(seqs, part, drop, func(int) error {
		if err := t.headBackward(); err != nil {
			return err
		}
		for l := t.e.d.Layers - 1; l >= 0; l-- {
			t.backward(l)
			if err := t.collect(l); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *thread) logits(seqs []kernels.Sequence, part []int, z [][]float32) error {
	return t.groups(seqs, part, kernels.Dropout{}, func(at int) error {
		for slot, s := range t.group.seqs {
			out := z[part[at+slot]]
			for step := range s.In {
				out[step] = t.logit(slot, step)
			}
		}
		return nil
	})
}

// active is the number of sequences that have a step t: a prefix of the slots.
func (g *group) active(step int) int {
	n, _ := slices.BinarySearchFunc(g.seqs, step, func(s kernels.Sequence, step int) int {
		if len(s.In) > step {
			return -1
		}
		return 1
	})
	return n
}

// at is the place of a slot's step in slot-major state of the given width.
func (t *thread) at(slot, step, width int) int { return (slot*t.steps + step) * width }

// forward runs every layer over the group.
func (t *thread) forward() {
	for l := range t.state {
		for step := range t.group.steps {
			t.forwardStep(l, step)
		}
	}
}

func (t *thread) forwardStep(l, step int) {
	d, w, s := t.e.d, &t.e.w.layers[l], &t.state[l]
	n := t.group.active(step)
	for slot := range n {
		row := s.z[t.at(slot, step, d.np):][:d.np]
		if l == 0 {
			copy(row, t.e.w.table[int(t.group.seqs[slot].In[step])*d.np:])
		} else {
			copy(row, w.bias)
		}
	}
	p := product{
		rows: n, panels: d.panels(), k: d.Hidden, mode: modeLoad, aRow: t.steps * d.hp, aStep: 1,
		c: s.z[t.at(0, step, d.np):], cRow: t.steps * d.np,
	}
	if l > 0 {
		p.a, p.b = t.state[l-1].hd[t.at(0, step, d.hp):], w.input.forward
		t.product(p)
	}
	if step > 0 {
		p.a, p.b = s.h[t.at(0, step-1, d.hp):], w.recurrent.forward
		t.product(p)
	}
	for slot := range n {
		at := t.at(slot, step, d.hp)
		args := forwardArgs{
			z: &s.z[t.at(slot, step, d.np)], stride: 4 * d.hp,
			c: &s.c[at], tc: &s.tc[at], h: &s.h[at], n: d.hp / 8,
		}
		if step > 0 {
			args.before = &s.c[at-d.hp]
		}
		t.e.ops.forward(&args)
		t.drop(l, slot, step, s.hd[at:][:d.hp], s.h[at:][:d.hp])
	}
}

// drop writes to dst what dropout keeps of src, times the gain; the rest is +0.
func (t *thread) drop(l, slot, step int, dst, src []float32) {
	drop := &t.group.drop
	copy(dst, src)
	if drop.Rate == 0 {
		return
	}
	gain, least := drop.Gain(), drop.DropThreshold()
	key := [2]uint32{drop.Seed, kernels.PurposeDropout + uint32(l)}
	id := t.group.seqs[slot].ID
	for u := 0; u < t.e.d.Hidden; u += 4 {
		words := kernels.Philox(key, [4]uint32{drop.Epoch, id, uint32(step), uint32(u / 4)})
		for k, v := range dst[u : u+4] {
			if words[k] < least {
				dst[u+k] = 0
			} else {
				dst[u+k] = v * gain
			}
		}
	}
}
