package cpu

// ops are the vector primitives that the engine is written in. Each is defined
// lane by lane, so every implementation gives the same bits; the engine above
// it never looks at a lane's neighbours.
type ops interface {
	// tile computes rows ≤ 6 chains of 16 columns, see tileArgs.
	tile(rows int, p *tileArgs)
	// gated is tile over units and their four gates.
	gated(rows int, p *gatedArgs)
	forward(p *forwardArgs)
	backward(p *backwardArgs)
	// fixed adds src[:n] in fixed point to dst; false when an entry may not pass.
	fixed(dst []int64, src []float32) bool
	dot(a, b []float32) float32
	adam(theta, m, v, grad []float32, s *adamScalars)
}

// tileRows is the most rows of a tile, tileCols its columns.
const (
	tileRows = 6
	tileCols = 16
)

// Modes of a tile.
const (
	modeStore = 0 // chains start at +0 and are stored
	modeLoad  = 1 // chains start at C
	modeAdd   = 2 // chains start at +0 and are added to C
)

// tileArgs: C[r][0:16] = chain over k ascending of fma(A[r][k], B[k][0:16], acc).
// Strides are in bytes and may be negative. The gated form runs over k units
// and within a unit over four gates: A's gate stride is aStep, its units are
// adjacent floats, and B is [unit][4][16], packed.
type tileArgs struct {
	a           *float32
	aRow, aStep int
	b           *float32
	bStep       int
	c           *float32
	cRow        int
	k           int
	mode        int
}

type gatedArgs = tileArgs

// forwardArgs: pre-activations z (gates i, f, g, o, stride bytes apart) become
// gates; c, tc = tanh c and h are written. before is the cell of the step
// before, nil at the first. n counts groups of 8 units.
type forwardArgs struct {
	z        *float32
	stride   int
	before   *float32
	c, tc, h *float32
	n        int
}

// backwardArgs: gates z become dG; carry is dc·f of the step after and becomes
// this step's.
type backwardArgs struct {
	z             *float32
	stride        int
	before        *float32
	tc, dh, carry *float32
	n             int
}

type fixedArgs struct {
	dst  *int64
	src  *float32
	n    int
	good uint64
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
