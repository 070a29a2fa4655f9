package kernels

import "math"

// FMA is x·y + z rounded once to float32, on every machine. float32(math.FMA)
// rounds twice; instead the exact float64 product is added with round-to-odd,
// after which the second rounding is harmless (Boldo and Melquiond 2008).
func FMA(x, y, z float32) float32 { return fmaF32(x, y, z) }

// fmaF32's product is exact, and kept apart from the sum.
func fmaF32(x, y, z float32) float32 {
	p := float64(float64(x) * float64(y))
	c := float64(z)
	s := p + c
	b := s - p
	e := (p - (s - b)) + (c - b)
	if e == 0 || e != e {
		return float32(s) // exact, or not finite
	}
	bits := math.Float64bits(s)
	if bits&1 == 0 {
		if (e > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
	}
	return float32(math.Float64frombits(bits))
}
