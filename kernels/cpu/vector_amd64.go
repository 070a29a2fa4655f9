package cpu

import (
	"math"

	sys "golang.org/x/sys/cpu"

	"cohort/kernels"
)

//go:generate go run ./gen

func hasAVX2() bool { return sys.X86.HasAVX2 && sys.X86.HasFMA && sys.X86.HasBMI2 }

func hasAVX512() bool {
	return hasAVX2() && sys.X86.HasAVX512F && sys.X86.HasAVX512DQ && sys.X86.HasAVX512BW && sys.X86.HasAVX512VL
}

// avx2 runs the generated kernels of 8 lanes.
type avx2 struct{ portable }

// avx512 runs those of 16 lanes, and those of 8 on the last half of a row.
type avx512 struct{ avx2 }

var _, _ ops = avx2{}, avx512{}

func (avx2) tiles() (heights []int, columns int) { return []int{6, 4, 2, 1}, 16 }

func (avx2) tile(rows int, p *tileArgs) {
	switch rows {
	case 6:
		avx2Tile6(p)
	case 4:
		avx2Tile4(p)
	case 2:
		avx2Tile2(p)
	default:
		avx2Tile1(p)
	}
}

func (avx2) gated(rows, columns int, p *tileArgs) {
	switch [2]int{rows, columns} {
	case [2]int{6, 16}:
		avx2Gated6x16(p)
	case [2]int{4, 16}:
		avx2Gated4x16(p)
	case [2]int{2, 16}:
		avx2Gated2x16(p)
	case [2]int{1, 16}:
		avx2Gated1x16(p)
	case [2]int{6, 8}:
		avx2Gated6x8(p)
	case [2]int{4, 8}:
		avx2Gated4x8(p)
	case [2]int{2, 8}:
		avx2Gated2x8(p)
	default:
		avx2Gated1x8(p)
	}
}

// The kernels of rows count in registers.
func (avx2) forward(p *forwardArgs)   { p.n /= 8; avx2Forward(p) }
func (avx2) backward(p *backwardArgs) { p.n /= 8; avx2Backward(p) }
func (avx2) scale(p *scaleArgs)       { p.n /= 8; avx2Scale(p) }
func (avx2) keep(p *keepArgs)         { p.n *= 2; avx2Keep(p) }

func (o avx2) fixed(dst []int64, src []float32) bool {
	whole := len(src) &^ 3
	good := true
	if whole > 0 {
		p := fixedArgs{dst: &dst[0], src: &src[0], n: whole / 4}
		avx2Fixed(&p)
		good = passes(p.worst)
	}
	return o.portable.fixed(dst[whole:], src[whole:]) && good
}

// passes is whether a magnitude, as bits, may pass the fixed-point door.
func passes(worst uint64) bool { return worst < uint64(math.Float32bits(kernels.FixedLimit)) }

func (o avx2) mean(dst []float32, src []int64, scale float64) bool {
	whole := len(src) &^ 3
	good := true
	if whole > 0 {
		p := meanArgs{dst: &dst[0], src: &src[0], n: whole / 4, scale: scale}
		avx2Mean(&p)
		good = p.union>>53 == 0
	}
	return o.portable.mean(dst[whole:], src[whole:], scale) && good
}

func (avx2) touch(p *touchArgs) { avx2Touch(p) }

// dot needs whole groups of 8; callers pad with zeros.
func (o avx2) dot(a, b []float32) float32 {
	if len(a) == 0 || len(a)%8 != 0 {
		return o.portable.dot(a, b)
	}
	p := dotArgs{a: &a[0], b: &b[0], n: len(a) / 8}
	avx2Dot(&p)
	return p.out
}

func (o avx2) adam(theta, m, v, grad []float32, s *adamScalars) {
	whole := len(grad) &^ 7
	if whole > 0 {
		avx2Adam(&adamArgs{theta: &theta[0], m: &m[0], v: &v[0], grad: &grad[0], n: whole / 8, s: *s})
	}
	o.portable.adam(theta[whole:], m[whole:], v[whole:], grad[whole:], s)
}

// activate applies the sigmoid or tanh lanes to x, for the comparison with the
// portable functions; len(x) is a multiple of 8.
func (avx2) activate(p *activateArgs) { p.n /= 8; avx2Activate(p) }

func (avx2) burn(rounds int) (flop int) {
	avx2Burn(&burnArgs{rounds})
	return rounds * 12 * 8 * 2
}
