//go:build linux

package worker

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/worker/supervise"
)

// An attempt is of a stage that idles: it would never end by itself.
func TestAnAttemptThatTakesTooLongFails(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		for limit, want := range map[time.Duration]string{
			10 * time.Minute:                "10m",
			90 * time.Minute:                "1h30m",
			2 * time.Hour:                   "2h",
			1500 * time.Millisecond:         "1.5s",
			time.Minute + 10*time.Second:    "1m10s",
			10*time.Minute + 20*time.Second: "10m20s",
		} {
			before := len(c.results)
			began := time.Now()
			c.do(func() {
				c.assignments["job/load/0"] = wire.Assignment{
					Task:  wire.Task{ID: "job/load/0", Status: wire.Running, Token: c.index + 1, Attempt: 1},
					Stage: wire.Stage{Job: "job", Name: "load", Kind: wire.StageIdle, Run: wire.Batch, Timeout: limit.Milliseconds()},
				}
			})
			pass(limit - time.Millisecond)
			c.do(func() {
				if len(c.results) != before {
					t.Fatalf("ended before %v: %+v", limit, c.results[before])
				}
			})
			pass(time.Second)
			c.until(t, "a result", func() bool { return len(c.results) > before })
			r := c.results[before]
			if r.Cause != wire.CauseTask || r.Error != "stage load took longer than "+want {
				t.Errorf("after %v: %+v", time.Since(began), r)
			}
		}
	})
}

// execTask places an exec stage.
func (c *cluster) execTask(t *testing.T, timeout time.Duration, s wire.ExecSettings) {
	t.Helper()
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	c.do(func() {
		c.assignments["job/run/0"] = wire.Assignment{
			Task:  wire.Task{ID: "job/run/0", Status: wire.Running, Token: c.index + 1, Attempt: 1},
			Stage: wire.Stage{Job: "job", Name: "run", Kind: wire.StageExec, Run: wire.Batch, Settings: text, Timeout: timeout.Milliseconds()},
		}
	})
}

func (c *cluster) printed(line string) bool {
	return strings.Contains("\n"+strings.Join(c.lines, "\n")+"\n", "\nout | "+line+"\n")
}

func TestACommandRunsOnAWorkerThatAllowsIt(t *testing.T) {
	t.Parallel()
	c := newCluster()
	cfg := config(t, c)
	cfg.Exec = []string{"sh"}
	left := filepath.Join(cfg.DataDir, "exec", "old-1")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	orphan := exec.CommandContext(t.Context(), "sleep", "1000")
	orphan.Env = []string{supervise.Mark + "=" + left}
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	n, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer end(t, c, n)
	if err := orphan.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("what an earlier worker left ended with %v", err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("the folder of an earlier worker: %v", err)
	}
	c.execTask(t, time.Minute, wire.ExecSettings{Command: []string{"sh", "-c", "echo hello; echo x > out"}, Outputs: []string{"out"}})
	c.until(t, "a result", func() bool { return len(c.results) == 1 && c.printed("hello") })
	if r := c.results[0]; r.Error != "" || len(r.Outputs["out"]) != 64 || !c.nodes[0].Exec {
		t.Errorf("result %+v of %+v", r, c.nodes)
	}
	c.execTask(t, 300*time.Millisecond, wire.ExecSettings{Command: []string{"sh", "-c", "sleep 1000 & setsid sleep 1000 & wait"}})
	c.until(t, "a time-out", func() bool { return len(c.results) == 2 })
	if r := c.results[1]; r.Cause != wire.CauseTask || r.Error != "stage run took longer than 300ms" {
		t.Errorf("result %+v", r)
	}
	c.execTask(t, 0, wire.ExecSettings{Command: []string{"cat"}})
	c.until(t, "a refusal", func() bool { return len(c.results) == 3 })
	if r := c.results[2]; r.Cause != wire.CauseFatal || !strings.Contains(r.Error, `program "cat" is not among those that this worker allows: sh`) {
		t.Errorf("result %+v", r)
	}
}

func TestClosingAWorkerEndsItsCommands(t *testing.T) {
	t.Parallel()
	c := newCluster()
	cfg := config(t, c)
	cfg.Exec = []string{"sh"}
	n, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.execTask(t, 0, wire.ExecSettings{Command: []string{"sh", "-c", "echo ready; trap '' TERM; while :; do sleep 1000; done"}})
	c.until(t, "the command", func() bool { return c.printed("ready") })
	began := time.Now()
	end(t, c, n)
	if took := time.Since(began); took > supervise.Grace+30*time.Second || len(c.results) > 0 {
		t.Errorf("took %v, results %+v", took, c.results)
	}
	if left, err := os.ReadDir(filepath.Join(cfg.DataDir, "exec")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestAWorkerAllowsNoCommandsByItself(t *testing.T) {
	t.Parallel()
	c := newCluster()
	n := begin(t, c)
	defer end(t, c, n)
	c.execTask(t, 0, wire.ExecSettings{Command: []string{"sh"}})
	c.until(t, "a refusal", func() bool { return len(c.results) == 1 })
	if r := c.results[0]; r.Cause != wire.CauseFatal || !strings.Contains(r.Error, "this worker runs no commands") || c.nodes[0].Exec {
		t.Errorf("result %+v of %+v", r, c.nodes)
	}
	cfg := config(t, c)
	cfg.Exec = []string{"*"}
	if _, err := Start(context.Background(), cfg); err == nil || !strings.Contains(err.Error(), `exec: "*" is neither`) {
		t.Errorf("error %v", err)
	}
}
