//go:build linux

package supervise

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// asWorker is the first argument of a process that runs a command for a test,
// which kills it.
const asWorker = "__worker"

func TestMain(m *testing.M) {
	if Asked(os.Args) {
		// os.Exit would have a test binary write of its coverage into the command's output.
		syscall.Exit(Main(context.Background()))
	}
	if len(os.Args) > 3 && os.Args[1] == asWorker {
		_, _ = Run(context.Background(), shell(os.Args[2], os.Args[3]), os.Stdout, os.Stderr)
		syscall.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

func shell(dir, script string) Command {
	return Command{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Dir: dir, Env: []string{"PATH=" + os.Getenv("PATH")}}
}

func do(t *testing.T, c Command) (o Outcome, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	o, fault := Run(t.Context(), c, &out, &err)
	if fault != nil {
		t.Fatal(fault)
	}
	return o, out.String(), err.String()
}

func TestACommandRunsInItsFolderWithItsEnvironmentAndEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := shell(dir, `pwd; echo "$WORD" >&2; env | cut -d= -f1 | sort | tr '\n' ' '; read x; echo "[$x]"; exit 3`)
	c.Env = append(c.Env, "WORD=a\xffb")
	o, out, err := do(t, c)
	if o != (Outcome{Exit: 3}) {
		t.Errorf("outcome %+v", o)
	}
	if want := dir + "\nCOHORT_EXEC PATH PWD WORD []\n"; out != want {
		t.Errorf("stdout %q, want %q", out, want)
	}
	if err != "a\xffb\n" {
		t.Errorf("stderr %q", err)
	}
	if o, _, _ := do(t, shell(dir, "kill -SEGV $$")); o != (Outcome{Exit: -1, Signal: 11}) {
		t.Errorf("outcome %+v", o)
	}
	if o, _, _ := do(t, Command{Path: dir, Args: []string{"x"}, Dir: dir}); !strings.Contains(o.Error, "permission denied") {
		t.Errorf("outcome %+v", o)
	}
}

func TestACommandHasNoPrivilegesCoresOrFilesOfOthers(t *testing.T) {
	t.Parallel()
	o, out, _ := do(t, shell(t.TempDir(), `grep NoNewPrivs /proc/self/status; ulimit -c; ls /proc/self/fd | tr '\n' ' '; cat /proc/$$/oom_score_adj; cat /proc/self/stat`))
	want := []string{"NoNewPrivs:\t1\n0\n0 1 2 3 1000\n"} // ls itself has a folder open
	for _, w := range want {
		if !strings.HasPrefix(out, w) || o.Exit != 0 {
			t.Errorf("outcome %+v, output %q, want %q", o, out, w)
		}
	}
	// The session and the group are the shell's own.
	f := strings.Fields(out[strings.LastIndexByte(out, ')'):])
	if parent, group, session := f[2], f[3], f[4]; parent != group || group != session {
		t.Errorf("parent %s, group %s, session %s", parent, group, session)
	}
}

// hanging starts processes in every way to get away, writes their numbers to
// files of the folder, sets a trap or does nothing (":"), says that all is there,
// and then does as the rest says.
func hanging(trap, rest string) string {
	return `sleep 1000 & echo $! > a.pid
setsid sh -c 'echo $$ > b.pid; exec sleep 1000' &
(setsid sh -c 'trap "" TERM; echo $$ > c.pid; while :; do sleep 1000; done' >/dev/null 2>&1 &)
(env -i setsid sh -c 'trap "" TERM HUP INT; echo $$ > d.pid; exec sleep 1000' &)
until [ -s a.pid ] && [ -s b.pid ] && [ -s c.pid ] && [ -s d.pid ]; do sleep 0.01; done
` + trap + `
echo ready
` + rest
}

// gone waits until the processes that hanging named run no more.
func gone(t *testing.T, dir string, within time.Duration, count int) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.pid"))
	if err != nil || len(names) != count {
		t.Fatalf("files %v: %v", names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(within); running(pid); <-time.After(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: process %d still runs", filepath.Base(name), pid)
			}
		}
	}
}

func running(pid int) bool {
	_, over := parentOf(pid)
	return !over
}

func TestNothingIsLeftOfACommandThatEnds(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	o, out, _ := do(t, shell(dir, hanging(":", "exit 0")))
	gone(t, dir, 0, 4)
	if o.Exit != 0 || o.Killed < 4 || o.Stuck != 0 || out != "ready\n" {
		t.Errorf("outcome %+v, output %q", o, out)
	}
}

func TestAStoppedCommandHasAMomentToEndAndThenNothingIsLeft(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trap, rest string
		stops      func(took time.Duration, o Outcome) bool
	}{
		"heeds":   {":", "wait", func(_ time.Duration, o Outcome) bool { return o.Signal == 15 }},
		"cleans":  {"trap 'echo cleaned; exit 4' TERM", "wait", func(_ time.Duration, o Outcome) bool { return o.Exit == 4 }},
		"ignores": {"trap '' TERM", "while :; do sleep 1000; done", func(took time.Duration, o Outcome) bool { return took > Grace && o.Signal == 9 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			out := &trigger{word: "ready", then: cancel}
			var err bytes.Buffer
			o, fault := Run(ctx, shell(dir, hanging(c.trap, c.rest)), out, &err)
			if fault != nil {
				t.Fatal(fault)
			}
			took := time.Since(out.at)
			gone(t, dir, 0, 4)
			if !o.Stopped || !c.stops(took, o) || took > Grace+20*time.Second {
				t.Errorf("outcome %+v after %v", o, took)
			}
			if (name == "cleans") != strings.Contains(out.b.String(), "cleaned") {
				t.Errorf("output %q", out.b.String())
			}
		})
	}
}

// trigger does something once a word has been written.
type trigger struct {
	word string
	then func()
	at   time.Time
	b    bytes.Buffer
}

func (w *trigger) Write(b []byte) (int, error) {
	w.b.Write(b)
	if w.at.IsZero() && strings.Contains(w.b.String(), w.word) {
		w.at = time.Now()
		w.then()
	}
	return len(b), nil
}

func TestNothingIsLeftWhenTheWorkerIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	worker := exec.CommandContext(t.Context(), "/proc/self/exe", asWorker, dir, hanging("trap '' TERM", "while :; do sleep 1000; done"))
	worker.Stdout = &trigger{word: "ready", then: func() { _ = worker.Process.Kill() }}
	worker.WaitDelay = 30 * time.Second
	if err := worker.Run(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the worker ended with %v", err)
	}
	gone(t, dir, 30*time.Second, 4)
}

func TestNothingMarkedIsLeftWhenTheSupervisorIsKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := strings.Replace(hanging(":", "kill -9 $PPID; wait"), "env -i ", "", 1)
	_, err := Run(t.Context(), shell(dir, script), &bytes.Buffer{}, &bytes.Buffer{})
	if !errors.Is(err, ErrLost) {
		t.Fatalf("error %v", err)
	}
	gone(t, dir, 30*time.Second, 4)
	// The command itself ends even if it has emptied its environment.
	dir = t.TempDir()
	_, err = Run(t.Context(), shell(dir, "exec env -i sh -c 'echo $$ > a.pid; kill -9 $PPID; exec sleep 1000'"), &bytes.Buffer{}, &bytes.Buffer{})
	if !errors.Is(err, ErrLost) {
		t.Fatalf("error %v", err)
	}
	gone(t, dir, 30*time.Second, 1)
}

func TestSweepEndsWhatCarriesTheMark(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start := func(mark string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), "sleep", "1000")
		c.Env = []string{Mark + "=" + mark}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	ours, below, other := start(dir), start(dir+"/x"), start(dir+"y")
	Sweep(dir)
	for _, c := range []*exec.Cmd{ours, below} {
		if err := c.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Errorf("got %v", err)
		}
	}
	if err := other.Process.Signal(syscall.Signal(0)); err != nil || !running(other.Process.Pid) {
		t.Errorf("another's process is gone: %v", err)
	}
	_ = other.Process.Kill()
	_ = other.Wait()
}

func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	ballast := bytes.Repeat([]byte{1}, 300<<20) // a worker may hold more than a command may
	t.Cleanup(func() { runtime.KeepAlive(ballast) })
	for name, c := range map[string]struct {
		script string
		over   bool
	}{
		"slow":     {"x=$(head -c 20000000 /dev/zero | tr '\\0' x); sleep 1000; :", false},
		"hog":      {"exec tail -n 1 /dev/zero", true},
		"at once":  {"dd if=/dev/zero of=/dev/null bs=140M count=1; exit 1", true}, // before anybody has looked
		"together": {"for i in 1 2 3 4 5 6; do (x=$(head -c 15000000 /dev/zero | tr '\\0' x); sleep 1000; :) & done; wait", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if !c.over { // it is ended by us
				time.AfterFunc(time.Second, cancel)
			}
			command := shell(t.TempDir(), c.script)
			command.MemoryMB = 80
			o, err := Run(ctx, command, &bytes.Buffer{}, &bytes.Buffer{})
			if err != nil || o.Memory != c.over || o.Stopped == c.over {
				t.Errorf("outcome %+v, %v", o, err)
			}
		})
	}
}

func TestAForkBombIsEnded(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &trigger{word: "ready", then: cancel}
	began := time.Now()
	// It grows, but not without end: each process starts one more for a while.
	o, err := Run(ctx, shell(t.TempDir(), `echo ready; n=0; trap '' TERM; f() { while [ $n -lt 6 ]; do n=$((n+1)); f & done; sleep 1000; }; f`), out, &bytes.Buffer{})
	if err != nil || !o.Stopped || o.Stuck != 0 || time.Since(began) > 30*time.Second {
		t.Errorf("outcome %+v, %v after %v", o, err, time.Since(began))
	}
}
