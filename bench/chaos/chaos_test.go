package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"cohort/dkt/simulate"
)

// binary builds the real program once a test.
func binary(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cohort")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "cohort/cli/cohort")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// jobFile writes simulated events and a job that trains long enough to be disturbed.
func jobFile(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	events, err := os.Create(filepath.Join(dir, "events.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := simulate.WriteCSV(events, simulate.Config{Students: 300, Skills: 12, Answers: 40, Seed: 5}); err != nil {
		t.Fatal(err)
	}
	if err := events.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "job.yaml")
	text := fmt.Sprintf(`name: disturbed
kind: train
data:
  events: %s
  columns: {student: user_id, item: problem_id, skill: skill_id, correct: correct, time: order_id}
split: {test: 0.2, valid: 0.2, seed: 1}
model: {cell: lstm, embed: 64, hidden: 64, layers: 1, dropout: 0.1}
train: {workers: 2, batch: 16, epochs: 40, patience: 0, seed: 42}
`, events.Name())
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func start(t *testing.T, bin string) *Cluster {
	t.Helper()
	c, err := Configure(bin, t.TempDir(), 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			c.Logs(os.Stderr)
		}
	})
	if err := c.Start("c1", "w1", "w2"); err != nil {
		t.Fatal(err)
	}
	return c
}

// run submits the job, disturbs the cluster in mid-training and returns the hash.
func run(t *testing.T, bin, file string, disturb func(t *testing.T, c *Cluster)) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	c := start(t, bin)
	id, err := submit(ctx, c, file)
	if err != nil {
		t.Fatal(err)
	}
	early, err := c.Await(ctx, id, func(j Job) bool { return j.Epoch >= 3 })
	if err != nil {
		t.Fatal(err)
	}
	if early.Status == "done" {
		t.Fatal("the job ended before it could be disturbed: make it longer")
	}
	disturb(t, c)
	job, err := c.Await(ctx, id, func(Job) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if job.Status != "done" || job.Result.Hash == "" {
		t.Fatalf("the job ended %s: %s", job.Status, job.Reason)
	}
	return job.Result.Hash
}

// submit retries until the cluster that is just starting answers.
func submit(ctx context.Context, c *Cluster, file string) (string, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		id, err := c.Submit(ctx, file)
		if err == nil {
			return id, nil
		}
		select {
		case <-ctx.Done():
			return "", err
		case <-tick.C:
		}
	}
}

func TestOneHashWhoeverIsKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes for about a minute: make cover and make chaos run it")
	}
	bin, file := binary(t), jobFile(t)
	calm := run(t, bin, file, func(*testing.T, *Cluster) {})
	kill := func(id string) func(t *testing.T, c *Cluster) {
		return func(t *testing.T, c *Cluster) {
			if err := c.Signal(id, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			if err := c.Start(id); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, id := range []string{"c1", "w1", "w2"} {
		t.Run("kill-9-"+id, func(t *testing.T) {
			if hash := run(t, bin, file, kill(id)); hash != calm {
				t.Errorf("the hash is %s, undisturbed %s", hash, calm)
			}
		})
	}
	t.Run("kill-9-everything", func(t *testing.T) {
		hash := run(t, bin, file, func(t *testing.T, c *Cluster) {
			for _, id := range []string{"c1", "w1", "w2"} {
				if err := c.Signal(id, syscall.SIGKILL); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Start("c1", "w1", "w2"); err != nil {
				t.Fatal(err)
			}
		})
		if hash != calm {
			t.Errorf("the hash is %s, undisturbed %s", hash, calm)
		}
	})
}
