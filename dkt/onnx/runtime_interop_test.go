//go:build interop

package onnx_test

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cohort/kernels"
)

// Onnxruntime says what the model says, of histories of 1 to 1000 answers in one
// batch, whatever the rows are filled up with.
func TestInteropOnnxruntime(t *testing.T) {
	install := exec.CommandContext(t.Context(), "../../.ci/interop/python/install")
	install.Stderr = os.Stderr
	python, err := install.Output()
	if err != nil {
		t.Fatalf("install Python: %v", err)
	}
	for name, p := range models() {
		t.Run(name, func(t *testing.T) {
			in := histories(p.Shape, 1000)
			want := native(t, p, in)
			for _, fill := range []int{0, 2*p.Shape.Skills - 1} {
				agree(t, session(t, strings.TrimSpace(string(python)), p, in, fill), want)
			}
		})
	}
}

// session runs the exported model on histories, filled up to one length.
func session(t *testing.T, python string, p *kernels.Params, in [][]int32, fill int) [][]float64 {
	t.Helper()
	file := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(file, export(t, p), 0o600); err != nil {
		t.Fatal(err)
	}
	rows, lengths, longest := make([][]int, len(in)), make([]int, len(in)), 0
	for _, h := range in {
		longest = max(longest, len(h))
	}
	for n, h := range in {
		lengths[n] = len(h)
		for t := range longest {
			x := fill
			if t < len(h) {
				x = int(h[t])
			}
			rows[n] = append(rows[n], x)
		}
	}
	job, err := json.Marshal(map[string]any{"file": file, "interactions": rows, "lengths": lengths})
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), python, "testdata/runtime_peer.py")
	run.Stdin, run.Stderr = bytes.NewReader(job), os.Stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("run: %v", err)
	}
	var reply struct {
		P    [][]float64
		Meta map[string]string
	}
	if err := json.Unmarshal(out, &reply); err != nil {
		t.Fatal(err)
	}
	if reply.Meta["model"] != "dkt" || !strings.Contains(reply.Meta["skills"], "skill") {
		t.Errorf("metadata %v", reply.Meta)
	}
	return reply.P
}
