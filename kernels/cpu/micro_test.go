package cpu

import "testing"

// BenchmarkRow is what a row of 200 units costs beside its products, in cache.
func BenchmarkRow(b *testing.B) {
	const units = 200
	f := func(n int) *float32 {
		x := make([]float32, n+16)
		for k := range x {
			x[k] = float32(k%17)/8 - 1
		}
		return &x[0]
	}
	o, err := primitives(Best())
	if err != nil {
		b.Fatal(err)
	}
	z, gates, copied := f(4*units), f(4*units), f(4*units)
	before, c, tc, h, head, after, carry := f(units), f(units), f(units), f(units), f(units), f(units), f(units)
	keep := make([]byte, 32)
	dst, src := make([]int64, 800), make([]float32, 800)
	for name, op := range map[string]func(){
		"forward":  func() { o.forward(&forwardArgs{z, 4 * units, units, gates, before, c, tc, h}) },
		"backward": func() { o.backward(&backwardArgs{gates, 4 * units, units, copied, before, tc, head, after, carry}) },
		"scale":    func() { o.scale(&scaleArgs{c, h, units, &keep[0], 0.5, 2}) },
		"keep":     func() { o.keep(&keepArgs{&keep[0], 4, 1, 2, 3, 4, 5, 6}) },
		"fixed":    func() { o.fixed(dst, src) },
		"dot":      func() { o.dot(src[:200], src[200:400]) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				op()
			}
		})
	}
}
