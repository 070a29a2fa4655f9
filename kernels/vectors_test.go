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

// vectors computes the golden table.
func vectors() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	f32 := func(name string, f func(float32) float32, xs ...float32) {
		for _, x := range xs {
			line("%s %08x %08x", name, math.Float32bits(x), math.Float32bits(f(x)))
		}
	}
	f64 := func(name string, f func(float64) float64, xs ...float64) {
		for _, x := range xs {
			line("%s %016x %016x", name, math.Float64bits(x), math.Float64bits(f(x)))
		}
	}
	inf := float32(math.Inf(1))
	f32("sigmoid", Sigmoid, 0, 1, -1, 0.3, -17.25, 80, -87, -200, inf, 1e-30)
	f32("tanh", Tanh, 0, 1, -1, 0.3, 1e-30, 6.781323, -7.5, 9, inf, 0.625)
	f64("exp", Exp, 0, 1, -1, 0.1, 700, -745, -20.5)
	f64("log", Log, 1, 2, 0.1, 1e-310, 1e300, 0.999)
	f64("log1p", Log1p, 0, 1e-18, 1e-5, 0.5, 1)
	f64("cospi", CosPi, 0, 0.2, 0.25, 0.5, 0.7, 1, 1.3, -0.3)
	for _, v := range [][3]float32{
		{1, 2, 3}, {1 + 0x1p-23, 1 + 0x1p-23, -1}, {0x1p-75, 0x1.8p-75, 0x1p-149}, {0.1, 0.1, -0.01},
	} {
		line("fma %08x %08x %08x %08x", math.Float32bits(v[0]), math.Float32bits(v[1]), math.Float32bits(v[2]), math.Float32bits(FMA(v[0], v[1], v[2])))
	}
	for _, x := range []float32{0, 1, -1, 0x1p-31, 0x1.8p-30, 0x1p-32, 32767.998, 0.1} {
		q, _ := ToFixed(x)
		line("fixed %08x %d", math.Float32bits(x), q)
	}
	for _, c := range [][6]uint32{{}, {1, 2, 3, 4, 5, 6}, {0xa4093822, 0x299f31d0, 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}} {
		w := Philox([2]uint32{c[0], c[1]}, [4]uint32{c[2], c[3], c[4], c[5]})
		line("philox %08x %08x", c, w)
	}
	p := InitParams(Shape{Skills: 2, Embed: 3, Hidden: 2, Layers: 2}, 42)
	line("init %s", HashWeights(p))
	return b.String()
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
