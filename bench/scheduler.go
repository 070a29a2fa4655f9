package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"cohort/cli/local"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
	"cohort/worker/train"
)

// Scheduler is a cluster in this process whose control plane is measured.
type Scheduler struct {
	dir     string
	cluster *local.Cluster
	api     *client.Client
	first   *firstSteps
	submits int
	spec    wire.Spec // of the jobs submitted
	seed    uint32
}

// schedulerCores are a worker's in name: stages that do nothing need no core.
const schedulerCores = 32

// NewScheduler starts the cluster and stages data for n submits.
func NewScheduler(ctx context.Context, n int) (*Scheduler, error) {
	dir, err := os.MkdirTemp("", "cohort-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	s := &Scheduler{dir: dir, first: newFirstSteps(), submits: n}
	if s.cluster, err = local.Start(ctx, local.Config{
		Workers: 2, Cores: schedulerCores, DataDir: dir, Version: "bench", Logger: slog.New(s.first),
	}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	s.api = client.New([]string{s.cluster.URL()}, client.Options{Actor: "bench"})
	if err := errors.Join(s.cluster.Ready(ctx), s.stage(ctx)); err != nil {
		s.Close() //nolint:contextcheck // bounded by itself
		return nil, err
	}
	return s, nil
}

// Close ends the cluster and removes its folder.
func (s *Scheduler) Close() {
	s.api.Close()
	_ = s.cluster.Close()   // nothing of it is kept
	_ = os.RemoveAll(s.dir) // likewise
}

// stage extracts a small log, so that later runs find everything but the training.
func (s *Scheduler) stage(ctx context.Context) error {
	c := simulate.DefaultConfig()
	c.Students, c.Answers = 300, 30
	var log bytes.Buffer
	if _, err := simulate.WriteCSV(&log, c); err != nil {
		return err
	}
	hash, _, err := s.api.Blobs(nil).Put(ctx, bytes.NewReader(log.Bytes()))
	if err != nil {
		return err
	}
	s.spec = wire.DefaultSpec()
	s.spec.Name, s.spec.Kind = "staged", "pipeline"
	s.spec.Data.Events, s.spec.Data.EventsName = "sha256:"+hash, "simulated.csv"
	s.spec.Model.Embed, s.spec.Model.Hidden = 32, 32
	s.spec.Train.Epochs, s.spec.Train.Workers = 1, 2
	_, err = s.submit(ctx)
	return err
}

// submit runs a job to its end and answers the time from submit to the first
// training step.
func (s *Scheduler) submit(ctx context.Context) (time.Duration, error) {
	s.seed++
	s.spec.Train.Seed = s.seed
	text, err := s.spec.Text()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	r, err := s.api.Submit(ctx, text)
	if err != nil {
		return 0, err
	}
	if err := s.wait(ctx, r.ID, nil); err != nil {
		return 0, err
	}
	at, ok := s.first.at(r.ID)
	if !ok {
		return 0, fmt.Errorf("job %s has made no step", r.ID)
	}
	return at.Sub(start), nil
}

// wait waits for a job's end; each look is timed, with one at the list beside it.
func (s *Scheduler) wait(ctx context.Context, id string, looks *looks) error {
	var index uint64
	for {
		start := time.Now()
		j, next, err := s.api.Job(ctx, id, index, 0)
		if err != nil {
			return err
		}
		if looks != nil {
			looks.status = append(looks.status, since(start))
			start = time.Now()
			if _, err := s.api.Jobs(ctx); err != nil {
				return err
			}
			looks.list = append(looks.list, since(start))
		}
		if j.Status == wire.Done {
			return nil
		}
		if j.Status.Final() {
			return fmt.Errorf("job %s %s: %s", id, j.Status, j.Reason)
		}
		index = next
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// looks are milliseconds that reads took.
type looks struct{ status, list []float64 }

func since(t time.Time) float64 { return float64(time.Since(t).Microseconds()) / 1000 }

func quantile(values []float64, q float64) float64 {
	v := slices.Clone(values)
	slices.Sort(v)
	return sorted(v, q)
}

// sorted is a quantile of values that are in order.
func sorted(v []float64, q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }

// Scenarios are graphs of so many stages, and the submits.
func (s *Scheduler) Scenarios(stages int) []Scenario {
	return []Scenario{
		{Name: fmt.Sprintf("Scheduler/graph=wide/stages=%d", stages), Run: func(ctx context.Context) ([]Metric, error) {
			return s.graph(ctx, wideGraph(stages))
		}},
		{Name: fmt.Sprintf("Scheduler/graph=deep/stages=%d", stages), Run: func(ctx context.Context) ([]Metric, error) {
			return s.graph(ctx, deepGraph(stages))
		}},
		{Name: "Scheduler/submit-to-first-step", Run: s.steps},
	}
}

// wideGraph is one stage that waits for all the others.
func wideGraph(n int) []string {
	stages := make([]string, 0, n)
	var all []string
	for k := range n - 1 {
		stages = append(stages, fmt.Sprintf("{name: w%d, kind: noop}", k))
		all = append(all, fmt.Sprint("w", k))
	}
	return append(stages, "{name: join, kind: noop, after: ["+strings.Join(all, ",")+"]}")
}

// chains is how many chains a deep graph is of.
const chains = 100

func deepGraph(n int) []string {
	stages := make([]string, n)
	for k := range n {
		stages[k] = fmt.Sprintf("{name: d%d, kind: noop}", k)
		if k >= chains {
			stages[k] = fmt.Sprintf("{name: d%d, kind: noop, after: [d%d]}", k, k-chains)
		}
	}
	return stages
}

func (s *Scheduler) graph(ctx context.Context, stages []string) ([]Metric, error) {
	text := "name: graph\nkind: graph\nstages:\n- " + strings.Join(stages, "\n- ") + "\n"
	seen := &looks{}
	m, d, err := timed(func() error {
		r, err := s.api.Submit(ctx, text)
		if err != nil {
			return err
		}
		return s.wait(ctx, r.ID, seen)
	})
	if err != nil {
		return nil, err
	}
	return []Metric{
		m,
		rate(int64(len(stages)), d, "stages/s"),
		rate(2*int64(len(stages)), d, "transitions/s"),
		{"status-p50-ms", quantile(seen.status, .5)},
		{"status-p99-ms", quantile(seen.status, .99)},
		{"list-p50-ms", quantile(seen.list, .5)},
		{"list-p99-ms", quantile(seen.list, .99)},
	}, nil
}

func (s *Scheduler) steps(ctx context.Context) ([]Metric, error) {
	var took []float64
	for range s.submits {
		d, err := s.submit(ctx)
		if err != nil {
			return nil, err
		}
		took = append(took, float64(d.Microseconds())/1000)
	}
	p50 := quantile(took, .5)
	return []Metric{{"ns/op", p50 * 1e6}, {"p50-ms", p50}, {"p90-ms", quantile(took, .9)}, {"max-ms", slices.Max(took)}}, nil
}

// firstSteps is a log that notes when each job's first training step is done.
type firstSteps struct {
	slog.Handler
	task string

	*shared
}

type shared struct {
	mu    sync.Mutex
	steps map[string]time.Time // by job
}

func newFirstSteps() *firstSteps {
	return &firstSteps{Handler: slog.DiscardHandler, shared: &shared{steps: map[string]time.Time{}}}
}

func (f *firstSteps) at(job string) (time.Time, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	t, ok := f.steps[job]
	return t, ok
}

// Enabled lets what a handler discards pass.
func (f *firstSteps) Enabled(context.Context, slog.Level) bool { return true }

// Handle notes a first step.
func (f *firstSteps) Handle(_ context.Context, r slog.Record) error {
	if job, _, ok := strings.Cut(f.task, "/"); ok && r.Message == train.FirstStep {
		f.mu.Lock()
		defer f.mu.Unlock()
		if _, there := f.steps[job]; !there {
			f.steps[job] = r.Time
		}
	}
	return nil
}

// WithAttrs keeps the task's name.
func (f *firstSteps) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *f
	for _, a := range attrs {
		if a.Key == "task" {
			c.task = a.Value.String()
		}
	}
	return &c
}

// WithGroup changes nothing.
func (f *firstSteps) WithGroup(string) slog.Handler { return f }
