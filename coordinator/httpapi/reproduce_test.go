package httpapi_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/coordinator/httpapi"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

const weekly = `name: weekly
kind: pipeline
source: {kind: lake, to: run, lake: {url: /lake}}
register: {model: rasch}
`

// makeFrom brings a version about by a job that has a file, for a time.
func (b *bench) makeFrom(job, weights, spec string, at, to int64) {
	b.t.Helper()
	b.must(wire.CmdRegisterNode, wire.RegisterNode{Node: wire.Node{ID: "w", Session: "s", Resources: wire.Resources{Cores: 100}}})
	b.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: job, Name: "weekly", Kind: "pipeline", Spec: spec, At: at}, Stages: []wire.Stage{
		{Name: "validate", Kind: wire.StageValidate, Run: wire.Batch, Tasks: 1, Settings: raw(b.t, wire.ValidateSettings{To: to})},
		{
			Name: "evaluate", Kind: wire.StageEvaluate, Run: wire.Batch, Tasks: 1, Inputs: map[string]string{"weights": weights},
			Settings: raw(b.t, wire.EvaluateSettings{Name: "rasch", Gates: wire.DefaultGates()}),
		},
		{
			Name: "register", Kind: wire.StageRegister, Run: wire.Batch, Tasks: 1, Inputs: map[string]string{"weights": weights}, After: []string{"evaluate"},
			Settings: raw(b.t, wire.RegisterSettings{Name: "rasch", Evaluation: "evaluate"}),
		},
	}})
	for _, r := range []wire.TaskResult{
		{Task: job + "/evaluate/0", Evaluation: &wire.Evaluation{Candidate: weights}},
		{Task: job + "/register/0", Version: b.versionOf(weights)},
	} {
		r.Token = b.place(r.Task)
		if _, err := b.api.Result(b.t.Context(), r); err != nil {
			b.t.Fatal(err)
		}
	}
}

// The job that makes a version again is of the file and for the time of the one
// that made it, and is in nobody's way.
func TestTheJobThatMakesAModelAgain(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.makeFrom("j1", "w1", weekly, 5000, 5_000_000)
	open := strings.Replace(weekly, "to: run, ", "", 1)
	b.makeFrom("j2", "w2", open, 6000, 0)
	b.makeFrom("j3", "w3", open, 7000, 7_000_000) // a backfill
	for n, want := range []int64{5_000_000, 0, 7_000_000} {
		r, err := b.api.Reproduce(t.Context(), "rasch", n+1)
		if err != nil {
			t.Fatal(err)
		}
		j, ok := b.state.Read().Job(nil, r.ID)
		if !ok || !strings.HasPrefix(j.ID, "reproduce-rasch-v") || j.Name == "weekly" || j.Schedule != "" {
			t.Fatalf("%s: %+v", r.ID, j)
		}
		v, _ := b.state.Read().Version(nil, "rasch", n+1)
		validate, _ := b.state.Read().Stage(nil, j.ID, "validate")
		compare, _ := b.state.Read().Stage(nil, j.ID, "reproduce")
		var set wire.ValidateSettings
		if err := json.Unmarshal(validate.Settings, &set); err != nil || set.To != want || compare.Inputs["manifest"] != v.Manifest {
			t.Errorf("version %d: events up to %d are taken, want %d; compared with %s", n+1, set.To, want, compare.Inputs["manifest"])
		}
	}
}

func TestWhatCannotBeMadeAgainIsToldWhy(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.make("j1", "w1", 0.1) // by a job without a file
	b.makeFrom("j2", "w2", weekly, 5000, 0)
	v, _ := b.state.Read().Version(nil, "rasch", 2)
	for name, c := range map[string]struct {
		model   string
		version int
		code    wire.Code
		want    string
	}{
		"model":   {"none", 1, wire.CodeNotFound, `no model "none"`},
		"version": {"rasch", 7, wire.CodeNotFound, `no version of model rasch that is called "7"`},
		"none":    {"rasch", 0, wire.CodeNotFound, `no version of model rasch that is called "0"`},
		"file":    {"rasch", 1, wire.CodeInvalid, "job file of j1"},
	} {
		if _, err := b.api.Reproduce(t.Context(), c.model, c.version); code(err) != c.code || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.dir, v.Manifest[:2], v.Manifest), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := b.api.Reproduce(t.Context(), "rasch", 2); code(err) != wire.CodeConflict || !strings.Contains(err.Error(), "rasch@2 is not what was registered: manifest") {
		t.Errorf("an altered manifest: %v", err)
	}
	// Whoever asks for that blob is told that it is altered, and not that a
	// connection broke, which would be tried again.
	rc, err := b.api.Blobs(lake.ErrNotFound, lake.ErrCorrupt).Get(t.Context(), v.Manifest)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); err == nil || !strings.Contains(err.Error(), lake.ErrCorrupt.Error()) {
		t.Errorf("an altered blob: %v", err)
	}
	if err := rc.Close(); err != nil {
		t.Error(err)
	}
}

// failing is a blob store that can't be reached.
type failing struct{ lake.Blobs }

func (failing) Get(context.Context, string) (io.ReadCloser, error) {
	return nil, errors.New("connection refused")
}

// A store that fails says nothing of what it holds.
func TestAStoreThatFailsIsNoForgery(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.makeFrom("j1", "w1", weekly, 5000, 0)
	server := httptest.NewServer(httpapi.New(httpapi.Deps{
		ID: "c1", State: b.state, Consensus: b.solo, Blobs: failing{}, Logger: slog.New(slog.DiscardHandler),
	}))
	defer server.Close()
	b.url = server.URL
	if _, err := b.client("").Reproduce(t.Context(), "rasch", 1); code(err) != wire.CodeInternal || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("%q %v", code(err), err)
	}
}
