//go:build amd64

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

// holdActivations compares the vector functions with the portable ones on
// every stride-th of all 2^32 floats.
func holdActivations(t *testing.T, first, last, stride uint64) {
	t.Helper()
	x, s, h := make([]float32, 4096), make([]float32, 4096), make([]float32, 4096)
	for at := first; at < last; {
		for k := range x {
			x[k] = math.Float32frombits(uint32(at))
			at += stride
		}
		copy(s, x)
		copy(h, x)
		activateAll(s, false)
		activateAll(h, true)
		for k, v := range x {
			if want := kernels.Sigmoid(v); !same(s[k], want) {
				t.Fatalf("sigmoid of %x is %x, portable %x", math.Float32bits(v), math.Float32bits(s[k]), math.Float32bits(want))
			}
			if want := kernels.Tanh(v); !same(h[k], want) {
				t.Fatalf("tanh of %x is %x, portable %x", math.Float32bits(v), math.Float32bits(h[k]), math.Float32bits(want))
			}
		}
	}
}

func TestVectorActivationsAreThePortableOnes(t *testing.T) {
	if !hasAVX2() {
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
	committed, err := os.ReadFile("avx2_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
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
	made, err := os.ReadFile(filepath.Join(dir, "avx2_amd64.s"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, committed) {
		t.Error("avx2_amd64.s is not what the generator writes: go generate ./kernels/cpu")
	}
}
