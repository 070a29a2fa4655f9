//go:build linux

package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

// devWith is a cluster that `cohort dev` runs, with further flags.
func devWith(t *testing.T, flags ...string) (addr string) {
	t.Helper()
	addr = freePort(t)
	dev := background(t, append([]string{"dev", "--data-dir", t.TempDir(), "--http", addr}, flags...)...)
	until(t, "dev", func() bool { return strings.Contains(dev.err.String(), "Ctrl-C ends it") })
	t.Cleanup(func() {
		if o := dev.stop(t); o.code != 0 {
			t.Errorf("dev ended with %+v", o)
		}
	})
	return addr
}

// A graph of commands, listed in no order: a file of the client's through two
// stages that read it side by side into one that joins what they made.
const graphOfCommands = `name: etl
kind: graph
stages:
- name: join
  kind: exec
  timeout: 1m
  exec:
    command: [sh, -c, 'cat upper lower > all; cat all; echo "token $TOKEN" >&2']
    inputs: [{name: upper, from: up/upper.txt}, {name: lower, from: low/out/lower.txt}]
    outputs: [all]
    env: ['TOKEN=file:%[1]s/token']
    memory_mb: 100
- {name: up, kind: exec, exec: {command: [sh, -c, 'tr a-z A-Z < words > upper.txt'], inputs: [{name: words, from: data/words.txt}], outputs: [upper.txt]}}
- {name: low, kind: exec, exec: {command: [sh, -c, 'mkdir out; tr A-Z a-z < words > out/lower.txt'], inputs: [{name: words, from: data/words.txt}], outputs: [out/lower.txt]}}
`

func TestAGraphOfCommandsRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"data/words.txt": "Two Words\n", "token": "very-secret\n", "job.yaml": fmt.Sprintf(graphOfCommands, dir)} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	addr := devWith(t, "--workers", "2", "--exec", "sh")
	o := cohort(t, "", nil, "job", "run", filepath.Join(dir, "job.yaml"), "--addr", addr, "-o", "json")
	o.expect(t, 0, "uploading words.txt")
	done := final(t, o)
	if done.Status != wire.Done || strings.Contains(o.out+o.err, "very-secret") {
		t.Fatalf("got %+v", o)
	}
	for _, s := range done.Stages {
		if s.Name == "join" && (s.Timeout != 60_000 || s.Inputs["upper"] != "up/upper.txt" || len(s.Outputs["all"]) != 64) {
			t.Errorf("stage %+v", s)
		}
	}
	var log outcome
	until(t, "the log", func() bool {
		log = cohort(t, "", nil, "job", "logs", done.ID, "--addr", addr)
		return strings.Contains(log.out, "token")
	})
	for _, want := range []string{"/join/0  out | TWO WORDS\n", "/join/0  out | two words\n", "/join/0  err | token ***\n"} {
		if !strings.Contains(log.out, want) {
			t.Errorf("log lacks %q: %s", want, log.out)
		}
	}
	if strings.Contains(log.out, "very-secret") {
		t.Errorf("the secret is in %s", log.out)
	}
	// The error of a command that fails is the job's.
	o = cohort(t, "name: bad\nkind: graph\nstages: [{name: s, kind: exec, retries: -1, exec: {command: [sh, -c, 'echo broken >&2; exit 3']}}]\n", nil,
		"job", "run", "-", "-q", "--addr", addr)
	o.expect(t, 8, `stage s failed: exec: sh -c "echo broken >&2; exit 3": exit code 3: broken`)
	o = cohort(t, "name: bad\nkind: graph\nstages: [{name: s, kind: exec, retries: -1, timeout: 200ms, exec: {command: [sh, -c, 'sleep 100 & setsid sleep 100']}}]\n", nil,
		"job", "run", "-", "-q", "--addr", addr)
	o.expect(t, 8, "stage s failed: stage s took longer than 200ms")
	o = cohort(t, "name: bad\nkind: graph\nstages: [{name: s, kind: exec, exec: {command: [python3, x.py]}}]\n", nil,
		"job", "run", "-", "-q", "--addr", addr)
	o.expect(t, 8, `program "python3" is not among those that this worker allows: sh`)
}

func TestACommandWaitsForAWorkerThatAllowsIt(t *testing.T) {
	t.Parallel()
	addr := devWith(t, "--workers", "1")
	id := strings.TrimSpace(cohort(t, "name: n\nkind: graph\nstages: [{name: s, kind: exec, exec: {command: [sh], memory_mb: 3}}]\n", nil,
		"job", "run", "-", "--detach", "-q", "--addr", addr).out)
	o := cohort(t, "", nil, "job", "status", id, "-o", "json", "--addr", addr)
	var j wire.JobView
	if err := json.Unmarshal([]byte(o.out), &j); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	if want := "stage s waits for a worker that allows exec stages, with free cores and 3 MB of free memory"; j.Reason != want {
		t.Errorf("reason %q, want %q", j.Reason, want)
	}
}

func TestInputsOfCommandsAreLookedFor(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	graph := func(from, more string) string {
		return "name: n\nkind: graph\nstages:\n- {name: s, kind: exec, exec: {command: [cat], inputs: [{name: a, from: '" + from + "'}]}}\n" + more
	}
	for name, c := range map[string]struct {
		text string
		code int
		want string
	}{
		"no_file":   {graph("no/such.txt", ""), 4, "stages[0].exec.inputs[0].from: stat no/such.txt"},
		"no_blob":   {graph("sha256:"+strings.Repeat("0", 64), ""), 4, "stages[0].exec.inputs[0].from: no blob 000"},
		"no_output": {graph("a/x", "- {name: a, kind: noop}\n"), 1, `stages[0].exec.inputs[0].from "a/x": stage a has no outputs (a file would be ./a/x)`},
		"circle":    {graph("a/x", "- {name: a, kind: exec, after: [s], exec: {command: [cat], outputs: [x]}}\n"), 1, `makes stage "s" wait for itself`},
	} {
		began := time.Now()
		o := cohort(t, c.text, nil, "job", "run", "-", "-q", "--addr", url)
		o.expect(t, c.code, c.want)
		o.oneLine(t)
		if time.Since(began) > time.Minute {
			t.Errorf("%s took %v", name, time.Since(began))
		}
	}
}
