//go:build interop

package source_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/bench/chaos"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

// product is the real binary: a coordinator c1 and a worker w1, each a process.
type product struct {
	t   *testing.T
	api *client.Client
	*chaos.Cluster
}

// startProduct builds and starts the binary. What the test has set in the
// environment, the processes have in theirs.
func startProduct(t *testing.T) *product {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "cohort")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "cohort/cli/cohort")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c, err := chaos.Configure(binary, dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	p := &product{t, client.New([]string{c.HTTP}, client.Options{Patience: 30 * time.Second}), c}
	t.Cleanup(func() {
		c.Close()
		if t.Failed() {
			c.Logs(os.Stderr)
		}
	})
	if err := c.Start("c1", "w1"); err != nil {
		t.Fatal(err)
	}
	return p
}

// pipeline writes a job file over a source, named for it. The model is the least.
func (p *product) pipeline(name, source string) (file string) {
	p.t.Helper()
	file = filepath.Join(p.Dir, name+".yaml")
	text := fmt.Sprintf(`name: %s
kind: pipeline
%s
  columns: {student: user, item: item, skill: skill, correct: correct, time: at, id: id, elapsed: ms}
validate: {drift: false}
split: {test: 0.3, valid: 0.3, seed: 1}
model: {embed: 4, hidden: 4, dropout: 0.1}
train: {workers: 1, batch: 64, epochs: 1}
`, name, source)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// submit starts a run and leaves it running.
func (p *product) submit(file string, set ...string) (job string) {
	p.t.Helper()
	args := append([]string{"job", "run", "-detach", "-o", "json", file}, set...)
	var out string
	var err error
	p.poll("a job is taken", func() bool { out, err = p.Command(p.t.Context(), args...); return err == nil }, &err)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var j wire.JobView
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &j); err != nil {
		p.t.Fatal(err)
	}
	return j.ID
}

// view reads a job, however long the coordinator takes to be there.
func (p *product) view(job string) (j wire.JobView) {
	p.t.Helper()
	var err error
	p.poll("the coordinator answers", func() bool { j, err = p.api.JobStages(p.t.Context(), job, "all"); return err == nil }, &err)
	return j
}

// poll asks until it is so, for four minutes at most. why may say what is amiss.
func (p *product) poll(what string, so func() bool, why *error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("not within four minutes: %s (%v)", what, *why)
		}
	}
}

// await waits until a stage of a job is done. No job may fail.
func (p *product) await(job, stage string) (s wire.StageView) {
	p.t.Helper()
	var err error
	p.poll(stage+" of "+job+" is done", func() bool {
		j := p.view(job)
		if j.Status == wire.Failed || j.Status == wire.Stopped {
			p.t.Fatalf("%s %s: %s", job, j.Status, j.Reason)
		}
		s = stageOf(j, stage)
		return s.Status == wire.Done
	}, &err)
	return s
}

// ends waits until a job is done.
func (p *product) ends(job string) {
	p.t.Helper()
	var err error
	p.poll(job+" is done", func() bool {
		j := p.view(job)
		if j.Status == wire.Failed || j.Status == wire.Stopped {
			p.t.Fatalf("%s %s: %s", job, j.Status, j.Reason)
		}
		return j.Status == wire.Done
	}, &err)
}

func stageOf(j wire.JobView, name string) wire.StageView {
	for _, s := range j.Stages {
		if s.Name == name {
			return s
		}
	}
	return wire.StageView{}
}

// stop ends a job of which enough is known.
func (p *product) stop(job string) {
	p.t.Helper()
	_, _ = p.api.Stop(p.t.Context(), job, wire.StopRequest{}) // it may have ended
	var err error
	p.poll(job+" stops", func() bool { return p.view(job).Status.Final() }, &err)
}

// extracted is what a run made of its source.
type extracted struct {
	Dataset, Shards string
	Events, Read    int64
	took            time.Duration
}

// extract runs a pipeline up to its shards.
func (p *product) extract(file string, set ...string) extracted {
	p.t.Helper()
	job := p.submit(file, set...)
	e := p.finish(job)
	p.stop(job)
	return e
}

// finish waits for a job's shards.
func (p *product) finish(job string) (e extracted) {
	p.t.Helper()
	s := p.await(job, "extract")
	var told struct{ Dataset struct{ Events, Read int64 } }
	if err := json.Unmarshal(s.Result, &told); err != nil {
		p.t.Fatal(err)
	}
	e.Events, e.Read, e.Dataset = told.Dataset.Events, told.Dataset.Read, s.Outputs["dataset"]
	e.took = time.Duration(s.Ended-s.Started) * time.Millisecond
	e.Shards = p.await(job, "shard").Outputs["shards"]
	if e.Dataset == "" || e.Shards == "" {
		p.t.Fatalf("no hashes: %+v", e)
	}
	return e
}

// The sections of job files.

func csvSource(path string) string { return fmt.Sprintf("data:\n  events: %q", path) }

func postgresSource(ref string) string {
	return fmt.Sprintf("source: {kind: postgres, postgres: {url: %q, table: log}}\ndata:", ref)
}

func kafkaSource(s *kafkaServer, topic string) string {
	return fmt.Sprintf("source: {kind: kafka, kafka: {brokers: [%q], topics: [%s]}}\ndata:", s.plain, topic)
}

func lakeSource(url string) string {
	return fmt.Sprintf("source: {kind: lake, lake: {url: %q, pattern: \"day=*/*.parquet\"}}\ndata:", url)
}
