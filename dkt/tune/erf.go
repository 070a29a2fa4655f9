package tune

import (
	"math"

	"cohort/kernels"
)

// erf is the error function, with an error of less than 1e-14: the series of
// positive terms e^(−x²)·2/√π·Σ 2^n·x^(2n+1)/(2n+1)!!. Go's math.Erf is not the
// same on every machine.
func erf(x float64) float64 {
	a := math.Abs(x)
	if a >= 6 {
		return math.Copysign(1, x)
	}
	z := float64(a * a)
	term, sum := a, a
	for n := 1; term > float64(sum*0x1p-54); n++ {
		term = float64(term*float64(2*z)) / float64(2*n+1)
		sum += term
	}
	const twoOverRootPi = 1.1283791670955126
	return math.Copysign(min(float64(float64(twoOverRootPi*kernels.Exp(-z))*sum), 1), x)
}

// mass is the part of a normal distribution that lies between low and high.
func mass(mean, deviation, low, high float64) float64 {
	at := func(x float64) float64 { return erf(float64((x - mean) / float64(deviation*math.Sqrt2))) }
	return float64(0.5 * (at(high) - at(low)))
}
