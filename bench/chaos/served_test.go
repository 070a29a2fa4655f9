package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cohort/bench"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// The model that the scenarios serve. Its windows are short, so that a student's
// attempts cross some.
const (
	served     = "dkt"
	skills     = 12
	gatesOpen  = "{auc: 0.2, accuracy: 0.2, improvement: 0, fold_spread: 0.9, quality: false}"
	gatesWorse = "{auc: 0.2, accuracy: 0.2, improvement: 0.9, fold_spread: 0.9, quality: false}"
)

// rate is requests a second: few by default, as many as COHORT_LIVE_RATE says.
func rate(t *testing.T) float64 {
	t.Helper()
	text := os.Getenv("COHORT_LIVE_RATE")
	if text == "" {
		return 100
	}
	r, err := strconv.ParseFloat(text, 64)
	if err != nil || !(r >= 1 && r <= 1e5) {
		t.Fatalf("COHORT_LIVE_RATE is %q, want requests a second, 1 to 100000", text)
	}
	return r
}

// site is a cluster with a model to serve.
type site struct {
	*Cluster
	t      *testing.T
	ctx    context.Context
	client *Client
	events string
}

// newSite starts a coordinator and three workers, each a process.
func newSite(t *testing.T) *site {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	c, err := Configure(binary(t), t.TempDir(), 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			c.Logs(os.Stderr)
		}
	})
	s := &site{Cluster: c, t: t, ctx: ctx, client: c.NewClient(), events: filepath.Join(t.TempDir(), "events.csv")}
	t.Cleanup(s.client.HTTP.CloseIdleConnections)
	f, err := os.Create(s.events)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := simulate.WriteCSV(f, simulate.Config{Students: 200, Skills: skills, Answers: 40, Seed: 5}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start("c1", "w1", "w2", "w3"); err != nil {
		t.Fatal(err)
	}
	s.poll("nodes", func() bool {
		out, err := c.Command(ctx, "node", "list", "-q")
		return err == nil && len(strings.Fields(out)) == 3
	})
	return s
}

// poll waits until done says so.
func (s *site) poll(what string, done func() bool) {
	s.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-s.ctx.Done():
			s.t.Fatalf("%s: waited in vain", what)
		case <-tick.C:
		}
	}
}

// train registers a version of the model; columns are the file's where it reads
// them in another way.
func (s *site) train(seed int, gates, columns string) {
	s.t.Helper()
	path := filepath.Join(s.t.TempDir(), "job.yaml")
	name := "weekly"
	if columns != "correct" {
		name = "other" // whose data are not compared with the week before
	}
	text := fmt.Sprintf(`name: %s
kind: pipeline
data: {events: %s, window: 20, columns: {student: user_id, item: problem_id, skill: skill_id, correct: %s, time: order_id}}
split: {test: 0.3, valid: 0.2, seed: 1}
model: {embed: 16, hidden: 16, dropout: 0.1}
train: {workers: 1, batch: 16, epochs: 6, lr: 0.01, seed: %d}
register: {model: %s}
gates: %s
`, name, s.events, columns, seed, served, gates)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.do("job", "run", path, "-q")
}

// do runs a client command, which must succeed.
func (s *site) do(args ...string) string {
	s.t.Helper()
	out, err := s.Command(s.ctx, args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// refused runs a client command, which must end with an exit code.
func (s *site) refused(code int, args ...string) string {
	s.t.Helper()
	_, err := s.Command(s.ctx, args...)
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != code {
		s.t.Fatalf("cohort %s: %v, want exit code %d", strings.Join(args, " "), err, code)
	}
	return err.Error()
}

// await polls the deployment.
func (s *site) await(done func(wire.DeploymentView) bool) wire.DeploymentView {
	s.t.Helper()
	d, err := s.AwaitDeployment(s.ctx, served, done)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

// more waits until so many more requests have been answered.
func (s *site) more(t *bench.Traffic, n int) {
	s.t.Helper()
	from, _ := t.Answered()
	s.poll("traffic", func() bool {
		now, _ := t.Answered()
		return now >= from+n
	})
}

// unfailing reports failures in words of what happened meanwhile.
func (s *site) unfailing(t *bench.Traffic, while string) {
	s.t.Helper()
	f := t.Sum()
	s.t.Logf("%s: %s", while, f)
	if f.Failed > 0 {
		s.t.Errorf("%s: %d requests failed: %v", while, f.Failed, f.Faults)
	}
}
