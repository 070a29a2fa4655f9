package kernels

import "math"

// The float64 functions below are polynomials in plain IEEE operations, each
// product rounded by a conversion, so that no compiler may fuse it: the same
// bits on every machine, which Go's math does not promise. Errors are below
// 2 ulp on the stated ranges.

const (
	log2e  = 0x1.71547652b82fep+0
	ln2Hi  = 0x1.62e42fee00000p-1 // 33 bits: n·ln2Hi is exact
	ln2Lo  = 0x1.a39ef35793c76p-33
	piHigh = 0x1.921fb54442d18p+1
)

// Exp is e^x.
func Exp(x float64) float64 {
	switch {
	case x > 709.782712893384:
		return math.Inf(1)
	case x < -745.1332191019412:
		return 0
	}
	n := math.Floor(float64(x*log2e) + 0.5)
	r := (x - float64(n*ln2Hi)) - float64(n*ln2Lo)
	p := 1.0 / 6227020800
	for _, c := range [...]float64{
		1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320,
		1.0 / 5040, 1.0 / 720, 1.0 / 120, 1.0 / 24, 1.0 / 6, 0.5,
	} {
		p = float64(p*r) + c
	}
	p = 1 + (r + float64(float64(p*r)*r))
	return scale2(p, n)
}

// scale2 is p·2^n for |n| ≤ 1100, in two exact steps but for the last rounding.
func scale2(p, n float64) float64 {
	if n != n {
		return n
	}
	half := int(n) / 2
	return float64(p*power2(half)) * power2(int(n)-half)
}

func power2(n int) float64 { return math.Float64frombits(uint64(n+1023) << 52) }

// Log is the natural logarithm; Log(0) is -Inf and NaN below.
func Log(x float64) float64 {
	switch {
	case x != x || x > math.MaxFloat64:
		return x
	case x < 0:
		return math.NaN()
	case x == 0:
		return math.Inf(-1)
	}
	k := 0.0
	if x < 0x1p-1022 {
		x *= 0x1p54
		k = -54
	}
	bits := math.Float64bits(x)
	k += float64(int(bits>>52) - 1023)
	m := math.Float64frombits(bits&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m /= 2
		k++
	}
	f := m - 1
	s := f / (2 + f)
	z := float64(s * s)
	p := 2.0 / 23
	for _, c := range [...]float64{
		2.0 / 21, 2.0 / 19, 2.0 / 17, 2.0 / 15, 2.0 / 13, 2.0 / 11,
		2.0 / 9, 2.0 / 7, 2.0 / 5, 2.0 / 3,
	} {
		p = float64(p*z) + c
	}
	p = float64(p * z)
	h := float64(float64(0.5*f) * f)
	// log(1+f) = f − (h − s·(h + p)), h = f²/2
	return float64(k*ln2Hi) - ((h - (float64(s*(h+p)) + float64(k*ln2Lo))) - f)
}

// Log1p is log(1 + x) for x ≥ 0.
func Log1p(x float64) float64 {
	u := 1 + x
	if u == 1 {
		return x
	}
	return Log(u) + (x-(u-1))/u
}

// CosPi is cos(π·x).
func CosPi(x float64) float64 {
	x = math.Abs(x)
	x -= float64(2 * math.Floor(x/2)) // exact
	sign := 1.0
	if x > 1 {
		x = 2 - x
	}
	if x > 0.5 {
		x, sign = 1-x, -1
	}
	if x > 0.25 {
		return sign * sine(float64(piHigh*(0.5-x)))
	}
	return sign * cosine(float64(piHigh*x))
}

// cosine and sine are for 0 ≤ t ≤ π/4.
func cosine(t float64) float64 {
	z := float64(t * t)
	p := 1.0 / 20922789888000
	for _, c := range [...]float64{
		-1.0 / 87178291200, 1.0 / 479001600, -1.0 / 3628800, 1.0 / 40320, -1.0 / 720, 1.0 / 24, -0.5,
	} {
		p = float64(p*z) + c
	}
	return 1 + float64(p*z)
}

func sine(t float64) float64 {
	z := float64(t * t)
	p := -1.0 / 1307674368000
	for _, c := range [...]float64{
		1.0 / 6227020800, -1.0 / 39916800, 1.0 / 362880, -1.0 / 5040, 1.0 / 120, -1.0 / 6,
	} {
		p = float64(p*z) + c
	}
	return t + float64(float64(p*z)*t)
}
