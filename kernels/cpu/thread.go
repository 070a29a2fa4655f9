package cpu

import (
	"errors"
	"unsafe"

	"cohort/kernels"
)

var (
	errShape   = errors.New("cpu: parameters or sums have another shape")
	errControl = errors.New("cpu: this thread does not round to nearest or drops subnormals")
)

// thread is one goroutine's memory of an engine, grown to the largest wave.
type thread struct {
	e     *Engine
	sums  *sums
	wave  wave
	drop  kernels.Dropout
	out   [][]float32  // of each of the call's sequences; nil when training
	state []layerState // by layer
	rows  int          // capacity of the state
	dz    []float32    // [rows]: slope of the loss

	z      []float32             // [slots][np]: pre-activations, then dG
	a      []float32             // [slots][hq]: h of the step before, or hd
	after  []float32             // [slots][hq]: the part of dh that comes from the step after
	carry  []float32             // [slots][hq]
	seat   [slots]int            // row of after that is a slot's
	starts [slots]unsafe.Pointer // where chains start
	head   []float32             // [hq]: gradient of h from above
	top    []float32             // [hq]: the top layer's hd
	scaled []float32             // [hq]
	embed  []float32             // [slots][E]
	sum    []float32             // of two rows of E
	column []float32             // [blockRows][columns]: a panel of a block's dT
	chains []float32             // [height][columns]

	block    []float32 // [blockRows][E], for Derive like the next
	embedded []float32 // [slots][E to 8]
	bias     []int64   // [4H]

	tile     tileArgs
	forwards forwardArgs
	backs    backwardArgs
	scales   scaleArgs
	keeps    keepArgs
	door     door // add; what it costs is measured by another
	exact    door // the same, also in the negative control
	touches  touchArgs
}

// layerState is kept from forward for backward, a row a step of a sequence.
type layerState struct {
	z    []float32 // [rows][np]: gates, then dG
	c    []float32 // [rows][hq], like tc, h and hd
	tc   []float32
	h    []float32
	hd   []float32 // h after dropout; nil on top and without dropout
	head []float32 // [rows][hq]: gradient of h from the layer above; nil on top
	keep []byte    // [rows][keepBytes]; nil without dropout
}

func newThread(e *Engine) *thread {
	d := e.d
	units := func() []float32 { return make([]float32, slots*d.hq) }
	t := &thread{
		e: e, z: make([]float32, slots*d.gq), a: units(), after: units(), carry: units(),
		head: make([]float32, d.hq), top: make([]float32, d.hq), scaled: make([]float32, d.hq), embed: make([]float32, slots*d.Embed),
		chains: make([]float32, d.heights[0]*d.columns), state: make([]layerState, d.Layers),
		column: make([]float32, blockRows*d.columns), block: make([]float32, blockRows*d.Embed),
		embedded: make([]float32, slots*up(d.Embed, 8)), bias: make([]int64, d.Width()),
	}
	if d.Kinds > 0 {
		t.sum = make([]float32, d.RowWidth())
	}
	t.door, t.exact = t.add, e.ops.fixed
	return t
}

// grow makes room for a wave.
func (t *thread) grow(n int) {
	d := t.e.d
	if n > t.rows {
		t.rows = n
		t.dz = make([]float32, n)
		for l := range t.state {
			s := layerState{
				z: huge(n * d.gq), c: huge(n * d.hq), tc: huge(n * d.hq),
				h: huge(n * d.hq),
			}
			if l < d.Layers-1 {
				s.head = make([]float32, n*d.hq)
			}
			t.state[l] = s
		}
	}
	for l := range t.state {
		s := &t.state[l]
		if t.drop.Rate > 0 && s.keep == nil {
			s.keep = make([]byte, t.rows*d.keepBytes())
			if l < d.Layers-1 {
				s.hd = make([]float32, t.rows*d.hq)
			}
		}
	}
}

// waves runs over the sequences of part, longest first: forward and, in
// training, backward.
func (t *thread) waves(seqs []kernels.Sequence, part []int) error {
	for len(part) > 0 {
		part = t.wave.plan(seqs, part)
		t.grow(t.wave.rows)
		for l := range t.state {
			if err := t.forward(l); err != nil {
				return err
			}
		}
		for l := t.e.d.Layers - 1; l >= 0 && t.out == nil; l-- {
			if err := t.backward(l); err != nil {
				return err
			}
			if err := t.collect(l); err != nil {
				return err
			}
		}
	}
	return nil
}

func gradients(e *Engine, k int, t *thread) error {
	if t.sums == nil {
		t.sums = newSums(e.d)
	}
	t.sums.clear()
	t.drop, t.out = e.call.drop, nil
	return t.waves(e.call.seqs, e.parts[k])
}

func logits(e *Engine, k int, t *thread) error {
	t.drop, t.out = kernels.Dropout{}, e.call.logits
	return t.waves(e.call.seqs, e.parts[k])
}

// forward runs layer l over the wave and, on top, the head.
func (t *thread) forward(l int) error {
	for _, k := range t.wave.ticks {
		t.preActivate(l, k)
		for n, c := range t.wave.cells[k.first:k.end] {
			t.activate(l, n, c)
			if l < t.e.d.Layers-1 {
				continue
			}
			if err := t.answer(c); err != nil {
				return err
			}
		}
	}
	return nil
}

// preActivate leaves a tick's sums in t.z, but for those of layer 0 that begin:
// theirs are the table's.
func (t *thread) preActivate(l int, k tick) {
	d, w, s := t.e.d, &t.wave, &t.state[l]
	layer := &t.e.w.layers[l]
	if l > 0 {
		for n, c := range w.cells[k.first:k.end] {
			t.starts[n] = unsafe.Pointer(&layer.bias[0])
			copy(t.a[n*d.hq:], t.output(l-1, w.row(c)))
		}
		t.product(product{rows: k.end - k.first, k: d.Hidden, a: t.a, aRow: d.hq, b: layer.input.forward, start: &t.starts, c: t.z, cRow: d.gq})
	}
	for n, c := range w.cells[k.first:k.rest] {
		t.starts[n] = unsafe.Pointer(t.source(l, n, c))
		copy(t.a[n*d.hq:][:d.hp], s.h[(w.row(c)-1)*d.hq:])
	}
	t.product(product{rows: k.rest - k.first, k: d.Hidden, a: t.a, aRow: d.hq, b: layer.recurrent.forward, start: &t.starts, c: t.z, cRow: d.gq})
}

// source is where the recurrent chains of a tick's nth cell start.
func (t *thread) source(l, n int, c cell) *float32 {
	if l > 0 {
		return &t.z[n*t.e.d.gq]
	}
	table := &t.e.w.table
	return &table.data[table.find(t.wave.seqs[c.seq].In[c.step])*table.width]
}

// activate makes gates and state of the sums of a tick's nth cell.
func (t *thread) activate(l, n int, c cell) {
	d, s := t.e.d, &t.state[l]
	row := t.wave.row(c)
	at := row * d.hq
	args := &t.forwards
	*args = forwardArgs{z: &t.z[n*d.gq], stride: 4 * d.hp, n: d.hp, gates: &s.z[row*d.gq], c: &s.c[at], tc: &s.tc[at], h: &s.h[at]}
	if c.step > 0 {
		args.before = &s.c[at-d.hq]
	} else {
		args.z = t.source(l, n, c)
	}
	t.e.ops.forward(args)
	if t.drop.Rate == 0 {
		return
	}
	keep := s.keep[row*d.keepBytes():]
	t.keeps = keepArgs{
		dst: &keep[0], n: d.keepBytes() * 8 / keepUnits, key0: t.drop.Seed, key1: kernels.PurposeDropout + uint32(l),
		c0: t.drop.Epoch, c1: t.wave.seqs[c.seq].ID, c2: uint32(c.step), least: t.drop.DropThreshold(),
	}
	t.e.ops.keep(&t.keeps)
	t.dropped(l, row, t.output(l, row), s.h[at:], 1)
}

// output is h after dropout of a row; the top layer's is kept for the head only.
func (t *thread) output(l, row int) []float32 {
	d, s := t.e.d, &t.state[l]
	switch {
	case t.drop.Rate == 0:
		return s.h[row*d.hq:][:d.hp]
	case l == d.Layers-1:
		return t.top[:d.hp]
	}
	return s.hd[row*d.hq:][:d.hp]
}

// dropped is dst = (src·factor)·s where dropout keeps a unit of the row, else +0;
// without dropout src·factor.
func (t *thread) dropped(l, row int, dst, src []float32, factor float32) {
	d := t.e.d
	t.scales = scaleArgs{dst: &dst[0], src: &src[0], n: d.hp, factor: factor}
	if t.drop.Rate > 0 {
		t.scales.keep, t.scales.gain = &t.state[l].keep[row*d.keepBytes()], t.drop.Gain()
	}
	t.e.ops.scale(&t.scales)
}
