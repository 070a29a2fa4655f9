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
	TanhLimit    = float32(9.25) // tanh 9.25 rounds to 1
	TanhSplit    = float32(0.625)
)

// ExpPoly approximates e^r on |r| ≤ ln2/2, powers 7 … 0.
func ExpPoly() [8]float32 {
	return [8]float32{1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5, 1, 1}
}

// TanhOdd and TanhEven: tanh x = x·odd(x²)/even(x²) below TanhSplit, highest
// power first. All coefficients are positive, so that no sum cancels, and the
// constant ones are 1, so that a tiny x passes unchanged. (A fit of our own,
// relative error 2e-9 before rounding.)
func TanhOdd() [2]float32 { return [2]float32{0x1.84b40ep-4, 1} }

// TanhEven is the denominator.
func TanhEven() [3]float32 { return [3]float32{0x1.346b30p-7, 0x1.b68252p-2, 1} }

func clamp(x, limit float32) float32 {
	if x < -limit {
		x = -limit
	}
	if x > limit {
		x = limit
	}
	return x
}

func horner(c []float32, x float32) float32 {
	p := c[0]
	for _, k := range c[1:] {
		p = FMA(p, x, k)
	}
	return p
}

// exp32 is e^y for |y| ≤ 87.
func exp32(y float32) float32 {
	t := FMA(y, ExpLog2E, ExpMagic)
	n := t - ExpMagic
	r := FMA(n, -ExpLn2Lo, FMA(n, -ExpLn2Hi, y))
	c := ExpPoly()
	return math.Float32frombits(math.Float32bits(horner(c[:], r)) + math.Float32bits(t)<<23)
}

// Sigmoid is 1/(1 + e^-x), x clamped to ±87; NaN passes.
func Sigmoid(x float32) float32 {
	if x != x {
		return x
	}
	return 1 / (1 + exp32(-clamp(x, SigmoidLimit)))
}

// Tanh is the hyperbolic tangent, x clamped to ±9.25; NaN passes. With a = |x|
// it is a·odd(a²)/even(a²) below TanhSplit and 1 − 2/(e^2a + 1) from there on,
// where the rational's roundings would add up; one division in either case.
func Tanh(x float32) float32 {
	if x != x {
		return x
	}
	a := math.Float32frombits(math.Float32bits(clamp(x, TanhLimit)) &^ (1 << 31))
	var y float32
	if a < TanhSplit {
		z := a * a
		odd, even := TanhOdd(), TanhEven()
		y = float32(a*horner(odd[:], z)) / horner(even[:], z)
	} else {
		y = 1 + -2/(exp32(a+a)+1)
	}
	return math.Float32frombits(math.Float32bits(y) | math.Float32bits(x)&(1<<31))
}
