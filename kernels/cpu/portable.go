package cpu

import (
	"math"
	"unsafe"

	"cohort/kernels"
)

// portable is the reference: one lane at a time, FMA emulated.
type portable struct{}

var _ ops = portable{}

// at is the float32 offset bytes after p.
func at(p *float32, offset int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), offset)) }

func (portable) tile(rows int, p *tileArgs) {
	for r := range rows {
		c := unsafe.Slice(at(p.c, r*p.cRow), tileCols)
		acc := start(p.mode, c)
		for k := range p.k {
			a := *at(p.a, r*p.aRow+k*p.aStep)
			chain(&acc, a, unsafe.Slice(at(p.b, k*p.bStep), tileCols))
		}
		finish(p.mode, c, &acc)
	}
}

func (portable) gated(rows int, p *gatedArgs) {
	for r := range rows {
		c := unsafe.Slice(at(p.c, r*p.cRow), tileCols)
		acc := start(p.mode, c)
		for k := range kernels.Gates * p.k {
			a := *at(p.a, r*p.aRow+k%kernels.Gates*p.aStep+k/kernels.Gates*4)
			chain(&acc, a, unsafe.Slice(at(p.b, k*4*tileCols), tileCols))
		}
		finish(p.mode, c, &acc)
	}
}

func start(mode int, c []float32) (acc [tileCols]float32) {
	if mode == modeLoad {
		copy(acc[:], c)
	}
	return acc
}

func chain(acc *[tileCols]float32, a float32, b []float32) {
	for n := range acc {
		acc[n] = kernels.FMA(a, b[n], acc[n])
	}
}

func finish(mode int, c []float32, acc *[tileCols]float32) {
	for n := range acc {
		if mode == modeAdd {
			c[n] += acc[n]
		} else {
			c[n] = acc[n]
		}
	}
}

// gates are the four gates of a row of units.
func gates(z *float32, stride, units int) (g [kernels.Gates][]float32) {
	for k := range g {
		g[k] = unsafe.Slice(at(z, k*stride), units)
	}
	return g
}

func (portable) forward(p *forwardArgs) {
	units := 8 * p.n
	g := gates(p.z, p.stride, units)
	c, tc, h := unsafe.Slice(p.c, units), unsafe.Slice(p.tc, units), unsafe.Slice(p.h, units)
	for u := range units {
		g[0][u] = kernels.Sigmoid(g[0][u])
		g[1][u] = kernels.Sigmoid(g[1][u])
		g[2][u] = kernels.Tanh(g[2][u])
		g[3][u] = kernels.Sigmoid(g[3][u])
		c[u] = float32(g[0][u] * g[2][u])
		if p.before != nil {
			c[u] = kernels.FMA(g[1][u], *at(p.before, 4*u), c[u])
		}
		tc[u] = kernels.Tanh(c[u])
		h[u] = g[3][u] * tc[u]
	}
}

func (portable) backward(p *backwardArgs) {
	units := 8 * p.n
	z := gates(p.z, p.stride, units)
	tcs, dhs, carry := unsafe.Slice(p.tc, units), unsafe.Slice(p.dh, units), unsafe.Slice(p.carry, units)
	fma := kernels.FMA
	for u := range units {
		i, f, g, o := z[0][u], z[1][u], z[2][u], z[3][u]
		tc, dh := tcs[u], dhs[u]
		dc := fma(float32(dh*o), fma(-tc, tc, 1), carry[u])
		z[3][u] = float32(dh*tc) * fma(-o, o, o)
		z[0][u] = float32(dc*g) * fma(-i, i, i)
		z[1][u] = 0
		if p.before != nil {
			z[1][u] = float32(dc**at(p.before, 4*u)) * fma(-f, f, f)
		}
		z[2][u] = float32(dc*i) * fma(-g, g, 1)
		carry[u] = dc * f
	}
}

func (portable) fixed(dst []int64, src []float32) bool {
	good := true
	for k, x := range src {
		q, ok := kernels.ToFixed(x)
		good = good && ok
		dst[k] += q
	}
	return good
}

func (portable) dot(a, b []float32) float32 {
	var lane [tileCols]float32
	for k := range a {
		lane[k%tileCols] = kernels.FMA(a[k], b[k], lane[k%tileCols])
	}
	for n := tileCols / 2; n > 0; n /= 2 {
		for l := range n {
			lane[l] += lane[l+n]
		}
	}
	return lane[0]
}

func (portable) adam(theta, m, v, grad []float32, s *adamScalars) {
	fma := kernels.FMA
	for k, g := range grad {
		m[k] = flush(fma(s.beta1, m[k], float32(s.rest1*g)), 0x1p-100)
		v[k] = flush(fma(s.beta2, v[k], float32(float32(s.rest2*g)*g)), 0x1p-120)
		root := float32(float32(math.Sqrt(float64(v[k])))*s.root) + s.epsilon
		theta[k] = fma(s.minusRate, m[k]/root, fma(s.minusDecay, theta[k], theta[k]))
	}
}

// flush makes a magnitude below least +0, so that unused rows do not become
// subnormal for ever; NaN stays.
func flush(x, least float32) float32 {
	if math.Abs(float64(x)) < float64(least) {
		return 0
	}
	return x
}
