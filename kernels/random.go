package kernels

import "math"

// DropThreshold is floor(rate·2^32): a unit whose word is below it is dropped.
func (d Dropout) DropThreshold() uint32 { return uint32(math.Floor(d.Rate * 0x1p32)) }

// Gain is s = 1/(1−rate), the factor of what is kept.
func (d Dropout) Gain() float32 { return float32(1 / (1 - d.Rate)) }

// Word is the dropout word of unit u of layer l after step t of a sequence.
func (d Dropout) Word(sequence uint32, l, t, u int) uint32 {
	ctr := [4]uint32{d.Epoch, sequence, uint32(t), uint32(u / 4)}
	return Philox([2]uint32{d.Seed, PurposeDropout + uint32(l)}, ctr)[u%4]
}

// Keeps reports whether that unit is kept.
func (d Dropout) Keeps(sequence uint32, l, t, u int) bool {
	return d.Word(sequence, l, t, u) >= d.DropThreshold()
}

// Normal is a standard normal number of two words (Box and Muller 1958).
func Normal(a, b uint32) float64 {
	return float64(math.Sqrt(-2*Log(Uniform(a))) * CosPi(2*Uniform(b)))
}

// InitParams draws starting weights from PyTorch's distributions: E from
// N(0, 1); all of an LSTM layer, of a direct table and of the head from
// U(−1/√H, 1/√H), a layer's single bias as the sum of the two that PyTorch has.
// The counter is (tensor, element), tensors numbered in the order of Params. The
// rows of kinds, from the third on, are a quarter of such draws at counter (0,
// element, 1); those of the first two, and of levels, are zero.
func InitParams(s Shape, seed uint32) *Params {
	p := NewParams(s)
	key := [2]uint32{seed, PurposeInit}
	tensor := uint32(0)
	fill := func(v []float32, draw func(w [4]uint32) float64) {
		for k := range v {
			v[k] = float32(draw(Philox(key, [4]uint32{tensor, uint32(k), 0, 0})))
		}
		tensor++
	}
	own, kinds := p.E()[:2*s.Skills*s.RowWidth()], p.E()[2*s.Skills*s.RowWidth():]
	bound := 1 / math.Sqrt(float64(s.Hidden))
	uniform := func(w uint32) float64 { return float64(bound * (float64(2*Uniform(w)) - 1)) }
	one := func(w [4]uint32) float64 { return uniform(w[0]) }
	embed := one
	if !s.Direct() {
		embed = func(w [4]uint32) float64 { return Normal(w[0], w[1]) }
	}
	fill(own, embed)
	for k := min(2*s.RowWidth(), len(kinds)); k < len(kinds); k++ {
		kinds[k] = float32(0.25 * embed(Philox(key, [4]uint32{0, uint32(k), 1, 0})))
	}
	for l := range s.Layers {
		fill(p.Wx(l), one)
		fill(p.U(l), one)
		fill(p.B(l), func(w [4]uint32) float64 { return uniform(w[0]) + uniform(w[1]) })
	}
	fill(p.Wout()[:s.Skills*s.Hidden], one)
	fill(p.Bout()[:s.Skills], one)
	return p
}
