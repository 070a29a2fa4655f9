package cpu

import (
	sys "golang.org/x/sys/cpu"
)

//go:generate go run ./gen

// avx2 runs the generated micro-kernels.
type avx2 struct{ portable }

var _ ops = avx2{}

func hasAVX2() bool { return sys.X86.HasAVX2 && sys.X86.HasFMA }

//go:noescape
func tile1(p *tileArgs)

//go:noescape
func tile2(p *tileArgs)

//go:noescape
func tile3(p *tileArgs)

//go:noescape
func tile4(p *tileArgs)

//go:noescape
func tile5(p *tileArgs)

//go:noescape
func tile6(p *tileArgs)

//go:noescape
func gated1(p *gatedArgs)

//go:noescape
func gated2(p *gatedArgs)

//go:noescape
func gated3(p *gatedArgs)

//go:noescape
func gated4(p *gatedArgs)

//go:noescape
func gated5(p *gatedArgs)

//go:noescape
func gated6(p *gatedArgs)

//go:noescape
func forward(p *forwardArgs)

//go:noescape
func backward(p *backwardArgs)

//go:noescape
func activate(p *activateArgs)

//go:noescape
func fixed(p *fixedArgs)

//go:noescape
func dot(p *dotArgs)

//go:noescape
func adam(p *adamArgs)

func (avx2) tile(rows int, p *tileArgs) {
	switch rows {
	case 1:
		tile1(p)
	case 2:
		tile2(p)
	case 3:
		tile3(p)
	case 4:
		tile4(p)
	case 5:
		tile5(p)
	default:
		tile6(p)
	}
}

func (avx2) gated(rows int, p *gatedArgs) {
	switch rows {
	case 1:
		gated1(p)
	case 2:
		gated2(p)
	case 3:
		gated3(p)
	case 4:
		gated4(p)
	case 5:
		gated5(p)
	default:
		gated6(p)
	}
}

func (avx2) forward(p *forwardArgs)   { forward(p) }
func (avx2) backward(p *backwardArgs) { backward(p) }

func (o avx2) fixed(dst []int64, src []float32) bool {
	whole := len(src) &^ 3
	good := true
	if whole > 0 {
		p := fixedArgs{dst: &dst[0], src: &src[0], n: whole / 4}
		fixed(&p)
		good = p.good == 15
	}
	return o.portable.fixed(dst[whole:], src[whole:]) && good
}

// dot needs whole groups of 8; callers pad with zeros.
func (o avx2) dot(a, b []float32) float32 {
	if len(a) == 0 || len(a)%8 != 0 {
		return o.portable.dot(a, b)
	}
	p := dotArgs{a: &a[0], b: &b[0], n: len(a) / 8}
	dot(&p)
	return p.out
}

func (o avx2) adam(theta, m, v, grad []float32, s *adamScalars) {
	whole := len(grad) &^ 7
	if whole > 0 {
		adam(&adamArgs{theta: &theta[0], m: &m[0], v: &v[0], grad: &grad[0], n: whole / 8, s: *s})
	}
	o.portable.adam(theta[whole:], m[whole:], v[whole:], grad[whole:], s)
}

// activateAll applies the sigmoid or tanh lanes to x, for the comparison with
// the portable functions; len(x) is a multiple of 8.
func activateAll(x []float32, tanh bool) {
	p := activateArgs{x: &x[0], n: len(x) / 8}
	if tanh {
		p.tanh = 1
	}
	activate(&p)
}
