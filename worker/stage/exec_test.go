//go:build linux

package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/worker/supervise"
)

// newExec is a place to run commands at.
func newExec(t *testing.T) *bench {
	b := newBench(t)
	b.env.Dir, b.env.Exec = filepath.Join(t.TempDir(), "exec"), []string{"sh", "cat"}
	return b
}

func script(text string, outputs ...string) wire.ExecSettings {
	return wire.ExecSettings{Command: []string{"sh", "-c", text}, Outputs: outputs}
}

// printed are the lines of the task's log that the command printed.
func (b *bench) printed() []string {
	var lines []string
	for _, p := range b.seen {
		lines = append(lines, p.Lines...)
	}
	return lines
}

func (b *bench) get(hash string) string {
	data, err := lake.Read(b.t.Context(), b.env.Blobs, hash)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(data)
}

func TestACommandMakesItsOutputsOfItsInputs(t *testing.T) {
	t.Parallel()
	b := newExec(t)
	in := map[string]string{"words": b.put("hello"), "deep/down.txt": b.put(" world\n")}
	s := script(`cat words deep/down.txt > out.txt; mkdir -p a/b; env | grep -v PATH | sed "s#$PWD#DIR#" | sort > a/b/env; ln -s ../out.txt a/link
echo said; printf 'no end' >&2; ls -a "$TMPDIR" > "$TMPDIR/x"`, "out.txt", "a/b/env", "a/link")
	s.Env = []string{"MORE=1 = 2", "HOME=/nowhere"}
	r, err := b.run(wire.StageExec, s, in)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for name, hash := range r.Outputs {
		got[name] = b.get(hash)
	}
	want := map[string]string{
		"out.txt": "hello world\n", "a/link": "hello world\n",
		"a/b/env": "COHORT_EXEC=DIR\nHOME=/nowhere\nLANG=C.UTF-8\nMORE=1 = 2\nPWD=DIR\nTMPDIR=DIR/.tmp\n",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	lines := b.printed()
	slices.Sort(lines)
	if d := cmp.Diff([]string{"err | no end", "out | said"}, lines); d != "" || r.Result != nil {
		t.Errorf("%s; result %s", d, r.Result)
	}
	if left, err := os.ReadDir(b.env.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWhatIsWrongWithACommandIsSaid(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		settings wire.ExecSettings
		inputs   map[string]string // by content
		fatal    bool
		want     string
	}{
		"exit_code":    {script("echo one >&2; echo; echo two >&2; exit 3"), nil, false, `exec: sh -c "echo one >&2; echo; echo two >&2; exit 3": exit code 3: one / two`},
		"signal":       {script("kill -9 $$"), nil, false, "ended by signal 9 (killed)"},
		"no_output":    {script("echo x > other", "out"), nil, false, "output out: the command ended well without leaving this file"},
		"folder":       {script("mkdir out", "out"), nil, false, "output out: the command left no regular file there"},
		"pipe":         {script("mkfifo out", "out"), nil, false, "output out: the command left no regular file there"},
		"escape":       {script("ln -s /etc/hostname out", "out"), nil, false, "output out: the command left a link that leads out of its folder"},
		"escape_above": {script("ln -s .. up", "up/x"), nil, false, "output up/x: the command left a link that leads out of its folder"},
		"output_name":  {script("true", "../out"), nil, true, `"../out" is no file name`},
		"input_name":   {script("true"), map[string]string{"/etc/x": ""}, true, `"/etc/x" is no file name`},
		"input_tmp":    {script("true"), map[string]string{".tmp/x": ""}, true, `".tmp/x" is no file name`},
		"input_clash":  {script("true"), map[string]string{"a": "", "a/b": ""}, false, "exec: input a/b: "},
		"not_allowed":  {wire.ExecSettings{Command: []string{"ls", "/"}}, nil, true, `program "ls" is not among those that this worker allows: sh, cat`},
		"own_program":  {wire.ExecSettings{Command: []string{"./sh"}}, map[string]string{"sh": "#!/bin/sh\n"}, true, `program "./sh" is not among`},
		"no_command":   {wire.ExecSettings{}, nil, true, "no command is given"},
		"env_name":     {wire.ExecSettings{Command: []string{"sh"}, Env: []string{"A-B=1"}}, nil, true, "exec.env: want NAME=VALUE"},
		"env_load":     {wire.ExecSettings{Command: []string{"sh"}, Env: []string{"LD_PRELOAD=x.so"}}, nil, true, "LD_PRELOAD is the worker's to set"},
		"env_path":     {wire.ExecSettings{Command: []string{"sh"}, Env: []string{"PATH=."}}, nil, true, "PATH is the worker's to set"},
		"env_missing":  {wire.ExecSettings{Command: []string{"sh"}, Env: []string{"KEY=env:COHORT_TEST_NONE"}}, nil, true, "exec.env: KEY: env:COHORT_TEST_NONE: the environment of this worker has no"},
		"env_file":     {wire.ExecSettings{Command: []string{"sh"}, Env: []string{"KEY=file:/no/such"}}, nil, true, "exec.env: KEY: file:/no/such: "},
		"memory":       {wire.ExecSettings{Command: []string{"sh", "-c", "exec tail -n 1 /dev/zero"}, MemoryMB: 256}, nil, false, "out of memory: over the 256 MB that exec.memory_mb allows"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newExec(t)
			in := map[string]string{}
			for name, text := range c.inputs {
				in[name] = b.put(text)
			}
			r, err := b.run(wire.StageExec, c.settings, in)
			if err == nil {
				t.Fatalf("no error; outputs %v", r.Outputs)
			}
			if _, fatal := errors.AsType[*source.InputError](err); fatal != c.fatal {
				t.Errorf("%v is fatal: %v", err, fatal)
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want %q", err, c.want)
			}
			if left, _ := os.ReadDir(b.env.Dir); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

func TestInputsThatAreNotThereAreNamed(t *testing.T) {
	t.Parallel()
	b := newExec(t)
	_, err := b.run(wire.StageExec, script("true"), map[string]string{"words": strings.Repeat("0", 64)})
	if !errors.Is(err, lake.ErrNotFound) || !strings.Contains(err.Error(), "exec: input words") {
		t.Errorf("error %v", err)
	}
	_, err = b.run(wire.StageExec, script("true"), map[string]string{"words": ""})
	if err == nil || !strings.Contains(err.Error(), "input words: the stage that it comes from has no such output") {
		t.Errorf("error %v", err)
	}
	b.env.Exec = nil
	_, err = b.run(wire.StageExec, script("true"), nil)
	if _, ok := errors.AsType[*source.InputError](err); !ok || !strings.Contains(err.Error(), "this worker runs no commands") {
		t.Errorf("error %v", err)
	}
}

func TestTheListSaysWhichProgramsRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"etl", "plain"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho $0\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		list, program string
		want          string
	}{
		{"sh", "sh", ""},
		{"sh", sh, ""},
		{dir + "/*", dir + "/etl", ""},
		{dir + "/e*", dir + "/../" + filepath.Base(dir) + "/etl", ""},
		{dir + "/*", dir + "/../../bin/sh", "not among"},
		{dir + "/*", dir + "/none", "can't be run on this worker: no such file"},
		{dir + "/*", dir + "/plain", "can't be run on this worker: permission denied"},
		{dir + "/*", "etl", "not among"},
		{"etl", dir + "/etl", "not among"},
		{"etl", "./etl", "not among"},
		{"no-such-program", "no-such-program", "can't be run on this worker: executable file not found"},
	} {
		_, err := allowed([]string{"cat", c.list}, []string{c.program})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("list %s, program %s: %v, want %q", c.list, c.program, err, c.want)
		}
	}
	if err := CheckExec([]string{"sh", "/opt/etl/*", "*", "", "bin/x", "/[", "p?"}); err == nil || len(strings.Split(err.Error(), "\n")) != 5 {
		t.Errorf("faults: %v", err)
	}
	if err := CheckExec([]string{"sh", "/opt/*/bin/[a-z]*"}); err != nil {
		t.Error(err)
	}
}

// A file beside the worker is no program, whatever its name.
func TestTheWorkersFolderIsNotLookedIn(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("sh", []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"./sh", "../" + filepath.Base(t.TempDir()) + "/sh", ".//sh"} {
		if program, err := allowed([]string{"sh"}, []string{name}); err == nil || !strings.Contains(err.Error(), "not among") {
			t.Errorf("%s gave %q, %v", name, program, err)
		}
	}
}

func TestSecretsAreInNoLineAndNoError(t *testing.T) {
	long := "-----BEGIN-----\nline of a key\nEND1\n"
	secrets := []string{"s3cr3t", "s3cr3t-and-more", strings.Repeat("k", 3000), long}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(secrets[3]), 0o600); err != nil {
		t.Fatal(err)
	}
	for k, s := range secrets[:3] {
		t.Setenv(fmt.Sprint("TEST_SECRET_", k), s)
	}
	b := newExec(t)
	s := script(`echo "a $A b $B"; echo "$D"; printf '%02040d%s%s\n' 0 "$C" "$A"; echo "$C"; printf '%05044d%s\n' 0 "$A"; echo "it was $A" >&2; exit 1 # s3cr3t`)
	s.Env = []string{"A=env:TEST_SECRET_0", "B=env:TEST_SECRET_1", "C=env:TEST_SECRET_2", "D=file:" + file}
	_, err := b.run(wire.StageExec, s, nil)
	if err == nil || !strings.Contains(err.Error(), "exit code 1: it was ***") {
		t.Fatalf("error %v", err)
	}
	lines := b.printed()
	all := strings.Join(append(lines, err.Error(), b.log.String()), "\n")
	for _, secret := range []string{"s3c", "and-more", "kkk", "BEGIN", "line of a key", "END1"} {
		if strings.Contains(all, secret) {
			t.Errorf("%q is in %s", secret, all)
		}
	}
	if !slices.Contains(lines, "out | a *** b ***") || !slices.Contains(lines, "out | ***") {
		t.Errorf("lines %q", lines)
	}
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		script string
		last   string
	}{
		"lines":   {`yes | head -c 1000000000; echo end`, "out | end"},
		"bars":    {`yes | head -c 100000000 | tr '\n' '\r'; echo end`, "out | end"},
		"wide":    {`head -c 1000000000 /dev/zero | tr '\0' x; echo; echo end`, "out | end"},
		"garbage": {`head -c 30000000 /dev/urandom; echo; echo end`, "out | end"},
		"errors":  {`yes error | head -c 120000000 >&2; echo end >&2`, "err | end"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newExec(t)
			began := time.Now()
			if _, err := b.run(wire.StageExec, script(c.script), nil); err != nil {
				t.Fatal(err)
			}
			took := int(time.Since(began).Seconds()) + 1
			lines, size := b.printed(), 0
			for _, l := range lines {
				size += len(l)
				if len(l) > 3*mostLine+20 || strings.ToValidUTF8(l, "") != l || strings.ContainsAny(l, "\x1b\r\n\x00") {
					t.Fatalf("line %q", l)
				}
			}
			// A line may be followed by one that says how many are left out.
			most, mostSize := 2*(burst+took*perSecond+keptLines), 3*(burstSize+took*sizeRate+keptLines*mostLine)
			if lines[len(lines)-1] != c.last || len(lines) > most || size > mostSize {
				t.Errorf("%d lines of %d bytes in %d s, the last %q", len(lines), size, took, lines[len(lines)-1])
			}
		})
	}
}

func TestLinesThatAreLeftOutAreCounted(t *testing.T) {
	t.Parallel()
	var told []string
	c := newConsole(nil, func(lines []string) { told = append(told, lines...) })
	now := time.Unix(0, 0)
	c.now, c.at = func() time.Time { return now }, now
	say := func(from, to int) {
		for k := from; k < to; k++ {
			fmt.Fprintf(c.out, "line %d\n", k)
		}
	}
	say(0, burst+7)
	if len(told) != burst || told[burst-1] != fmt.Sprint("out | line ", burst-1) {
		t.Errorf("%d lines, the last %q", len(told), told[len(told)-1])
	}
	now = now.Add(time.Second)
	told = nil
	say(1000, 1000+perSecond+keptLines+5)
	want := []string{"(7 lines left out)", "out | line 1000"}
	if len(told) != perSecond+1 || !slices.Equal(told[:2], want) {
		t.Errorf("%d lines: %q", len(told), told[:2])
	}
	told = nil
	fmt.Fprint(c.err, "a \x1b[31mred\x1b[0m\tword \xff\r50 %\r  \r\n\n100 %")
	c.close()
	if len(told) != keptLines+1 || told[0] != "(8 lines left out)" || !slices.Equal(told[keptLines-2:], []string{"err | a [31mred[0m\tword \uFFFD", "err | 50 %", "err | 100 %"}) {
		t.Errorf("got %q", told)
	}
}

func TestACommandEndsWithItsContext(t *testing.T) {
	t.Parallel()
	b := newExec(t)
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	b.env.Progress = func(p wire.Progress) {
		b.seen = append(b.seen, p)
		if slices.Contains(p.Lines, "out | ready") {
			cancel(enough)
		}
	}
	began := time.Now()
	_, err := Run(ctx, b.env, wire.Assignment{Stage: wire.Stage{
		Name: "hang/*", Kind: wire.StageExec,
		Settings: []byte(`{"command":["sh","-c","sleep 1000 & setsid sleep 1000 & echo ready; trap '' TERM; wait; sleep 1000"]}`),
	}})
	if !errors.Is(err, enough) || time.Since(began) > supervise.Grace+30*time.Second {
		t.Errorf("error %v after %v", err, time.Since(began))
	}
	if left, _ := os.ReadDir(b.env.Dir); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
