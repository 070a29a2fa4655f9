package kernels

import (
	"flag"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden vectors of DESIGN.md from the code")

// listing collects lines of hex bits.
type listing struct{ strings.Builder }

func (b *listing) line(format string, args ...any) { fmt.Fprintf(b, format+"\n", args...) }

// f32 lists x and f(x).
func (b *listing) f32(name string, f func(float32) float32, xs ...float32) {
	for _, x := range xs {
		b.line("%s %08x %08x", name, math.Float32bits(x), math.Float32bits(f(x)))
	}
}

func (b *listing) f64(name string, f func(float64) float64, xs ...float64) {
	for _, x := range xs {
		b.line("%s %016x %016x", name, math.Float64bits(x), math.Float64bits(f(x)))
	}
}

// coefficients lists constants.
func (b *listing) coefficients(name string, cs ...float32) {
	fmt.Fprint(b, name)
	for _, c := range cs {
		fmt.Fprintf(b, " %08x", math.Float32bits(c))
	}
	b.line("")
}

// vectors computes the golden table.
func vectors() string {
	b := new(listing)
	b.constants()
	b.functions()
	b.chance()
	return b.String()
}

func (b *listing) constants() {
	poly, odd, even := ExpPoly(), TanhOdd(), TanhEven()
	b.coefficients("limits", SigmoidLimit, TanhLimit, TanhSplit)
	b.coefficients("exp32", ExpLog2E, ExpMagic, ExpLn2Hi, ExpLn2Lo)
	b.coefficients("exp32poly", poly[:]...)
	b.coefficients("tanhodd", odd[:]...)
	b.coefficients("tanheven", even[:]...)
	for _, c := range []struct {
		name  string
		value float64
	}{{"log2e", log2e}, {"ln2hi", ln2Hi}, {"ln2lo", ln2Lo}, {"pi", piHigh}} {
		b.line("%s %016x", c.name, math.Float64bits(c.value))
	}
}

func (b *listing) functions() {
	inf := float32(math.Inf(1))
	nan := math.Float32frombits(0x7fc00001)
	b.f32("sigmoid", Sigmoid, 0, 1, -1, 0.3, -17.25, 80, -87, -200, inf, 1e-30, nan)
	b.f32("tanh", Tanh, 0, 1, -1, 0.3, 1e-30, 6.781323, -7.5, 9, inf, 0.625, 0.62499994, -0.1, 9.25, nan)
	b.f64("exp", Exp, 0, 1, -1, 0.1, 700, -745, -20.5)
	b.f64("log", Log, 1, 2, 0.1, 1e-310, 1e300, 0.999)
	b.f64("log1p", Log1p, 0, 1e-18, 1e-5, 0.5, 1)
	b.f64("cospi", CosPi, 0, 0.2, 0.25, 0.5, 0.7, 1, 1.3, -0.3)
	for _, v := range [][3]float32{
		{1, 2, 3},
		{1 + 0x1p-23, 1 + 0x1p-23, -1},
		{0x1p-75, 0x1.8p-75, 0x1p-149},
		{0.1, 0.1, -0.01},
		{0x1p-12 * (1 + 0x1p-20), 0x1p-12 * (1 - 0x1p-20), 1 + 0x1p-23},
		{-0x1p-75 * (1 + 0x1p-22), 0x1p-75 * (1 - 0x1p-22), 0x1.00002p-130},
	} {
		b.coefficients("fma", v[0], v[1], v[2], FMA(v[0], v[1], v[2]))
	}
	for _, x := range []float32{0, 1, -1, 0x1p-31, 0x1.8p-30, 0x1p-32, 32767.998, 0.1} {
		q, _ := ToFixed(x)
		b.line("fixed %08x %d", math.Float32bits(x), q)
	}
	for _, c := range [][2]int64{{1, 1}, {1<<52 - 1, 3}, {-123456789, 640}, {0x1000001 << 20, 1}} {
		b.line("mean %d %d %08x", c[0], c[1], math.Float32bits(FromFixed(c[0], Scale(c[1]))))
	}
}

func (b *listing) chance() {
	for _, c := range [][6]uint32{{}, {1, 2, 3, 4, 5, 6}, {0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}} {
		w := Philox([2]uint32{c[0], c[1]}, [4]uint32{c[2], c[3], c[4], c[5]})
		b.line("philox %08x %08x", c, w)
	}
	for _, r := range []uint32{0, 1, 0xffffffff} {
		b.line("uniform %08x %016x", r, math.Float64bits(Uniform(r)))
	}
	for _, r := range [][2]uint32{{0, 0}, {0x80000000, 0x20000000}, {0xffffffff, 0x12345678}} {
		b.line("normal %08x %08x %016x", r[0], r[1], math.Float64bits(Normal(r[0], r[1])))
	}
	d := Dropout{Seed: 42, Epoch: 3, Rate: 0.1}
	b.line("dropout %016x %08x %08x", math.Float64bits(d.Rate), d.DropThreshold(), math.Float32bits(d.Gain()))
	for _, c := range [][4]int{{0, 0, 0, 0}, {7, 1, 5, 6}, {1 << 20, 0, 199, 199}} {
		b.line("word %d %d %d %d %08x", c[0], c[1], c[2], c[3], d.Word(uint32(c[0]), c[1], c[2], c[3]))
	}
	var kept strings.Builder
	for u := range 64 {
		if d.Keeps(7, 0, 5, u) {
			kept.WriteByte('1')
		} else {
			kept.WriteByte('0')
		}
	}
	b.line("keeps 7 0 5 %s", kept.String())
	b.line("init %s", HashWeights(InitParams(Shape{Skills: 2, Embed: 3, Hidden: 2, Layers: 2}, 42)))
}

// The table in DESIGN.md is what the code computes: the contract in numbers.
func TestGoldenVectors(t *testing.T) {
	const open, shut = "```vectors\n", "```\n"
	text, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), open)
	table, after, ok2 := strings.Cut(rest, shut)
	if !ok || !ok2 {
		t.Fatal("DESIGN.md has no table of vectors")
	}
	got := vectors()
	if *update {
		if err := os.WriteFile("DESIGN.md", []byte(before+open+got+shut+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, have := strings.Split(table, "\n"), strings.Split(got, "\n")
	for k := range max(len(want), len(have)) {
		if k >= len(want) || k >= len(have) || want[k] != have[k] {
			t.Fatalf("line %d: the code gives %q, DESIGN.md has %q", k+1, at(have, k), at(want, k))
		}
	}
}

func at(lines []string, k int) string {
	if k < len(lines) {
		return lines[k]
	}
	return ""
}
