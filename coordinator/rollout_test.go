package coordinator_test

import (
	"bytes"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"cohort/coordinator"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// gateways answer what a test says that they saw.
type gateways struct {
	mu   sync.Mutex
	seen map[int]wire.LiveStats
}

func (g *gateways) Live(string) map[int]wire.LiveStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen
}

func (g *gateways) see(version int, s wire.LiveStats) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = map[int]wire.LiveStats{version: s}
}

// registered brings a version about: a job whose stages the hand ends as a worker does.
func registered(t *testing.T, n *coordinator.Node, w *hand, job string) {
	t.Helper()
	hash, _, err := w.api.Blobs(lake.ErrNotFound).Put(t.Context(), bytes.NewReader([]byte(`{"format_version":1,"model":"rasch","weights":"`+job+`","weights_sha256":"n","engine":"kernels"}`)))
	if err != nil {
		t.Fatal(err)
	}
	evaluate, _ := json.Marshal(wire.EvaluateSettings{Name: "rasch", Gates: wire.DefaultGates()})
	register, _ := json.Marshal(wire.RegisterSettings{Name: "rasch", Evaluation: "evaluate"})
	inputs := map[string]string{"weights": job, "production": "@rasch"}
	out, err := n.Propose(t.Context(), wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: job, Name: job}, Stages: []wire.Stage{
		{Name: "evaluate", Kind: wire.StageEvaluate, Run: wire.Batch, Tasks: 1, Settings: evaluate, Inputs: inputs},
		{Name: "register", Kind: wire.StageRegister, Run: wire.Batch, Tasks: 1, Settings: register, Inputs: inputs, After: []string{"evaluate"}},
	}})
	if err != nil || out.Code != wire.OK {
		t.Fatalf("%+v, %v", out, err)
	}
	for _, stage := range []string{"evaluate", "register"} {
		a := w.awaits(job + "/" + stage + "/0")
		r := wire.TaskResult{Task: a.Task.ID, Token: a.Task.Token}
		if stage == "register" {
			r.Version = &wire.ModelVersion{Model: "rasch", Weights: job, WeightsHash: "n", Engine: "kernels", Manifest: hash}
		} else {
			r.Evaluation = &wire.Evaluation{
				Candidate: job, BaselineWeights: a.Stage.Inputs["production"], Of: wire.Measures{AUC: 0.8, Accuracy: 0.8},
				Gain: 0.1, GainLow: 0.05, GainHigh: 0.2, Quality: wire.QualityPassed,
			}
		}
		if _, err := w.api.Result(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
}

// awaits waits for a task.
func (h *hand) awaits(task string) wire.Assignment {
	h.t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		r, err := h.api.Tasks(h.t.Context(), h.id, "s1", h.index, time.Second)
		if err != nil {
			h.t.Fatal(err)
		}
		for _, a := range r.Assignments {
			if a.Task.ID == task {
				return a
			}
		}
		h.index = r.Index
	}
	h.t.Fatalf("never had task %s", task)
	return wire.Assignment{}
}

// deployment waits until the deployment is as wanted.
func (h *hand) deployment(what string, ok func(wire.DeploymentView) bool) wire.DeploymentView {
	h.t.Helper()
	var index uint64
	var last wire.DeploymentView
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		d, next, err := h.api.Deployment(h.t.Context(), "rasch", index, time.Second)
		if err != nil {
			h.t.Fatal(err)
		}
		if ok(d) {
			return d
		}
		last, index = d, next
	}
	h.t.Fatalf("%s: never; the deployment is %+v", what, last)
	return last
}

// serve starts a version, which moves by itself, and makes its replica ready.
func (h *hand) serve(version int, spec wire.DeploySpec) {
	h.t.Helper()
	if _, err := h.api.StartDeployment(h.t.Context(), "rasch", wire.DeployRequest{Version: version, Spec: spec, Auto: true}); err != nil {
		h.t.Fatal(err)
	}
	d := h.deployment("started", func(d wire.DeploymentView) bool { return d.Jobs[version] != "" })
	a := h.awaits(d.Jobs[version] + "/serve/0")
	var set wire.ServeSettings
	keys, err := h.api.Keys(h.t.Context())
	if json.Unmarshal(a.Stage.Settings, &set) != nil || err != nil || set.Version != version || !bytes.Equal(set.Public, keys[0].Public) || len(set.Signature) == 0 {
		h.t.Fatalf("settings %s, %v", a.Stage.Settings, err)
	}
	if _, err := h.api.Ready(h.t.Context(), wire.TaskReady{Task: a.Task.ID, Token: a.Task.Token, Addr: "w1:1"}); err != nil {
		h.t.Fatal(err)
	}
}

// The leader moves the traffic by itself, and takes it back from a version that
// breaks its bound.
func TestTheLeaderRollsOutAndBack(t *testing.T) {
	seen := &gateways{}
	n := alone(t, t.TempDir(), longLease, func(c *coordinator.Config) { c.Live = seen })
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	api := client.New([]string{n.Addr()}, client.Options{Actor: "tester", Patience: time.Minute})
	defer api.Close()
	w := &hand{t: t, api: api, id: "w1"}
	w.register("s1")
	spec := wire.DeploySpec{Replicas: 1, Strategy: "blue-green", ErrorRate: 0.02, For: "200ms"}
	registered(t, n, w, "first")
	w.serve(1, spec)
	w.deployment("live", func(d wire.DeploymentView) bool { return d.Status == wire.Live && d.Versions[0].Percent == 100 })
	registered(t, n, w, "second")
	w.serve(2, spec)
	w.deployment("live", func(d wire.DeploymentView) bool { return d.Status == wire.Live && d.Routes[0].Version == 2 })
	seen.see(2, wire.LiveStats{Version: 2, Requests: 100, Errors: 50})
	d := w.deployment("rolled back", func(d wire.DeploymentView) bool { return d.Status == wire.RolledBack })
	if !d.Undone || d.Routes[0].Version != 1 || d.Reason != "version 2: its error rate 0.5 is above 0.02 for 200ms" || d.Versions[0].Live.Errors != 50 {
		t.Errorf("got %+v", d)
	}
	m, _, err := api.Model(t.Context(), "rasch", 0, 0)
	if err != nil || m.Production != 1 {
		t.Errorf("version %d is in production, %v", m.Production, err)
	}
}
