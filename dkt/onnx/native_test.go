package onnx_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"cohort/dkt/onnx"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// models are small, deep, direct and, but for its vocabulary, of real size. Weights are
// larger than drawn, so that probabilities are not all near a half.
func models() map[string]*kernels.Params {
	all := map[string]*kernels.Params{}
	for name, s := range map[string]kernels.Shape{
		"one":    {Skills: 1, Embed: 1, Hidden: 1, Layers: 1},
		"plain":  {Skills: 7, Embed: 5, Hidden: 9, Layers: 1},
		"deep":   {Skills: 12, Embed: 8, Hidden: 16, Layers: 3},
		"direct": {Skills: 11, Hidden: 10, Layers: 2},
		"large":  {Skills: 5, Embed: 100, Hidden: 200, Layers: 1},
	} {
		p := kernels.InitParams(s, 42)
		for k := range p.Data {
			p.Data[k] *= 4
		}
		all[name] = p
	}
	return all
}

// histories are ragged, among them one of a single answer and one of longest.
func histories(s kernels.Shape, longest int) [][]int32 {
	var all [][]int32
	for n, length := range []int{3, 1, longest, 2, 17, longest - 1, 40} {
		in := make([]int32, length)
		for t := range in {
			w := kernels.Philox([2]uint32{7, 0}, [4]uint32{uint32(n), uint32(t)})
			in[t] = int32(w[0] % uint32(s.Rows()))
		}
		all = append(all, in)
	}
	return all
}

// native is what the model itself says: after each history, P(right) of each skill.
func native(t *testing.T, p *kernels.Params, in [][]int32) [][]float64 {
	t.Helper()
	e, err := cpu.New(p.Shape, cpu.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // it holds no file
	if err := e.Load(p); err != nil {
		t.Fatal(err)
	}
	var seqs []kernels.Sequence
	var z [][]float32
	for _, h := range in {
		for q := range p.Shape.Skills {
			ask := make([]int32, len(h))
			ask[len(h)-1] = int32(q)
			seqs = append(seqs, kernels.Sequence{ID: uint32(len(seqs)), In: h, Ask: ask})
			z = append(z, make([]float32, len(h)))
		}
	}
	if err := e.Logits(seqs, z); err != nil {
		t.Fatal(err)
	}
	out := make([][]float64, len(in))
	for k, v := range z {
		n := k / p.Shape.Skills
		out[n] = append(out[n], 1/(1+math.Exp(-float64(v[len(v)-1]))))
	}
	return out
}

func skills(n int) []string {
	var all []string
	for k := range n {
		all = append(all, fmt.Sprintf("skill \"%d\"", k))
	}
	return all
}

func export(t *testing.T, p *kernels.Params) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := onnx.Write(&b, p, skills(p.Shape.Skills), map[string]string{"version": "3", "model": "dkt"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// agree demands probabilities within 1e-5.
func agree(t *testing.T, got, want [][]float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	worst, least, most := 0.0, 1.0, 0.0
	for n := range want {
		if len(got[n]) != len(want[n]) {
			t.Fatalf("row %d has %d skills, want %d", n, len(got[n]), len(want[n]))
		}
		for q, p := range want[n] {
			least, most = min(least, p), max(most, p)
			if d := math.Abs(got[n][q] - p); !(d <= worst) {
				worst = d
			}
		}
	}
	t.Logf("probabilities from %.3f to %.3f, largest difference %.2g", least, most, worst)
	if !(worst <= 1e-5) {
		t.Errorf("the largest difference is %g", worst)
	}
}
