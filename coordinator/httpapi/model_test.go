package httpapi_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/client"
	"cohort/coordinator/httpapi"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// solo is a cluster of one replica that applies what is proposed.
type solo struct {
	mu    sync.Mutex
	state *state.Store
	index uint64
}

func (s *solo) Propose(_ context.Context, env wire.Envelope) (wire.Outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.index++
	return s.state.Apply(s.index, env), nil
}

func (s *solo) Serving() (context.Context, bool) { return context.Background(), true }
func (s *solo) Leader() (id, addr string)        { return "c1", "" }
func (s *solo) Voters() ([]string, error)        { return []string{"c1"}, nil }

// bench is an API over a solo, with a worker played by hand.
type bench struct {
	*solo
	t       *testing.T
	blobs   lake.Blobs
	dir     string // of them
	url     string
	api     *client.Client
	admin   *client.Client
	private ed25519.PrivateKey
	key     wire.SigningKey // its record
}

const token = "hunter2-never-said"

func newBench(t *testing.T) *bench {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{solo: &solo{state: state.New()}, t: t, dir: t.TempDir(), private: private, key: wire.SigningKey{ID: wire.KeyID(public), Public: public, Owner: "c1"}}
	if b.blobs, err = lake.OpenCache(b.dir); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(httpapi.New(httpapi.Deps{
		ID: "c1", State: b.state, Consensus: b.solo, Blobs: b.blobs, Progress: httpapi.NewProgress(),
		Logger: slog.New(slog.DiscardHandler), Sign: private, Key: b.key, AdminToken: token,
	}))
	t.Cleanup(server.Close)
	b.url = server.URL
	b.api = b.client("")
	b.admin = b.client(token)
	return b
}

func (b *bench) client(token string) *client.Client {
	c := client.New([]string{b.url}, client.Options{Actor: "ann", Token: token, Patience: time.Millisecond})
	b.t.Cleanup(c.Close)
	return c
}

func (b *bench) must(n wire.Number, body any) uint64 {
	b.t.Helper()
	env, err := state.Envelope(n, body, "test", "")
	if err != nil {
		b.t.Fatal(err)
	}
	env.Time = time.Now().UnixMilli()
	out, err := b.Propose(b.t.Context(), env)
	if err != nil || out.Code != wire.OK {
		b.t.Fatalf("command %d: %+v, %v", n, out, err)
	}
	return out.Index
}

func (b *bench) put(text []byte) string {
	b.t.Helper()
	hash, _, err := b.blobs.Put(b.t.Context(), bytes.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	return hash
}

func raw(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// start makes a worker and a job that evaluates and registers weights.
func (b *bench) start(job, weights string) {
	b.t.Helper()
	b.must(wire.CmdRegisterNode, wire.RegisterNode{Node: wire.Node{ID: "w", Session: "s", Resources: wire.Resources{Cores: 100}}})
	b.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: job, Name: "weekly"}, Stages: []wire.Stage{
		{
			Name: "evaluate", Kind: wire.StageEvaluate, Run: wire.Batch, Tasks: 1, Inputs: map[string]string{"weights": weights, "production": "@rasch"},
			Settings: raw(b.t, wire.EvaluateSettings{Name: "rasch", Gates: wire.DefaultGates()}),
		},
		{
			Name: "register", Kind: wire.StageRegister, Run: wire.Batch, Tasks: 1, Inputs: map[string]string{"weights": weights}, After: []string{"evaluate"},
			Settings: raw(b.t, wire.RegisterSettings{Name: "rasch", Evaluation: "evaluate"}),
		},
	}})
}

func (b *bench) place(task string) uint64 {
	b.t.Helper()
	return b.must(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{{Task: task, Node: "w", Session: "s", Granted: wire.Resources{Cores: 1}}}})
}

// versionOf is what a worker brings of weights, its manifest put into the store.
func (b *bench) versionOf(weights string) *wire.ModelVersion {
	b.t.Helper()
	v := &wire.ModelVersion{Model: "rasch", Weights: weights, WeightsHash: "n" + weights, Engine: "kernels"}
	v.Manifest = b.put(raw(b.t, wire.ModelManifest{FormatVersion: 1, Model: "rasch", Weights: weights, WeightsHash: "n" + weights, Engine: "kernels"}))
	return v
}

// make brings a version about through the API, as a worker does.
func (b *bench) make(job, weights string, gain float64) {
	b.t.Helper()
	b.start(job, weights)
	s, _ := b.state.Read().Stage(nil, job, "evaluate")
	e := &wire.Evaluation{
		Candidate: weights, BaselineWeights: s.Resolved["production"], Of: wire.Measures{AUC: 0.8, Accuracy: 0.8},
		Gain: gain, GainLow: gain / 2, GainHigh: 2 * gain, Quality: wire.QualityPassed,
	}
	if _, err := b.api.Result(b.t.Context(), wire.TaskResult{Task: job + "/evaluate/0", Token: b.place(job + "/evaluate/0"), Evaluation: e}); err != nil {
		b.t.Fatal(err)
	}
	r := wire.TaskResult{Task: job + "/register/0", Token: b.place(job + "/register/0"), Version: b.versionOf(weights)}
	if _, err := b.api.Result(b.t.Context(), r); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) ready() {
	b.t.Helper()
	b.must(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: wire.FeatureLevel})
	b.must(wire.CmdPutKey, wire.PutKey{Key: b.key})
}

func code(err error) wire.Code {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Code
	}
	return wire.OK
}

func TestAModelThroughTheAPI(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.make("j1", "w1", 0.1)
	ctx := t.Context()
	v, err := b.api.Version(ctx, "rasch", "latest")
	if err != nil || v.Version != 1 || v.Found == nil || len(v.Found.Gates) != 5 || v.Found.Job != "j1" {
		t.Fatalf("version %+v, %v", v, err)
	}
	keys, err := b.api.Keys(ctx)
	if err != nil || len(keys) != 1 || !v.SignedBy(keys[0].Public) || v.Key != keys[0].ID {
		t.Errorf("keys %+v, signature %x by %s, %v", keys, v.Signature, v.Key, err)
	}
	if out, err := b.api.Promote(ctx, wire.Promote{Model: "rasch", Version: 1, Stage: wire.Production}); err != nil || out.ID != "rasch" || out.Index == 0 {
		t.Fatalf("promoted %+v, %v", out, err)
	}
	moved := time.Now().Add(-time.Hour)
	b.make("j2", "w2", 0.1)
	if _, err := b.api.Promote(ctx, wire.Promote{Model: "rasch", Version: 2, Stage: wire.Production}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.api.Promote(ctx, wire.Promote{Model: "rasch", Rollback: true, Reason: "complaints"}); err != nil {
		t.Fatal(err)
	}
	m, index, err := b.api.Model(ctx, "rasch", 0, 0)
	if err != nil || m.Production != 1 || len(m.List) != 2 || index == 0 {
		t.Errorf("model %+v, %v", m, err)
	}
	all, err := b.api.Models(ctx)
	if d := cmp.Diff([]wire.Model{m.Model}, all); d != "" || err != nil {
		t.Errorf("models %s, %v", d, err)
	}
	h, err := b.api.ModelHistory(ctx, "rasch", time.Time{})
	if err != nil || h.Production != 1 || len(h.Changes) != 5 || h.Changes[4].Reason != "complaints" || h.Changes[4].Actor != "ann" {
		t.Errorf("history %+v, %v", h, err)
	}
	if h, err := b.api.ModelHistory(ctx, "rasch", moved); err != nil || h.Production != 0 || len(h.Changes) != 0 {
		t.Errorf("history an hour ago %+v, %v", h, err)
	}
	if e, err := b.api.Evaluation(ctx, "j2", "evaluate"); err != nil || e.Baseline != 1 {
		t.Errorf("evaluation %+v, %v", e, err)
	}
	note := "for the pilot"
	_, err1 := b.api.SetNotes(ctx, wire.SetModel{Model: "rasch", Version: 2, Notes: &note})
	_, err2 := b.api.SetAlias(ctx, wire.SetModel{Model: "rasch", Version: 2, Alias: "pilot"})
	if v, err := b.api.Version(ctx, "rasch", "pilot"); errors.Join(err1, err2, err) != nil || v.Notes != note {
		t.Errorf("version %+v, %v", v, errors.Join(err1, err2, err))
	}
	_, err1 = b.api.DeleteVersion(ctx, wire.DeleteVersion{Model: "rasch", Version: 2})
	_, err2 = b.api.SetAlias(ctx, wire.SetModel{Model: "rasch", Alias: "pilot", Drop: true})
	if _, err := b.api.DeleteVersion(ctx, wire.DeleteVersion{Model: "rasch", Version: 2}); code(err1) != wire.CodeConflict || err2 != nil || err != nil {
		t.Errorf("deleted: %v, %v, %v", err1, err2, err)
	}
}

// A blocking read of a model comes back when its production moves.
func TestReadsOfAModelBlock(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.make("j1", "w1", 0.1)
	_, index, err := b.api.Model(t.Context(), "rasch", 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan wire.ModelView, 1)
	go func() {
		m, _, err := b.api.Model(t.Context(), "rasch", index, time.Minute)
		if err != nil {
			t.Error(err)
		}
		done <- m
	}()
	if _, err := b.api.Promote(t.Context(), wire.Promote{Model: "rasch", Version: 1, Stage: wire.Production}); err != nil {
		t.Fatal(err)
	}
	if m := <-done; m.Production != 1 {
		t.Errorf("woke with %+v", m)
	}
}

// Only the admin token passes over gates, whatever a request claims of itself.
func TestOnlyAnAdminPassesOverGates(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.make("j1", "w1", 0.001)
	ask := wire.Promote{Model: "rasch", Version: 1, Stage: wire.Production, Force: true, Admin: true, Reason: "the exam"}
	plain := ask
	plain.Force = false
	for name, c := range map[string]struct {
		api  *client.Client
		ask  wire.Promote
		code wire.Code
		text string
	}{
		"gates":                              {b.api, plain, wire.CodeGate, "per-skill mean"},
		"gates, admin":                       {b.admin, plain, wire.CodeGate, "want at least +1 %"},
		"no token":                           {b.api, ask, wire.CodeDenied, "admin"},
		"a wrong token":                      {b.client("guess"), ask, wire.CodeDenied, "is not the cluster's admin token"},
		"a wrong token asks nothing special": {b.client(token + "x"), plain, wire.CodeDenied, "is not the cluster's"},
	} {
		_, err := c.api.Promote(t.Context(), c.ask)
		if code(err) != c.code || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), token) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := b.admin.Promote(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	h, err := b.api.ModelHistory(t.Context(), "rasch", time.Time{})
	if err != nil || h.Changes[1].Passed != "improvement" || h.Changes[1].Reason != "the exam" {
		t.Errorf("history %+v, %v", h, err)
	}
}

func TestWithoutAnAdminTokenNobodyIsAdmin(t *testing.T) {
	s := &solo{state: state.New()}
	h := httpapi.New(httpapi.Deps{ID: "c1", State: s.state, Consensus: s, Logger: slog.New(slog.DiscardHandler)})
	for _, header := range []string{"Bearer ", "Bearer x", "Basic x", "x"} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/models/m/promote", strings.NewReader("{}"))
		r.Header.Set("Authorization", header)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden {
			t.Errorf("%q: %d %s", header, w.Code, w.Body)
		}
	}
}

func TestWhatIsSignedIsChecked(t *testing.T) {
	b := newBench(t)
	b.start("j", "w1")
	evaluated := wire.TaskResult{Task: "j/evaluate/0", Token: b.place("j/evaluate/0"), Evaluation: &wire.Evaluation{Candidate: "w1"}}
	if _, err := b.api.Result(t.Context(), evaluated); code(err) != wire.CodeNoLeader {
		t.Errorf("a cluster that is not upgraded: %v", err)
	}
	b.must(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: wire.FeatureLevel})
	if _, err := b.api.Result(t.Context(), evaluated); err != nil {
		t.Fatal(err)
	}
	at := b.place("j/register/0")
	result := func(change func(*wire.ModelVersion)) wire.TaskResult {
		v := b.versionOf("w1")
		change(v)
		return wire.TaskResult{Task: "j/register/0", Token: at, Version: v}
	}
	if _, err := b.api.Result(t.Context(), result(func(*wire.ModelVersion) {})); code(err) != wire.CodeNoLeader {
		t.Errorf("a key that is not known yet: %v", err)
	}
	b.must(wire.CmdPutKey, wire.PutKey{Key: b.key})
	for name, c := range map[string]struct {
		change func(*wire.ModelVersion)
		code   wire.Code
		text   string
	}{
		"weights":     {func(v *wire.ModelVersion) { v.Weights = "w2" }, wire.CodeInvalid, `weights is "w1"`},
		"hash":        {func(v *wire.ModelVersion) { v.WeightsHash = "w2" }, wire.CodeInvalid, "weights_sha256"},
		"no manifest": {func(v *wire.ModelVersion) { v.Manifest = strings.Repeat("0", 64) }, wire.CodeNotFound, "manifest of model rasch"},
		"no JSON":     {func(v *wire.ModelVersion) { v.Manifest = b.put([]byte("x")) }, wire.CodeInvalid, "manifest of model rasch"},
	} {
		if _, err := b.api.Result(t.Context(), result(c.change)); code(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, ok := b.state.Read().Model(nil, "rasch"); ok {
		t.Error("a refused version made the model")
	}
	forged := result(func(v *wire.ModelVersion) { v.Signature, v.Key = []byte("forged"), "mine" })
	if _, err := b.api.Result(t.Context(), forged); err != nil { // the worker's word on the signature counts for nothing
		t.Fatal(err)
	}
	v, _ := b.state.Read().Version(nil, "rasch", 1)
	if !v.SignedBy(b.private.Public().(ed25519.PublicKey)) {
		t.Errorf("signature %x by %s", v.Signature, v.Key)
	}
}

func TestWrongQuestionsOfTheRegistry(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.make("j1", "w1", 0.1)
	ctx := t.Context()
	long := strings.Repeat("x", 10_001)
	for name, c := range map[string]struct {
		ask  func() error
		code wire.Code
		text string
	}{
		"model":      {func() error { _, _, err := b.api.Model(ctx, "none", 0, 0); return err }, wire.CodeNotFound, `no model "none"`},
		"version":    {func() error { _, err := b.api.Version(ctx, "rasch", "7"); return err }, wire.CodeNotFound, `"7"`},
		"production": {func() error { _, err := b.api.Version(ctx, "rasch", "production"); return err }, wire.CodeNotFound, `"production"`},
		"of none":    {func() error { _, err := b.api.Version(ctx, "none", "1"); return err }, wire.CodeNotFound, `no model "none"`},
		"history":    {func() error { _, err := b.api.ModelHistory(ctx, "none", time.Time{}); return err }, wire.CodeNotFound, `no model "none"`},
		"evaluation": {func() error { _, err := b.api.Evaluation(ctx, "j1", "none"); return err }, wire.CodeNotFound, `no evaluation "j1/none"`},
		"alias":      {func() error { _, err := b.api.SetAlias(ctx, wire.SetModel{Model: "rasch", Version: 1}); return err }, wire.CodeInvalid, "alias is missing"},
		"no note":    {func() error { _, err := b.api.SetNotes(ctx, wire.SetModel{Model: "rasch", Version: 1}); return err }, wire.CodeInvalid, "notes"},
		"long note": {func() error {
			_, err := b.api.SetNotes(ctx, wire.SetModel{Model: "rasch", Version: 1, Notes: &long})
			return err
		}, wire.CodeInvalid, "10000 bytes"},
		"rollback": {func() error { _, err := b.api.Promote(ctx, wire.Promote{Model: "rasch", Rollback: true}); return err }, wire.CodeConflict, "nothing to roll back to"},
		"stage":    {func() error { _, err := b.api.Promote(ctx, wire.Promote{Model: "rasch", Version: 1}); return err }, wire.CodeInvalid, `stage ""`},
	} {
		if err := c.ask(); code(err) != c.code || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := http.Get(b.url + "/v1/models/rasch/history?at=monday")
	if err != nil || r.StatusCode != http.StatusBadRequest {
		t.Errorf("a wrong time: %v, %v", r, err)
	}
	if err == nil {
		_ = r.Body.Close()
	}
}
