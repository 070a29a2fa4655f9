package cpu

import "unsafe"

// ops are the vector primitives that the engine is written in. Each is defined
// lane by lane, so every implementation gives the same bits; the engine above
// it never looks at a lane's neighbours.
type ops interface {
	// tiles are the heights of tiles, descending to 1, and a panel's columns.
	tiles() (heights []int, columns int)
	tile(rows int, p *tileArgs)
	gated(rows, columns int, p *tileArgs)
	forward(p *forwardArgs)
	backward(p *backwardArgs)
	scale(p *scaleArgs)
	keep(p *keepArgs)
	// fixed adds src[:n] in fixed point to dst; false when an entry may not pass.
	fixed(dst []int64, src []float32) bool
	// mean is dst = FromFixed(src, scale); false when an entry reaches SumLimit.
	mean(dst []float32, src []int64, scale float64) bool
	dot(a, b []float32) float32
	// touch asks for memory that will soon be read.
	touch(p *touchArgs)
	adam(theta, m, v, grad []float32, s *adamScalars)
	// burn does so many rounds of independent FMAs and counts their operations.
	burn(rounds int) (flop int)
}

// tileArgs: C[r][n] = chain over k ascending of fma(A[r][k], B[k][n], acc) from
// start[r] + at, or from +0 where start is nil. Strides and at are in bytes, and
// may be negative.
//
// The gated form is C = (P0 + P1) + …, Pj a chain from +0 over units
// block·j … of k units, and within a unit over its gates: A's gate stride is
// aStep, its units are adjacent floats, and B is [unit][4][columns], packed.
type tileArgs struct {
	a           *float32
	aRow, aStep int
	b           *float32
	bStep       int
	c           *float32
	cRow        int
	k           int
	start       *unsafe.Pointer
	at          int
	block       int
}

// forwardArgs: pre-activations z of n units (gates i, f, g, o, stride bytes
// apart) become gates; c, tc = tanh c and h are written. before is the cell of
// the step before, nil at the first.
type forwardArgs struct {
	z                       *float32
	stride, n               int
	gates, before, c, tc, h *float32
}

// backwardArgs: gates become dG, here and in copy, from head + after, the
// gradient of h. carry is dc·f of the step after and becomes this step's; after
// is nil at a sequence's last step, before at its first.
type backwardArgs struct {
	gates                                *float32
	stride, n                            int
	copy, before, tc, head, after, carry *float32
}

// scaleArgs: dst = (src·factor)·gain where a bit of keep is set, else +0;
// without keep src·factor. n floats.
type scaleArgs struct {
	dst, src     *float32
	n            int
	keep         *byte
	factor, gain float32
}

// keepArgs: for each of n groups of 64 units a bit a unit: is its word of Philox,
// counter (c…, unit/4), at or above least?
type keepArgs struct {
	dst                           *byte
	n                             int
	key0, key1, c0, c1, c2, least uint32
}

type fixedArgs struct {
	dst   *int64
	src   *float32
	n     int
	worst uint64 // bits of the largest |src|
}

type meanArgs struct {
	dst   *float32
	src   *int64
	n     int
	scale float64
	union uint64 // a bit from 53 on: an entry is out of range
}

// touchArgs: lines of 64 bytes from the start of each of so many rows.
type touchArgs struct {
	p                   unsafe.Pointer
	rows, stride, lines int
}

type dotArgs struct {
	a, b *float32
	n    int
	out  float32
}

type adamScalars struct {
	beta1, rest1, beta2, rest2, minusRate, root, epsilon, minusDecay float32
}

type adamArgs struct {
	theta, m, v, grad *float32
	n                 int
	s                 adamScalars
}

type activateArgs struct {
	x    *float32
	n    int
	tanh int
}

type burnArgs struct{ n int }
