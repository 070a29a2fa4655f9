package main

import (
	"math"

	"cohort/kernels"
)

// scratch are registers that sigmoid and tanh may spoil.
type scratch [8]string

func (a *assembler) scratch(from int) (t scratch) {
	for k := range t {
		t[k] = a.v(from + k)
	}
	return t
}

// holdMath keeps the constants of sigmoid and tanh in registers.
func (a *assembler) holdMath() {
	poly := kernels.ExpPoly()
	a.hold(append(poly[1:], kernels.ExpMagic, kernels.ExpLog2E, -kernels.ExpLn2Hi, -kernels.ExpLn2Lo, 1,
		kernels.SigmoidLimit, -kernels.SigmoidLimit, kernels.TanhLimit, -kernels.TanhLimit)...)
}

// exp leaves e^t[0] in t[2]; it spoils t[0] to t[3].
func (a *assembler) exp(t scratch) {
	a.spread(kernels.ExpMagic, t[1])
	a.op("VFMADD231PS %s, %s, %s", t[0], a.get(kernels.ExpLog2E, t[2]), t[1]) // t = y·log2e + magic
	a.op("VSUBPS %s, %s, %s", a.get(kernels.ExpMagic, t[2]), t[1], t[2])      // n
	a.op("VFMADD231PS %s, %s, %s", t[2], a.get(-kernels.ExpLn2Hi, t[3]), t[0])
	a.op("VFMADD231PS %s, %s, %s", t[2], a.get(-kernels.ExpLn2Lo, t[3]), t[0]) // r
	a.op("VPSLLD $23, %s, %s", t[1], t[1])
	poly := kernels.ExpPoly()
	a.chain(poly[:], t[0], t[2], t[3])
	a.op("VPADDD %s, %s, %s", t[1], t[2], t[2])
}

// chain evaluates a polynomial, highest power first, at register v into out.
func (a *assembler) chain(c []float32, v, out, scratch string) {
	a.spread(c[0], out)
	for _, k := range c[1:] {
		a.with(k, v, out, scratch)
	}
}

// limit puts x, clamped to ±limit, into to; a NaN of x passes.
func (a *assembler) limit(x string, limit float32, to, t string) {
	a.op("VMAXPS %s, %s, %s", x, a.get(-limit, to), to)
	a.op("VMINPS %s, %s, %s", to, a.get(limit, t), to)
}

// keepNaN blends y into x where x is a number.
func (a *assembler) keepNaN(x, y, t string) {
	if a.wide() {
		a.op("VCMPPS $7, %s, %s, K1", x, x)
		a.op("VMOVAPS %s, K1, %s", y, x)
		return
	}
	a.op("VCMPPS $3, %s, %s, %s", x, x, t)
	a.op("VBLENDVPS %s, %s, %s, %s", t, x, y, x)
}

// below prepares choose: is x less than the limit?
func (a *assembler) below(x string, limit float32, t string) {
	a.spread(limit, t)
	if a.wide() {
		a.op("VCMPPS $1, %s, %s, K2", t, x)
		return
	}
	a.op("VCMPPS $1, %s, %s, %s", t, x, t)
}

// choose blends yes into no where below, whose register is t, held.
func (a *assembler) choose(yes, no, t string) {
	if a.wide() {
		a.op("VMOVAPS %s, K2, %s", yes, no)
		return
	}
	a.op("VBLENDVPS %s, %s, %s, %s", t, yes, no, no)
}

// erase zeroes x where below held.
func (a *assembler) erase(x, t string) {
	if a.wide() {
		a.op("VPXORD %s, %s, K2, %s", x, x, x)
		return
	}
	a.op("VANDNPS %s, %s, %s", x, t, x)
}

// sigmoid turns register x into its sigmoid.
func (a *assembler) sigmoid(x string, t scratch) {
	a.limit(x, kernels.SigmoidLimit, t[0], t[1])
	a.spread(float32(math.Copysign(0, -1)), t[1])
	a.op("VXORPS %s, %s, %s", t[1], t[0], t[0])
	a.exp(t)
	one := a.get(1, t[1])
	a.op("VADDPS %s, %s, %s", t[2], one, t[2])
	a.op("VDIVPS %s, %s, %s", t[2], one, t[2])
	a.keepNaN(x, t[2], t[1])
}

// tanh turns register x into its hyperbolic tangent: both forms' numerators and
// denominators, one division.
func (a *assembler) tanh(x string, t scratch) {
	magnitude := a.word(0x7fffffff)
	a.limit(x, kernels.TanhLimit, t[4], t[1])
	a.op("VBROADCASTSS %s, %s", magnitude, t[5])
	a.op("VANDPS %s, %s, %s", t[5], t[4], t[4]) // a = |x|
	a.op("VADDPS %s, %s, %s", t[4], t[4], t[0])
	a.exp(t)
	a.spread(1, t[7])
	a.op("VADDPS %s, %s, %s", t[2], t[7], t[6]) // e^2a + 1
	a.op("VMULPS %s, %s, %s", t[4], t[4], t[0]) // a²
	odd, even := kernels.TanhOdd(), kernels.TanhEven()
	a.chain(odd[:], t[0], t[1], t[3])
	a.chain(even[:], t[0], t[2], t[3])
	a.op("VMULPS %s, %s, %s", t[1], t[4], t[1])
	a.below(t[4], kernels.TanhSplit, t[3])
	a.spread(-2, t[0])
	a.choose(t[1], t[0], t[3])
	a.choose(t[2], t[6], t[3])
	a.op("VDIVPS %s, %s, %s", t[6], t[0], t[0])
	a.erase(t[7], t[3]) // 1 from the split on, 0 below
	a.op("VADDPS %s, %s, %s", t[7], t[0], t[0])
	a.op("VANDNPS %s, %s, %s", x, t[5], t[5]) // the sign of x
	a.op("VORPS %s, %s, %s", t[5], t[0], t[0])
	a.keepNaN(x, t[0], t[1])
}
