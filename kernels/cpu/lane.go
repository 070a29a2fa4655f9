package cpu

import (
	"slices"
	"unsafe"
)

// Lane runs sequences side by side in slots, as a thread of training does, but
// keeps nothing of a step once the next is done. A sequence may come in at any
// step of the others: rows never meet. It is one goroutine's.
type Lane struct {
	p      *Predictor
	t      thread                // for its products
	starts [slots]unsafe.Pointer // where chains start
	z      []float32             // [slots][gq]: pre-activations
	gates  []float32             // [np], of a cell and read by nobody, like tc
	tc     []float32             // [hp]
	layers []laneLayer
	now    int // which of c is the last step's

	runs [slots]*Run
	step [slots]int
	live int // rows in use
	goes int // of these go on; the others begin
}

type laneLayer struct {
	h []float32    // [slots][hq]
	c [2][]float32 // the step before's and this one's
}

// NewLane makes a lane of p.
func NewLane(p *Predictor) *Lane {
	d := p.e.d
	l := &Lane{
		p: p, t: thread{e: p.e}, z: make([]float32, slots*d.gq), gates: make([]float32, d.np), tc: make([]float32, d.hp),
		layers: make([]laneLayer, d.Layers),
	}
	for k := range l.layers {
		units := func() []float32 { return make([]float32, slots*d.hq) }
		l.layers[k] = laneLayer{h: units(), c: [2][]float32{units(), units()}}
	}
	return l
}

// All runs sequences, longest first, and answers the first error.
func (l *Lane) All(runs []*Run) error {
	for _, r := range runs {
		if err := l.p.Check(r); err != nil {
			return err
		}
	}
	queue := slices.Clone(runs)
	slices.SortStableFunc(queue, func(a, b *Run) int { return len(b.In) - len(a.In) })
	next := func() (r *Run) {
		if len(queue) > 0 {
			r, queue = queue[0], queue[1:]
		}
		return r
	}
	if err := l.Serve(next, func(*Run) {}); err != nil {
		return err
	}
	for _, r := range runs {
		if r.Err != nil {
			return r.Err
		}
	}
	return nil
}

// Serve runs what next gives, which Check must have passed, until next answers
// nil with nothing under way. It asks whenever a slot is free, so that a sequence
// need not wait for the others, and tells done of each that has ended.
func (l *Lane) Serve(next func() *Run, done func(*Run)) error {
	if !checkControl() {
		return errControl
	}
	for {
		for l.live < slots {
			r := next()
			if r == nil {
				break
			}
			if len(r.In) == 0 {
				l.idle(r)
				done(r)
				continue
			}
			l.admit(r)
		}
		if l.live == 0 {
			return nil
		}
		l.tick()
		l.leave(done)
	}
}

// idle answers a run without interactions.
func (l *Lane) idle(r *Run) {
	h := l.p.nothing
	if r.From != nil {
		h = r.From[2*(l.p.e.d.Layers-1)*l.p.e.d.hp:]
		if r.To != nil {
			copy(r.To, r.From)
		}
	}
	l.p.askAll(r, h)
}

// admit gives a run a row: those that go on lie before those that begin.
func (l *Lane) admit(r *Run) {
	row := l.live
	l.live++
	l.runs[row], l.step[row] = r, 0
	if r.From == nil {
		return
	}
	l.runs[row], l.runs[l.goes] = l.runs[l.goes], r
	row = l.goes
	l.goes++
	d := l.p.e.d
	for k := range 2 * len(l.layers) {
		copy(l.unit(k, row), r.From[k*d.hp:][:d.hp])
	}
	l.before(row)
}

// unit is the kth part of a row's state: h and c by turns, layer by layer.
func (l *Lane) unit(k, row int) []float32 {
	d, s := l.p.e.d, &l.layers[k/2]
	if k%2 == 0 {
		return s.h[row*d.hq:][:d.hp]
	}
	return s.c[l.now][row*d.hq:][:d.hp]
}

// before answers what is asked of a row before its next step.
func (l *Lane) before(row int) {
	r, t := l.runs[row], l.step[row]
	if t < len(r.Ask) && r.Ask[t] >= 0 {
		l.p.ask(r, l.top(row), r.Ask[t], &r.Before[t])
	}
}

// top is h of a row's last layer.
func (l *Lane) top(row int) []float32 { return l.unit(2*(l.p.e.d.Layers-1), row) }

// tick is a step of every row.
func (l *Lane) tick() {
	d := l.p.e.d
	for k := range l.layers {
		s, w := &l.layers[k], &l.p.e.w.layers[k]
		if k > 0 {
			for row := range l.live {
				l.starts[row] = unsafe.Pointer(&w.bias[0])
			}
			l.t.product(product{rows: l.live, k: d.Hidden, a: l.layers[k-1].h, aRow: d.hq, b: w.input.forward, start: &l.starts, c: l.z, cRow: d.gq})
		}
		for row := range l.goes {
			l.starts[row] = unsafe.Pointer(l.source(k, row))
		}
		l.t.product(product{rows: l.goes, k: d.Hidden, a: s.h, aRow: d.hq, b: w.recurrent.forward, start: &l.starts, c: l.z, cRow: d.gq})
		for row := range l.live {
			l.activate(k, row)
		}
	}
	l.now, l.goes = 1-l.now, l.live
}

// source is where the recurrent chains of a row start.
func (l *Lane) source(k, row int) *float32 {
	if k > 0 {
		return &l.z[row*l.p.e.d.gq]
	}
	table := &l.p.e.w.table
	return &table.data[table.find(l.runs[row].In[l.step[row]])*table.width]
}

// activate makes gates and state of a row's sums.
func (l *Lane) activate(k, row int) {
	d, s := l.p.e.d, &l.layers[k]
	at := row * d.hq
	args := &l.t.forwards
	*args = forwardArgs{
		z: &l.z[row*d.gq], stride: 4 * d.hp, n: d.hp, gates: &l.gates[0], c: &s.c[1-l.now][at], tc: &l.tc[0], h: &s.h[at],
	}
	if row < l.goes {
		args.before = &s.c[l.now][at]
	} else {
		args.z = l.source(k, row)
	}
	l.p.e.ops.forward(args)
}

// leave ends the runs that have no step left; the last row takes a free place.
func (l *Lane) leave(done func(*Run)) {
	for row := 0; row < l.live; {
		r := l.runs[row]
		if l.step[row]++; l.step[row] < len(r.In) {
			l.before(row)
			row++
			continue
		}
		l.p.askAll(r, l.top(row))
		for k := 0; r.To != nil && k < 2*len(l.layers); k++ {
			copy(r.To[k*l.p.e.d.hp:], l.unit(k, row))
		}
		l.live--
		l.goes = l.live
		for k := range 2 * len(l.layers) {
			copy(l.unit(k, row), l.unit(k, l.live))
		}
		l.runs[row], l.step[row] = l.runs[l.live], l.step[l.live]
		l.runs[l.live] = nil
		done(r)
	}
}
