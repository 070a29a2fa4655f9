package kernels

import "math"

// Coefficients of Sigmoid and Tanh, float32, highest power first. The vector
// paths use these very values.
const (
	SigmoidLimit = 87
	ExpLog2E     = float32(0x1.715476p+0)
	ExpMagic     = float32(0x1.8p+23) // adding it rounds to an integer in the low bits
	ExpLn2Hi     = float32(0x1.62e400p-1)
	ExpLn2Lo     = float32(0x1.7f7d1cp-20)
	TanhLimit    = float32(9) // tanh 9 rounds to 1
)

// ExpPoly approximates e^r on |r| ≤ ln2/2, powers 7 … 0.
func ExpPoly() [8]float32 {
	return [8]float32{1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1}
}

// TanhOdd and TanhEven: tanh x = x·odd(x²)/even(x²), highest power first. All
// coefficients are positive, so that no sum cancels, and the constant ones are
// 1, so that a tiny x passes unchanged. (A fit of our own on |x| ≤ 9, relative
// error 1e-9 before rounding.)
func TanhOdd() [5]float32 {
	return [5]float32{0x1.b53cf0p-25, 0x1.09579ep-15, 0x1.06d562p-8, 0x1.1a5b62p-3, 1}
}

// TanhEven is the denominator.
func TanhEven() [6]float32 {
	return [6]float32{0x1.96e3dap-31, 0x1.b30b22p-20, 0x1.b98dfep-12, 0x1.c69254p-6, 0x1.e28306p-2, 1}
}

func clamp(x, limit float32) float32 {
	if x < -limit {
		x = -limit
	}
	if x > limit {
		x = limit
	}
	return x
}

// Sigmoid is 1/(1 + e^-x), x clamped to ±87; NaN passes.
func Sigmoid(x float32) float32 {
	y := -clamp(x, SigmoidLimit)
	t := FMA(y, ExpLog2E, ExpMagic)
	n := t - ExpMagic
	r := FMA(n, -ExpLn2Lo, FMA(n, -ExpLn2Hi, y))
	c := ExpPoly()
	p := c[0]
	for _, k := range c[1:] {
		p = FMA(p, r, k)
	}
	e := math.Float32frombits(math.Float32bits(p) + math.Float32bits(t)<<23)
	if x != x {
		return x
	}
	return 1 / (1 + e)
}

// Tanh is the hyperbolic tangent, x clamped to ±9; NaN passes.
func Tanh(x float32) float32 {
	x = clamp(x, TanhLimit)
	z := x * x
	odd, even := TanhOdd(), TanhEven()
	p, q := odd[0], even[0]
	for _, k := range odd[1:] {
		p = FMA(p, z, k)
	}
	for _, k := range even[1:] {
		q = FMA(q, z, k)
	}
	return float32(x*p) / q
}
