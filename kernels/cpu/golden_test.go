package cpu_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"cohort/kernels"
	"cohort/kernels/cpu"
)

var update = flag.Bool("update", false, "write the golden steps of ../DESIGN.md from the code")

// goldenCase is a small training whose hashes are in DESIGN.md.
type goldenCase struct {
	name  string
	shape kernels.Shape
	drop  float64
	decay float32
}

// goldenCases cover one and more layers, widths that fill no vector, more than
// one block of units (32) and of table rows (64), more kinds of answers than wrong
// and right, all with and without dropout.
func goldenCases() []goldenCase {
	return []goldenCase{
		{"plain", kernels.Shape{Skills: 5, Embed: 4, Hidden: 8, Layers: 1}, 0, 0},
		{"dropout", kernels.Shape{Skills: 5, Embed: 3, Hidden: 6, Layers: 1}, 0.25, 0},
		{"deep", kernels.Shape{Skills: 3, Embed: 5, Hidden: 7, Layers: 3}, 0.5, 0.001},
		{"blocks", kernels.Shape{Skills: 70, Embed: 19, Hidden: 37, Layers: 2}, 0.1, 0.01},
		{"direct", kernels.Shape{Skills: 5, Hidden: 11, Layers: 2}, 0.25, 0},
		{"kinds", kernels.Shape{Skills: 21, Embed: 6, Hidden: 9, Layers: 2, Kinds: 10, Levels: 4}, 0.1, 0},
		{"direct-kinds", kernels.Shape{Skills: 21, Hidden: 9, Layers: 1, Kinds: 10}, 0.1, 0},
	}
}

// drawn are n sequences of up to longest steps, of Philox words.
func drawn(s kernels.Shape, n, longest int) []kernels.Sequence {
	word := func(id, t, k int) int {
		return int(kernels.Philox([2]uint32{7, 99}, [4]uint32{uint32(id), uint32(t)})[k] >> 1)
	}
	seqs := make([]kernels.Sequence, n)
	for id := range seqs {
		q := &seqs[id]
		q.ID = uint32(1000 * id)
		for t := range 1 + word(id, 1<<20, 0)%longest {
			q.In = append(q.In, int32(word(id, t, 0)%s.Rows()))
			q.Ask = append(q.Ask, int32(word(id, t, 1)%s.Asks()))
			q.Right = append(q.Right, uint8(word(id, t, 2)%2))
		}
	}
	return seqs
}

// digest is the SHA-256 of values in little-endian order. -0 counts as +0.
func digest[T int64 | float32](values []T) string {
	h := sha256.New()
	for _, v := range values {
		if v == 0 {
			v = 0
		}
		if err := binary.Write(h, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

// train runs two steps, each member taking every members-th sequence, and
// returns a hash of everything computed, a line each.
func train(t *testing.T, c goldenCase, members int, o cpu.Options) []string {
	t.Helper()
	seqs := drawn(c.shape, 27, 9)
	parts := make([][]kernels.Sequence, members)
	for k, s := range seqs {
		parts[k%members] = append(parts[k%members], s)
	}
	e := open(t, c.shape, o)
	p := kernels.InitParams(c.shape, 5)
	n := c.shape.ParamCount()
	m, v, grad := make([]float32, n), make([]float32, n), make([]float32, n)
	adam := kernels.AdamStep{Beta1: 0.9, Beta2: 0.999, Rate: 0.01, Root: 31.6, Epsilon: 1e-8, Decay: c.decay}
	var lines []string
	note := func(what string, hash string) { lines = append(lines, fmt.Sprintf("%s %s %s", c.name, what, hash)) }
	for step := range 2 {
		ok(t, e.Load(p))
		sums, one := kernels.NewSums(c.shape), kernels.NewSums(c.shape)
		for _, part := range parts {
			ok(t, e.Gradients(part, kernels.Dropout{Seed: 3, Epoch: uint32(step), Rate: c.drop}, one))
			for k, v := range one.Data {
				sums.Data[k] += v
			}
		}
		ok(t, e.Derive(p, sums, grad))
		ok(t, e.Adam(p.Data, m, v, whole(c.shape, grad), adam, kernels.AbsentNow))
		note(fmt.Sprintf("sums%d", step+1), digest(sums.Data))
		note(fmt.Sprintf("gradient%d", step+1), digest(grad))
	}
	note("moment1", digest(m))
	note("moment2", digest(v))
	note("weights", kernels.HashWeights(p))
	ok(t, e.Load(p))
	var z []float32
	out := make([][]float32, len(seqs))
	for k, s := range seqs {
		out[k] = make([]float32, len(s.In))
	}
	ok(t, e.Logits(seqs, out))
	for _, row := range out {
		z = append(z, row...)
	}
	note("logits", digest(z))
	return lines
}

// whole is a gradient that lacks nothing.
func whole(s kernels.Shape, data []float32) *kernels.Gradient {
	g := &kernels.Gradient{}
	g.Reset(kernels.NewSums(s))
	g.Data = data
	return g
}

func open(t *testing.T, s kernels.Shape, o cpu.Options) *cpu.Engine {
	t.Helper()
	e, err := cpu.New(s, o)
	ok(t, err)
	t.Cleanup(func() { ok(t, e.Close()) })
	return e
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// goldenSteps reads the table of hashes in DESIGN.md; with -update it writes it.
func goldenSteps(t *testing.T) map[string]string {
	t.Helper()
	const file, begin, end = "../DESIGN.md", "```steps\n", "```\n"
	text, err := os.ReadFile(file)
	ok(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	body, after, found2 := strings.Cut(rest, end)
	if !found || !found2 {
		t.Fatal("DESIGN.md has no table of steps")
	}
	if *update {
		var b strings.Builder
		for _, c := range goldenCases() {
			b.WriteString(strings.Join(train(t, c, 1, cpu.Options{Path: cpu.Portable}), "\n") + "\n")
		}
		body = b.String()
		ok(t, os.WriteFile(file, []byte(before+begin+body+end+after), 0o644))
	}
	steps := map[string]string{}
	for line := range strings.Lines(body) {
		k := strings.LastIndexByte(line, ' ')
		steps[line[:k]] = strings.TrimSpace(line[k+1:])
	}
	return steps
}

// One job, one hash: whatever the path, the threads and the members, and it is
// the hash that DESIGN.md states.
// every is all paths, on one thread and on three.
func every() []cpu.Options {
	var all []cpu.Options
	for _, p := range cpu.Paths() {
		all = append(all, cpu.Options{Path: p}, cpu.Options{Path: p, Threads: 3})
	}
	return all
}

func TestOneHash(t *testing.T) {
	want := goldenSteps(t)
	for _, c := range goldenCases() {
		for _, o := range every() {
			for _, members := range []int{1, 2, 3, 40} {
				t.Run(fmt.Sprintf("%s/%s/%d-threads/%d-members", c.name, o.Path, max(o.Threads, 1), members), func(t *testing.T) {
					t.Parallel()
					for _, line := range train(t, c, members, o) {
						k := strings.LastIndexByte(line, ' ')
						if got := line[k+1:]; got != want[line[:k]] {
							t.Errorf("%s is %s, DESIGN.md has %q", line[:k], got, want[line[:k]])
						}
					}
				})
			}
		}
	}
}

// The negative control: with float sums in order of arrival (build tag
// floatsums) the weights depend on threads and on members, and the check above
// fails.
func TestFloatSumsDoNotGiveOneHash(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles and runs this package with another tag: make cover runs it")
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-tags", "floatsums", "-run", "^(TestOneHash|TestFloatSumsMoveTheWeights)$", ".")
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		t.Fatal("float sums in order of arrival pass the check of one hash")
	case !strings.Contains(string(out), "--- FAIL: TestOneHash"):
		t.Fatalf("%v\n%s", err, out[max(0, len(out)-2000):])
	case strings.Contains(string(out), "--- FAIL: TestFloatSumsMoveTheWeights"):
		t.Fatalf("the control does not control:\n%s", out[max(0, len(out)-2000):])
	}
}
