package cpu

import "unsafe"

// product is C[rows][np], each row a chain over k from its start, of A and packed
// B. Strides in floats.
type product struct {
	rows, k int
	a       []float32
	aRow    int
	b       []float32              // [panels][k][columns]
	start   *[slots]unsafe.Pointer // of each row
	c       []float32
	cRow    int
}

func (t *thread) product(p product) {
	d, args := t.e.d, &t.tile
	for n := range d.panels() {
		for r := 0; r < p.rows; {
			h := d.height(p.rows - r)
			*args = tileArgs{
				a: &p.a[r*p.aRow], aRow: 4 * p.aRow, aStep: 4, b: &p.b[n*p.k*d.columns], bStep: 4 * d.columns,
				c: &p.c[r*p.cRow+n*d.columns], cRow: 4 * p.cRow, k: p.k, start: &p.start[r], at: 4 * n * d.columns,
			}
			t.e.ops.tile(h, args)
			r += h
		}
	}
}

// gatedProduct is C[rows][n] = (P0 + P1) + …: block j is a chain from +0 over
// units 32j … 32j+31 and within a unit over its gates; A's rows are of np, B is
// packed for backward, n a multiple of 8.
func (t *thread) gatedProduct(rows, n int, a []float32, b, c []float32, cRow int) {
	d, args := t.e.d, &t.tile
	for at := 0; at < n; {
		w := d.width(at, n)
		for r := 0; r < rows; {
			h := d.height(rows - r)
			*args = tileArgs{
				a: &a[r*d.gq], aRow: 4 * d.gq, aStep: 4 * d.hp, b: &b[at*d.Width()],
				c: &c[r*cRow+at], cRow: 4 * cRow, k: d.Hidden, block: blockUnits,
			}
			t.e.ops.gated(h, w, args)
			r += h
		}
		at += w
	}
}

// door adds gradients in fixed point to dst; false when one may not pass.
type door func(dst []int64, src []float32) bool

// outer is a sum over steps of a[step][0:rows]·b[step][columns], one chain an
// entry, that goes to dst through a door; steps are so many floats, negative from the
// last one down.
func (t *thread) outer(dst []int64, rows, steps int, a *float32, aStep int, b *float32, bStep int, through door) bool {
	d, args := t.e.d, &t.tile
	good := true
	for r := 0; r < rows; {
		h := d.height(rows - r)
		*args = tileArgs{
			a: at(a, 4*r), aRow: 4, aStep: 4 * aStep, b: b, bStep: 4 * bStep,
			c: &t.chains[0], cRow: 4 * d.columns, k: steps,
		}
		t.touches = touchArgs{p: unsafe.Pointer(&dst[r*d.columns]), rows: 1, lines: h * d.columns / 8}
		t.e.ops.touch(&t.touches)
		t.e.ops.tile(h, args)
		good = through(dst[r*d.columns:][:h*d.columns], t.chains[:h*d.columns]) && good
		r += h
	}
	return good
}
