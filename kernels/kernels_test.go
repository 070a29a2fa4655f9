package kernels

import (
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// source is the tests' chance; COHORT_SEED replays a run.
func source(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if s := os.Getenv("COHORT_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("COHORT_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// exactFMA rounds x·y + z once, by big floats of more than enough bits.
func exactFMA(x, y, z float32) float32 {
	exact := func(v float32) *big.Float { return new(big.Float).SetPrec(1000).SetFloat64(float64(v)) }
	sum := exact(x)
	sum.Mul(sum, exact(y)).Add(sum, exact(z))
	if sum.Sign() == 0 {
		return 0
	}
	f, _ := sum.Float32()
	return f
}

// naiveFMA rounds twice.
func naiveFMA(x, y, z float32) float32 {
	return float32(math.FMA(float64(x), float64(y), float64(z)))
}

// tie draws operands whose exact sum lies so near to the middle of z and its
// neighbour that a float64 rounding lands on the middle; the sum rounds to z.
// The product is half an ulp of z times 1 − a², from factors 1 + a and 1 − a.
func tie(r *rand.Rand, z, ulp float32, bits uint) (x, y float32) {
	a := math.Float32frombits(uint32(127-bits) << 23)
	// half an ulp is the product of two powers of two, neither subnormal
	at := int(math.Float32bits(ulp)>>23) - 127 - 1
	if ulp < 0x1p-126 {
		at = -150
	}
	first := at/2 + r.IntN(41) - 20
	x = float32(math.Ldexp(float64(1+a), first))
	y = float32(math.Ldexp(float64(1-a), at-first))
	if (z < 0) != (r.Uint32()&1 == 0) { // away from zero or towards it
		return -x, y
	}
	return x, y
}

// normalTie's results have 24 bits.
func normalTie(r *rand.Rand) (x, y, z float32) {
	exponent := 77 + r.Uint32N(100)
	z = math.Float32frombits(exponent<<23 | (1 + r.Uint32N(1<<23-1)) | r.Uint32()&(1<<31))
	x, y = tie(r, z, math.Float32frombits((exponent-23)<<23), 15+r.UintN(8))
	return x, y, z
}

// subnormalTie's results lie below 2^-126: an ulp is 2^-149.
func subnormalTie(r *rand.Rand) (x, y, z float32) {
	z = math.Float32frombits(1<<15 + r.Uint32N(1<<23-1<<15) | r.Uint32()&(1<<31))
	x, y = tie(r, z, math.SmallestNonzeroFloat32, 20+r.UintN(4))
	return x, y, z
}

func TestFMARoundsOnce(t *testing.T) {
	for name, draw := range map[string]func(*rand.Rand) (x, y, z float32){
		"normal": normalTie, "subnormal": subnormalTie,
	} {
		t.Run(name, func(t *testing.T) {
			r := source(t)
			naiveWrong := 0
			for k := range 1_000_000 {
				x, y, z := draw(r)
				if got := FMA(x, y, z); got != z {
					t.Fatalf("FMA(%x, %x, %x) is %x, want %x", x, y, z, got, z)
				}
				if naiveFMA(x, y, z) != z {
					naiveWrong++
				}
				if want := exactFMA(x, y, z); k%100 == 0 && want != z {
					t.Fatalf("%x·%x + %x is %x: the draw is no tie", x, y, z, want)
				}
			}
			t.Logf("the naive form is wrong in %d of 1,000,000", naiveWrong)
			if naiveWrong < 400_000 {
				t.Error("the naive form passes: these are no double-rounding ties")
			}
		})
	}
}

func TestFMAOfSubnormalsAndOfAnything(t *testing.T) {
	r := source(t)
	for k := range 1_000_000 {
		// products around 2^-149, sums that are subnormal
		x := math.Float32frombits(uint32(127-75+r.UintN(8))<<23 | r.Uint32N(1<<23) | r.Uint32()&(1<<31))
		y := math.Float32frombits(uint32(127-75+r.UintN(8))<<23 | r.Uint32N(1<<23))
		z := math.Float32frombits(r.Uint32N(1<<20) | r.Uint32()&(1<<31))
		want := subnormalFMA(x, y, z)
		if got := FMA(x, y, z); got != want {
			t.Fatalf("FMA(%x, %x, %x) is %x, want %x", x, y, z, got, want)
		}
		if k%50 == 0 {
			x, y, z = any32(r), any32(r), any32(r)
			if got, want := FMA(x, y, z), exactFMA(x, y, z); got != want {
				t.Fatalf("FMA(%x, %x, %x) is %x, want %x", x, y, z, got, want)
			}
		}
	}
}

// subnormalFMA rounds in integers, in units of 2^-149: to nearest, ties to even.
func subnormalFMA(x, y, z float32) float32 {
	mx, ex := parts(x)
	my, ey := parts(y)
	mz, _ := parts(z)
	const shift = 62 // the sum is exact in units of 2^-211
	hi, lo := bits.Mul64(mx, my)
	down := -149 - shift - (ex + ey) // negative: the product shifts up
	if down > 0 || hi != 0 {
		panic("not a draw of TestFMAOfSubnormalsAndOfAnything")
	}
	product := new(big.Int).Lsh(new(big.Int).SetUint64(lo), uint(-down))
	if (x < 0) != (y < 0) {
		product.Neg(product)
	}
	sum := new(big.Int).Lsh(new(big.Int).SetUint64(mz), shift)
	if z < 0 {
		sum.Neg(sum)
	}
	sum.Add(sum, product)
	magnitude := new(big.Int).Abs(sum)
	whole := new(big.Int).Rsh(magnitude, shift)
	rest := new(big.Int).Sub(magnitude, new(big.Int).Lsh(whole, shift))
	n := whole.Uint64()
	switch rest.Cmp(new(big.Int).Lsh(big.NewInt(1), shift-1)) {
	case 1:
		n++
	case 0:
		n += n & 1
	}
	return float32(math.Copysign(float64(n)*0x1p-149, float64(sum.Sign())))
}

// parts are |v| = m·2^e.
func parts(v float32) (m uint64, e int) {
	b := math.Float32bits(v)
	m, e = uint64(b&(1<<23-1)), int(b>>23&0xff)
	if e == 0 {
		return m, -149
	}
	return m | 1<<23, e - 150
}

func any32(r *rand.Rand) float32 {
	for {
		v := math.Float32frombits(uint32(64+r.UintN(100))<<23 | r.Uint32N(1<<23) | r.Uint32()&(1<<31))
		if !math.IsInf(float64(v), 0) {
			return v
		}
	}
}

func TestFMAOfWhatIsNotFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	nan := float32(math.NaN())
	for _, c := range [][4]float32{
		{inf, 1, 1, inf},
		{1, 1, -inf, -inf},
		{inf, 0, 1, nan},
		{inf, 1, -inf, nan},
		{nan, 1, 1, nan},
		{math.MaxFloat32, 2, 0, inf},
		{math.MaxFloat32, 2, -math.MaxFloat32, math.MaxFloat32},
	} {
		got := FMA(c[0], c[1], c[2])
		if got != c[3] && !(got != got && c[3] != c[3]) {
			t.Errorf("FMA(%g, %g, %g) is %g, want %g", c[0], c[1], c[2], got, c[3])
		}
	}
}

// ulps is the distance of got from want in units of want's last place.
func ulps(got float32, want float64) float64 {
	w := float32(math.Abs(want))
	return math.Abs(float64(got)-want) / float64(math.Nextafter32(w, math.MaxFloat32)-w)
}

func TestSigmoidAndTanhAreAccurate(t *testing.T) {
	var worstS, worstT float64
	for bits := uint32(0); bits < math.Float32bits(9.25); bits += 1009 {
		for _, sign := range []uint32{0, 1 << 31} {
			x := math.Float32frombits(bits | sign)
			worstS = max(worstS, ulps(Sigmoid(x), 1/(1+math.Exp(-float64(x)))))
			worstT = max(worstT, ulps(Tanh(x), math.Tanh(float64(x))))
		}
	}
	for x := float32(9); x < 87; x += 0.013 {
		worstS = max(worstS, ulps(Sigmoid(-x), 1/(1+math.Exp(float64(x)))), ulps(Sigmoid(x), 1/(1+math.Exp(-float64(x)))))
	}
	t.Logf("sigmoid %.2f ulp, tanh %.2f ulp", worstS, worstT)
	if worstS > 4 || worstT > 4 {
		t.Error("less accurate than the contract says")
	}
	if Tanh(50) != 1 || Tanh(-50) != -1 || Sigmoid(0) != 0.5 {
		t.Error("the ends are wrong")
	}
	nan := math.Float32frombits(0x7fc00001)
	if s, h := Sigmoid(nan), Tanh(nan); s == s || h == h {
		t.Error("a NaN was lost")
	}
}

func TestDoubleFunctionsAreAccurate(t *testing.T) {
	r := source(t)
	relative := func(got, want float64) float64 { return math.Abs(got-want) / math.Abs(want) * 0x1p52 }
	var worst [4]float64
	for range 200_000 {
		u := r.Float64()
		x := (u - 0.5) * 1400
		worst[0] = max(worst[0], relative(Exp(x), math.Exp(x)))
		y := math.Exp((u - 0.5) * 1000)
		worst[1] = max(worst[1], relative(Log(y), math.Log(y)))
		for _, near := range []float64{u, 2 * u, 1 - 0x1p-12*u, 1 + 0x1p-12*u} {
			worst[1] = max(worst[1], relative(Log(near), math.Log(near)))
		}
		worst[2] = max(worst[2], relative(Log1p(u), math.Log1p(u)))
		worst[2] = max(worst[2], relative(Log1p(0x1p-20*u), math.Log1p(0x1p-20*u)))
		worst[3] = max(worst[3], math.Abs(CosPi(8*u)-math.Cos(math.Pi*math.Mod(8*u, 2)))*0x1p52)
	}
	t.Logf("exp %.2f, log %.2f, log1p %.2f ulp; cosPi %.2f · 2^-52", worst[0], worst[1], worst[2], worst[3])
	if worst[0] > 2 || worst[1] > 2 || worst[2] > 2 || worst[3] > 8 {
		t.Error("less accurate than the contract says")
	}
	for _, c := range []struct{ got, want float64 }{
		{Exp(1000), math.Inf(1)},
		{Exp(-1000), 0},
		{Log(0), math.Inf(-1)},
		{Log(math.Inf(1)), math.Inf(1)},
		{Exp(-745), math.Exp(-745)},
		{CosPi(0.5), 0},
		{CosPi(1), -1},
		{Log(1), 0},
	} {
		if c.got != c.want {
			t.Errorf("got %g, want %g", c.got, c.want)
		}
	}
	if v := Log(-1); v == v {
		t.Error("log of a negative number")
	}
	if v := Exp(math.NaN()); v == v {
		t.Error("exp of NaN")
	}
}

// Random123's known answers.
func TestPhiloxGivesTheKnownAnswers(t *testing.T) {
	const f = 0xffffffff
	for _, c := range []struct {
		key  [2]uint32
		ctr  [4]uint32
		want [4]uint32
	}{
		{want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[2]uint32{f, f}, [4]uint32{f, f, f, f}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{
			[2]uint32{0xa4093822, 0x299f31d0},
			[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
			[4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1},
		},
	} {
		if got := Philox(c.key, c.ctr); got != c.want {
			t.Errorf("Philox(%x, %x) is %x, want %x", c.key, c.ctr, got, c.want)
		}
	}
}

func TestTheDoorRoundsToEvenAndRefusesWhatIsTooLarge(t *testing.T) {
	for _, c := range []struct {
		x float32
		q int64
	}{{1, 1 << 30}, {-1, -1 << 30}, {0x1p-31, 0}, {0x1.8p-30, 2}, {-0x1.8p-30, -2}, {0x1.4p-29, 2}} {
		if q, ok := ToFixed(c.x); !ok || q != c.q {
			t.Errorf("%g becomes %d, want %d", c.x, q, c.q)
		}
	}
	for _, x := range []float32{0x1p15, -0x1p15, float32(math.Inf(1)), float32(math.NaN())} {
		if _, ok := ToFixed(x); ok {
			t.Errorf("%g passed", x)
		}
	}
	if got := FromFixed(3<<30, Scale(2)); got != 1.5 {
		t.Errorf("3/2 is %g", got)
	}
}

func TestInitHasTheRightSpread(t *testing.T) {
	p := InitParams(Shape{Skills: 200, Embed: 100, Hidden: 64, Layers: 1}, 3)
	var sum, squares float64
	for _, v := range p.E() {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(len(p.E()))
	if mean, variance := sum/n, squares/n; math.Abs(mean) > 0.02 || math.Abs(variance-1) > 0.03 {
		t.Errorf("E has mean %g and variance %g", mean, variance)
	}
	var low, high float32
	for _, v := range p.U(0) {
		low, high = min(low, v), max(high, v)
	}
	if low < -0.125 || high > 0.125 || low > -0.124 || high < 0.124 {
		t.Errorf("U spans %g to %g, want ±1/8", low, high)
	}
	var wide float32
	for _, v := range p.B(0) {
		wide = max(wide, v)
	}
	if wide <= 0.125 || wide > 0.25 {
		t.Errorf("the largest bias is %g: it should be a sum of two draws", wide)
	}
}

func TestDropoutKeepsItsShare(t *testing.T) {
	d := Dropout{Seed: 1, Epoch: 2, Rate: 0.3}
	kept := 0
	for u := range 100_000 {
		if d.Keeps(7, 0, 3, u) {
			kept++
		}
	}
	if share := float64(kept) / 100_000; math.Abs(share-0.7) > 0.01 {
		t.Errorf("kept %g, want 0.7", share)
	}
	if d.Gain() != float32(1/0.7) {
		t.Errorf("gain %g", d.Gain())
	}
	// the threshold itself is kept
	edge := Dropout{Seed: 1, Epoch: 2}
	edge.Rate = float64(edge.Word(7, 0, 3, 5)) * 0x1p-32
	if !edge.Keeps(7, 0, 3, 5) {
		t.Error("a word at the threshold was dropped")
	}
	edge.Rate += 0x1p-32
	if edge.Keeps(7, 0, 3, 5) {
		t.Error("a word below the threshold was kept")
	}
	same := 0
	for u := range 1000 {
		if d.Keeps(7, 0, 3, u) == d.Keeps(7, 1, 3, u) {
			same++
		}
	}
	if same == 1000 {
		t.Error("two layers share their chance")
	}
}

func TestErrorsNameTensorAndStep(t *testing.T) {
	for _, c := range []struct {
		err  NonFiniteError
		want string
	}{
		{NonFiniteError{"U", 3, -1}, "U is not finite or out of range (sequence 3)"},
		{NonFiniteError{"logit", 3, 4}, "logit is not finite or out of range (sequence 3, step 4)"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

// A model with further inputs begins with the weights of the plain one: what is
// beside them is small or zero.
func TestFurtherInputsBeginBesideThePlainWeights(t *testing.T) {
	for _, embed := range []int{5, 0} {
		plain := InitParams(Shape{Skills: 4, Embed: embed, Hidden: 6, Layers: 2}, 7)
		s := Vocabulary{Skills: 4, Levels: 3, Paces: 2}.Shape(plain.Shape)
		if s.Kinds != 12 || s.Levels != 3 || s.Rows() != 48 || s.Asks() != 12 || s.EmbedRows() != 20 || s.HeadRows() != 7 {
			t.Fatalf("shape %+v", s)
		}
		p := InitParams(s, 7)
		n := len(plain.E())
		for name, pair := range map[string][2][]float32{
			"E": {plain.E(), p.E()[:n]}, "LSTM": {plain.LSTM(), p.LSTM()},
			"Wout": {plain.Wout(), p.Wout()[:len(plain.Wout())]}, "Bout": {plain.Bout(), p.Bout()[:4]},
		} {
			if !slices.Equal(pair[0], pair[1]) {
				t.Errorf("%s begins elsewhere", name)
			}
		}
		for k, v := range p.E()[n:] {
			if (v == 0) != (k < 2*s.RowWidth()) || math.Abs(float64(v)) > 1.5 {
				t.Errorf("entry %d of the kinds is %g", k, v)
			}
		}
		if slices.ContainsFunc(p.Wout()[4*6:], func(v float32) bool { return v != 0 }) || p.Bout()[5] != 0 {
			t.Error("levels have weights")
		}
	}
}

// Interactions and questions are apart, and each is the sum of its own parts.
func TestPartsOfAVocabulary(t *testing.T) {
	for _, v := range []Vocabulary{{Skills: 3}, {Skills: 3, Levels: 4}, {Skills: 3, Paces: 5}, {Skills: 3, Levels: 4, Paces: 5}} {
		s := v.Shape(Shape{Embed: 1, Hidden: 1, Layers: 1})
		seen := map[int32]bool{}
		for skill := range int32(3) {
			for level := range uint8(max(v.Levels, 1)) {
				ask := v.Ask(skill, level)
				own, more := s.HeadParts(ask)
				if own != skill || ask >= int32(s.Asks()) || (more < 0) != (v.Levels == 0) || more >= 0 && more != 3+int32(level) {
					t.Errorf("%+v: question (%d, %d) is %d, of %d and %d", v, skill, level, ask, own, more)
				}
				for pace := range uint8(max(v.Paces, 1)) {
					for right := range uint8(2) {
						x := v.Interaction(skill, right, level, pace)
						own, more := s.EmbedParts(x)
						if seen[x] || x >= int32(s.Rows()) || own != skill+3*int32(right) || (more < 0) != (s.Kinds == 0) || more >= 0 && (more-6)%2 != int32(right) {
							t.Errorf("%+v: interaction (%d, %d, %d, %d) is %d, of %d and %d", v, skill, right, level, pace, x, own, more)
						}
						seen[x] = true
					}
				}
			}
		}
		if len(seen) != s.Rows() {
			t.Errorf("%+v: %d interactions of %d", v, len(seen), s.Rows())
		}
	}
}
