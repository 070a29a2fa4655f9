package cpu

import (
	"math"
	"unsafe"

	"cohort/kernels"
)

// portable is the reference: one lane at a time, FMA emulated.
type portable struct{}

var _ ops = portable{}

// at is what lies offset bytes after p.
func at[T any](p *T, offset int) *T { return (*T)(unsafe.Add(unsafe.Pointer(p), offset)) }

// portableColumns is a panel's width; heights come one by one.
const portableColumns = 16

func (portable) tiles() (heights []int, columns int) { return []int{1}, portableColumns }

func (portable) tile(rows int, p *tileArgs) {
	for r := range rows {
		c := unsafe.Slice(at(p.c, r*p.cRow), portableColumns)
		var acc [portableColumns]float32
		if p.start != nil {
			start := *at(p.start, r*pointerSize)
			copy(acc[:], unsafe.Slice((*float32)(unsafe.Add(start, p.at)), portableColumns))
		}
		for k := range p.k {
			chain(acc[:], *at(p.a, r*p.aRow+k*p.aStep), at(p.b, k*p.bStep))
		}
		copy(c, acc[:])
	}
}

const pointerSize = int(unsafe.Sizeof(uintptr(0)))

func (portable) gated(rows, columns int, p *tileArgs) {
	for r := range rows {
		c := unsafe.Slice(at(p.c, r*p.cRow), columns)
		for first := 0; first < p.k; first += p.block {
			acc := make([]float32, columns)
			for k := kernels.Gates * first; k < kernels.Gates*min(first+p.block, p.k); k++ {
				a := *at(p.a, r*p.aRow+k%kernels.Gates*p.aStep+k/kernels.Gates*4)
				chain(acc, a, at(p.b, k*4*columns))
			}
			for n, v := range acc {
				if first > 0 {
					v = c[n] + v
				}
				c[n] = v
			}
		}
	}
}

// chain adds a·b to each entry of acc.
func chain(acc []float32, a float32, b *float32) {
	for n, v := range unsafe.Slice(b, len(acc)) {
		acc[n] = kernels.FMA(a, v, acc[n])
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
	z, g := gates(p.z, p.stride, p.n), gates(p.gates, p.stride, p.n)
	c, tc, h := unsafe.Slice(p.c, p.n), unsafe.Slice(p.tc, p.n), unsafe.Slice(p.h, p.n)
	for u := range p.n {
		g[0][u] = kernels.Sigmoid(z[0][u])
		g[1][u] = kernels.Sigmoid(z[1][u])
		g[2][u] = kernels.Tanh(z[2][u])
		g[3][u] = kernels.Sigmoid(z[3][u])
		c[u] = float32(g[0][u] * g[2][u])
		if p.before != nil {
			c[u] = kernels.FMA(g[1][u], *at(p.before, 4*u), c[u])
		}
		tc[u] = kernels.Tanh(c[u])
		h[u] = g[3][u] * tc[u]
	}
}

func (portable) backward(p *backwardArgs) {
	z, double := gates(p.gates, p.stride, p.n), gates(p.copy, p.stride, p.n)
	fma := kernels.FMA
	for u := range p.n {
		i, f, g, o := z[0][u], z[1][u], z[2][u], z[3][u]
		tc, dh, carry := *at(p.tc, 4*u), *at(p.head, 4*u), float32(0)
		if p.after != nil {
			dh += *at(p.after, 4*u)
			carry = *at(p.carry, 4*u)
		}
		dc := fma(float32(dh*o), fma(-tc, tc, 1), carry)
		z[3][u] = float32(dh*tc) * fma(-o, o, o)
		z[0][u] = float32(dc*g) * fma(-i, i, i)
		z[1][u] = 0
		if p.before != nil {
			z[1][u] = float32(dc**at(p.before, 4*u)) * fma(-f, f, f)
		}
		z[2][u] = float32(dc*i) * fma(-g, g, 1)
		*at(p.carry, 4*u) = dc * f
		for k := range double {
			double[k][u] = z[k][u]
		}
	}
}

func (portable) scale(p *scaleArgs) {
	dst, src := unsafe.Slice(p.dst, p.n), unsafe.Slice(p.src, p.n)
	for u, x := range src {
		dst[u] = x * p.factor
		if p.keep == nil {
			continue
		}
		dst[u] *= p.gain
		if *at(p.keep, u/8)>>(u%8)&1 == 0 {
			dst[u] = 0
		}
	}
}

func (portable) keep(p *keepArgs) {
	dst := unsafe.Slice(p.dst, p.n*keepUnits/8)
	clear(dst)
	for n := range p.n * keepUnits / 4 {
		for w, word := range kernels.Philox([2]uint32{p.key0, p.key1}, [4]uint32{p.c0, p.c1, p.c2, uint32(n)}) {
			if word >= p.least {
				dst[n/2] |= 1 << (n%2*4 + w)
			}
		}
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

func (portable) mean(dst []float32, src []int64, scale float64) bool {
	good := true
	for k, q := range src {
		good = good && q < kernels.SumLimit && q > -kernels.SumLimit
		dst[k] = kernels.FromFixed(q, scale)
	}
	return good
}

func (portable) touch(*touchArgs) {}

// lanes is the number of the head's partial sums.
const lanes = 16

func (portable) dot(a, b []float32) float32 {
	var lane [lanes]float32
	for k := range a {
		lane[k%lanes] = kernels.FMA(a[k], b[k], lane[k%lanes])
	}
	for n := lanes / 2; n > 0; n /= 2 {
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

// burn does rounds of independent chains and counts their operations.
func (portable) burn(rounds int) (flop int) {
	var acc [12]float32
	for range rounds {
		for k := range acc {
			acc[k] = kernels.FMA(0.5, acc[k], 1)
		}
	}
	return rounds * len(acc) * 2
}
