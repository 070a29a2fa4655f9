package coordinator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/coordinator"
	"cohort/coordinator/client"
	"cohort/coordinator/consensus"
	"cohort/coordinator/gossip"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// longLease outlasts any test, whatever else the machine does.
const longLease = 10 * time.Minute

// alone starts one coordinator over TCP on a folder.
func alone(t *testing.T, dir string, lease time.Duration, change ...func(*coordinator.Config)) *coordinator.Node {
	t.Helper()
	n, err := tryAlone(t, dir, lease, change...)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func tryAlone(t *testing.T, dir string, lease time.Duration, change ...func(*coordinator.Config)) (*coordinator.Node, error) {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	raft := listen(t)
	transport, err := consensus.NewTransport(raft, raft.Addr().String(), log)
	if err != nil {
		t.Fatal(err)
	}
	streams, err := stream.StartServer(t.Context(), stream.ServerConfig{Dir: filepath.Join(dir, "stream"), Host: "127.0.0.1", Logger: log})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := lake.OpenFolder(filepath.Join(dir, "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	c := coordinator.Config{
		ID: "c1", DataDir: dir, HTTP: listen(t), Raft: transport, Peers: []consensus.Peer{{ID: "c1", Addr: raft.Addr().String()}},
		Gossip: &gossip.Config{Name: "c1", Bind: "127.0.0.1", Logger: log},
		Blobs:  blobs, Stream: streams, Lease: lease, Version: "test", Logger: log,
	}
	for _, f := range change {
		f(&c)
	}
	return coordinator.Start(context.WithoutCancel(t.Context()), c)
}

func code(err error) wire.Code {
	if e, ok := errors.AsType[*wire.Error](err); ok {
		return e.Code
	}
	return wire.OK
}

// hand plays a worker by hand.
type hand struct {
	t     *testing.T
	api   *client.Client
	id    string
	index uint64
}

func (h *hand) register(session string) wire.RegisterReply {
	h.t.Helper()
	r, err := h.api.Register(h.t.Context(), wire.Node{ID: h.id, Session: session, Resources: wire.Resources{Cores: 2, MemoryMB: 100}})
	if err != nil {
		h.t.Fatal(err)
	}
	return r
}

// assigned waits for n assignments.
func (h *hand) assigned(session string, n int) []wire.Assignment {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		r, err := h.api.Tasks(h.t.Context(), h.id, session, h.index, time.Second)
		if err != nil {
			h.t.Fatal(err)
		}
		h.index = r.Index
		if len(r.Assignments) == n {
			return r.Assignments
		}
	}
	h.t.Fatalf("never had %d assignments", n)
	return nil
}

func TestTheAPIFromSubmitToDone(t *testing.T) {
	dir := t.TempDir()
	n := alone(t, dir, longLease)
	ctx := t.Context()
	api := client.New([]string{n.Addr()}, client.Options{Actor: "tester", Patience: time.Minute})
	defer api.Close()
	w := &hand{t: t, api: api, id: "w1"}
	if r := w.register("s1"); r.Stream == "" || r.LeaseMS != longLease.Milliseconds() {
		t.Errorf("registered %+v", r)
	}
	r, err := api.Submit(ctx, graph("first"))
	if err != nil {
		t.Fatal(err)
	}
	a := w.assigned("s1", 1)[0]
	held := wire.TokenOf{Task: a.Task.ID, Token: a.Task.Token}
	renewed, err := api.Renew(ctx, "w1", wire.RenewRequest{Session: "s1", Tasks: []wire.TokenOf{held, {Task: "other", Token: 1}}})
	if err != nil || renewed.Gone || len(renewed.Lost) != 1 {
		t.Errorf("renewed %+v, %v", renewed, err)
	}
	if got, err := api.Renew(ctx, "w1", wire.RenewRequest{Session: "old"}); err != nil || !got.Gone {
		t.Errorf("an old session renews: %+v, %v", got, err)
	}
	if err := api.Progress(ctx, wire.Progress{Task: held.Task, Token: held.Token, Epoch: 2, Epochs: 5, Loss: 0.5, Rate: 10, Lines: []string{"hello"}}); err != nil {
		t.Fatal(err)
	}
	j, index, err := api.Job(ctx, r.ID, 0, 0)
	if err != nil || j.Epoch != 2 || j.Epochs != 5 || len(j.Progress) != 1 || index == 0 || len(j.Stages) != 4 {
		t.Errorf("job %+v at %d, %v", j, index, err)
	}
	page, err := api.Logs(ctx, r.ID, 0, time.Minute)
	if err != nil || len(page.Lines) != 1 || page.Lines[0].Text != "hello" {
		t.Errorf("log %+v, %v", page, err)
	}
	if _, err := api.Result(ctx, wire.TaskResult{Task: held.Task, Token: held.Token + 1}); code(err) != wire.CodeConflict {
		t.Errorf("a wrong token: %v", err)
	}
	if _, err := api.Result(ctx, wire.TaskResult{Task: held.Task, Token: held.Token, Result: json.RawMessage(`{"x":1}`)}); err != nil {
		t.Fatal(err)
	}
	// Left has two tasks, right one: two at a time on two cores.
	for due := w.current("s1"); due != nil; due = w.current("s1") {
		for _, a := range due {
			if _, err := api.Result(ctx, wire.TaskResult{Task: a.Task.ID, Token: a.Task.Token}); err != nil {
				t.Fatal(err)
			}
		}
	}
	j = waitJob(t, api, r.ID, func(j wire.JobView) bool { return j.Status == wire.Done })
	if string(j.Result["x"]) != "1" {
		t.Errorf("result %v", j.Result)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	again := alone(t, dir, longLease) // what was acknowledged is there after a restart
	defer func() {
		if err := again.Close(); err != nil {
			t.Error(err)
		}
	}()
	back := client.New([]string{"127.0.0.1:1", again.Addr()}, client.Options{Patience: time.Minute})
	defer back.Close()
	if j, _, err := back.Job(ctx, r.ID, 0, 0); err != nil || j.Status != wire.Done {
		t.Errorf("after a restart: %s, %v", j.Status, err)
	}
}

// current waits for at least one assignment; there is none once the job has ended.
func (h *hand) current(session string) []wire.Assignment {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		r, err := h.api.Tasks(h.t.Context(), h.id, session, h.index, 500*time.Millisecond)
		if err != nil {
			h.t.Fatal(err)
		}
		h.index = r.Index
		if len(r.Assignments) > 0 {
			return r.Assignments
		}
		if jobs, err := h.api.Jobs(h.t.Context()); err == nil && len(jobs) > 0 && jobs[0].Status.Final() {
			return nil
		}
	}
	h.t.Fatal("no assignment")
	return nil
}

func waitJob(t *testing.T, api *client.Client, id string, ok func(wire.JobView) bool) wire.JobView {
	t.Helper()
	var index uint64
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		j, next, err := api.Job(t.Context(), id, index, time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if ok(j) {
			return j
		}
		index = next
	}
	t.Fatalf("job %s never got there", id)
	return wire.JobView{}
}

func TestASilentWorkerIsWrittenOff(t *testing.T) {
	n := alone(t, t.TempDir(), 10*time.Second) // whatever is asked as w1 comes well before its end
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	api := client.New([]string{n.Addr()}, client.Options{Patience: time.Minute})
	defer api.Close()
	w := &hand{t: t, api: api, id: "w1"}
	w.register("s1")
	r, err := api.Submit(t.Context(), graph("j"))
	if err != nil {
		t.Fatal(err)
	}
	first := w.assigned("s1", 1)[0]
	j := waitJob(t, api, r.ID, func(j wire.JobView) bool { return j.Stages[0].TaskList[0].Status == wire.Pending })
	if k := j.Stages[0].TaskList[0]; k.Failures != 0 || !strings.Contains(k.Reason, "node") {
		t.Errorf("the task is %+v", k)
	}
	node, err := api.Node(t.Context(), "w1")
	if err != nil || node.Status != wire.NodeDown || node.Reason == "" {
		t.Errorf("node %+v, %v", node, err)
	}
	if _, err := api.Result(t.Context(), wire.TaskResult{Task: first.Task.ID, Token: first.Task.Token}); code(err) != wire.CodeConflict {
		t.Errorf("a result after the lease: %v", err)
	}
	w.register("s2")
	w.assigned("s2", 1)
	if err := errors.Join(api.Drain(t.Context(), "w1"), api.Undrain(t.Context(), "w1")); err != nil {
		t.Error(err)
	}
	if _, err := api.Stop(t.Context(), r.ID, wire.StopRequest{Reason: "enough"}); err != nil {
		t.Error(err)
	}
	w.assigned("s2", 0)
}

func TestBlobsGoOverHTTP(t *testing.T) {
	n := alone(t, t.TempDir(), longLease)
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	api := client.New([]string{"http://" + n.Addr() + "/"}, client.Options{})
	defer api.Close()
	blobs := api.Blobs(lake.ErrNotFound)
	data := bytes.Repeat([]byte("blob"), 1<<18)
	for name, r := range map[string]io.Reader{"seek": bytes.NewReader(data), "no-seek": io.LimitReader(bytes.NewReader(data), 1<<30)} {
		hash, size, err := blobs.Put(t.Context(), r)
		if err != nil || hash != lake.Hash(data) || size != int64(len(data)) {
			t.Fatalf("%s: %s, %d, %v", name, hash, size, err)
		}
	}
	got, err := lake.Read(t.Context(), blobs, lake.Hash(data))
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if has, err := blobs.Has(t.Context(), lake.Hash(data)); !has || err != nil {
		t.Errorf("%v, %v", has, err)
	}
	if has, err := blobs.Has(t.Context(), lake.Hash(nil)); has || err != nil {
		t.Errorf("a blob that is not there: %v, %v", has, err)
	}
	if _, err := blobs.Get(t.Context(), lake.Hash(nil)); !errors.Is(err, lake.ErrNotFound) {
		t.Error(err)
	}
}

func TestBadRequestsGetAClassAndALine(t *testing.T) {
	n := alone(t, t.TempDir(), longLease)
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	api := client.New([]string{n.Addr()}, client.Options{Patience: time.Minute})
	defer api.Close()
	if _, err := api.Jobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	hash := lake.Hash([]byte("x"))
	train := `{"spec":"name: n\nkind: train\ndata: {events: \"%s\", columns: {student: a, item: i, skill: b, correct: c, time: d}}\nsplit: {test: 0.2, valid: 0.2}\n"}`
	for _, c := range []struct {
		method, path, body string
		status             int
		say                string
	}{
		{"GET", "/v1/jobs/none", "", 404, `no job \"none\"`},
		{"GET", "/v1/jobs/none/logs", "", 404, "none"},
		{"GET", "/v1/nodes/none", "", 404, "none"},
		{"GET", "/v1/datasets/none", "", 404, "none"},
		{"GET", "/nowhere", "", 404, "/v1/"},
		{"GET", "/v1/jobs?limit=x", "", 400, "limit"},
		{"GET", "/v1/jobs?index=x", "", 400, "index"},
		{"GET", "/v1/jobs?wait=x", "", 400, "wait"},
		{"POST", "/v1/jobs", "{", 400, "decode"},
		{"POST", "/v1/jobs", `{"spec":"name: x\nkind: poem\n"}`, 400, "kind"},
		{"POST", "/v1/jobs", fmt.Sprintf(train, "sha256:"+hash), 404, "upload"},
		{"POST", "/v1/jobs", fmt.Sprintf(train, "dataset:"+hash), 404, "dataset"},
		{"POST", "/v1/jobs", fmt.Sprintf(train, "local.csv"), 400, "uploaded"},
		{"POST", "/v1/jobs/plan", `{"spec":"name: x\nkind: graph\nstages: [{name: a, kind: noop, after: [b]}]\n"}`, 400, "b"},
		{"POST", "/v1/jobs/none/stop", "{}", 404, "none"},
		{"POST", "/v1/nodes/none/drain", "", 404, "none"},
		{"POST", "/v1/nodes/none/register", "{}", 400, "session"},
		{"POST", "/v1/tasks/result", "{}", 404, "task"},
		{"POST", "/v1/tasks/checkpoint", "{}", 404, "task"},
		{"POST", "/v1/tasks/progress", "{}", 404, "task"},
		{"POST", "/v1/tasks/result", strings.Repeat("x", 5<<20), 400, "too large"},
		{"PUT", "/v1/blobs/xyz", "x", 400, "SHA-256"},
		{"PUT", "/v1/blobs/" + lake.Hash(nil), "x", 400, hash},
		{"GET", "/v1/blobs/" + hash, "", 200, ""}, // kept under its own hash all the same
	} {
		req, err := http.NewRequestWithContext(t.Context(), c.method, "http://"+n.Addr()+c.path, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if r.StatusCode != c.status || !strings.Contains(string(text), c.say) {
			t.Errorf("%s %s: %d %s; want %d and %q", c.method, c.path, r.StatusCode, text, c.status, c.say)
		}
	}
	if s, err := api.Status(t.Context()); err != nil || s.Leader != "c1" || len(s.Peers) != 1 || s.Level != wire.FeatureLevel {
		t.Errorf("status %+v, %v", s, err)
	}
	plan, err := api.Plan(t.Context(), graph("p"))
	if err != nil || len(plan.Stages) != 4 {
		t.Errorf("plan %+v, %v", plan, err)
	}
	for name, got := range map[string]func() (int, error){
		"jobs":     func() (int, error) { v, err := api.Jobs(t.Context()); return len(v), err },
		"nodes":    func() (int, error) { v, err := api.Nodes(t.Context()); return len(v), err },
		"datasets": func() (int, error) { v, err := api.Datasets(t.Context()); return len(v), err },
	} {
		if n, err := got(); n != 0 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
}

func TestNobodyThereIsUnavailable(t *testing.T) {
	api := client.New([]string{"127.0.0.1:1", "127.0.0.1:2"}, client.Options{Patience: time.Millisecond})
	_, err := api.Jobs(t.Context())
	if code(err) != wire.CodeNoLeader || !strings.Contains(err.Error(), "127.0.0.1:1") || !strings.Contains(err.Error(), "127.0.0.1:2") {
		t.Error(err)
	}
	if _, err := client.New(nil, client.Options{}).Jobs(t.Context()); code(err) != wire.CodeInvalid {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := api.Jobs(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAnIncompleteConfigurationIsRefused(t *testing.T) {
	if _, err := coordinator.Start(t.Context(), coordinator.Config{}); err == nil || !strings.Contains(err.Error(), "blob store") {
		t.Error(err)
	}
}
