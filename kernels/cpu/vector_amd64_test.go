package cpu

import (
	"bytes"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"cohort/kernels"
)

func same(a, b float32) bool { return a == b || a != a && b != b }

// vectors are the paths with activations of their own.
func vectors() map[Path]interface{ activate(p *activateArgs) } {
	all := map[Path]interface{ activate(p *activateArgs) }{}
	if hasAVX2() {
		all[AVX2] = avx2{}
	}
	if hasAVX512() {
		all[AVX512] = avx512{}
	}
	return all
}

// holdActivations compares the vector functions with the portable ones on
// every stride-th of all 2^32 floats.
func holdActivations(t *testing.T, first, last, stride uint64) {
	t.Helper()
	x, y := make([]float32, 4096), make([]float32, 4096)
	sigmoid, tanh := make([]float32, 4096), make([]float32, 4096)
	for at := first; at < last; {
		for k := range x {
			x[k] = math.Float32frombits(uint32(at))
			sigmoid[k], tanh[k] = kernels.Sigmoid(x[k]), kernels.Tanh(x[k])
			at += stride
		}
		for path, v := range vectors() {
			for which, want := range [][]float32{sigmoid, tanh} {
				copy(y, x)
				v.activate(&activateArgs{x: &y[0], n: len(y), tanh: which})
				for k := range y {
					if !same(y[k], want[k]) {
						t.Fatalf("%s: %s of %x is %x, portable %x", path, []string{"sigmoid", "tanh"}[which],
							math.Float32bits(x[k]), math.Float32bits(y[k]), math.Float32bits(want[k]))
					}
				}
			}
		}
	}
}

func TestVectorActivationsAreThePortableOnes(t *testing.T) {
	if len(vectors()) == 0 {
		t.Skip("this processor has no AVX2 and FMA")
	}
	holdActivations(t, 0, 1<<32, 1021)
}

// All of them, by make deep: minutes on two cores.
func TestExhaustiveActivations(t *testing.T) {
	if os.Getenv("COHORT_DEEP") == "" {
		t.Skip("compares all 2^32 floats: make deep")
	}
	for part := range uint64(2) {
		t.Run([]string{"positive", "negative"}[part], func(t *testing.T) {
			t.Parallel()
			holdActivations(t, part<<31, (part+1)<<31, 1)
		})
	}
}

// The committed assembly is what the generator writes.
func TestTheAssemblyIsGenerated(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "gen")
	command := func(in, name string, args ...string) {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
	}
	command(".", "go", "build", "-o", bin, "cohort/kernels/cpu/gen")
	command(dir, bin)
	for _, name := range []string{"avx2_amd64.s", "avx512_amd64.s", "asm_amd64.go"} {
		committed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		made, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(made, committed) {
			t.Errorf("%s is not what the generator writes: go generate ./kernels/cpu", name)
		}
	}
}
