package httpapi_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

// serve places all replicas that wait and has them say that they are ready.
func (b *bench) serve() {
	b.t.Helper()
	for {
		decisions, _ := schedule.Decide(b.state.Read(), time.Now().UnixMilli())
		if len(decisions) == 0 {
			break
		}
		for _, d := range decisions {
			b.must(d.Number, d.Body)
		}
	}
	for k, held := range b.state.Read().TasksOf(nil, "w") {
		if held.Addr != "" {
			continue
		}
		q := wire.TaskReady{Task: held.ID, Token: held.Token, Addr: fmt.Sprint("w:", k)}
		if _, err := b.api.Ready(b.t.Context(), q); err != nil {
			b.t.Fatal(err)
		}
	}
}

// roll does what the leader would, once.
func (b *bench) roll() {
	b.t.Helper()
	decisions, _, _ := schedule.Rollout(b.state.Read(), time.Now().UnixMilli(), func(string) map[int]wire.LiveStats { return nil }, nil)
	for _, d := range decisions {
		b.must(d.Number, d.Body)
	}
}

func (b *bench) deployed() wire.DeploymentView {
	b.t.Helper()
	d, _, err := b.api.Deployment(b.t.Context(), "rasch", 0, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func TestADeploymentThroughTheAPI(t *testing.T) {
	b := newBench(t)
	b.ready()
	ctx := t.Context()
	b.make("j1", "w1", 0.1)
	if _, _, err := b.api.Deployment(ctx, "rasch", 0, 0); code(err) != wire.CodeNotFound {
		t.Errorf("not deployed yet: %v", err)
	}
	if out, err := b.api.StartDeployment(ctx, "rasch", wire.DeployRequest{Auto: true}); err != nil || out.ID != "rasch" {
		t.Fatalf("started %+v, %v", out, err)
	}
	d := b.deployed()
	if d.Status != wire.Starting || d.Next != 1 || cmp.Diff(wire.DefaultDeploy(), d.Spec) != "" || d.Versions[0].Wanted != 2 || d.Versions[0].Ready != 0 {
		t.Errorf("got %+v", d)
	}
	stage, _ := b.state.Read().Stage(nil, d.Jobs[1], "serve")
	if stage.Inputs["weights"] != "w1" || stage.Inputs["manifest"] == "" {
		t.Errorf("inputs %v", stage.Inputs)
	}
	b.serve()
	b.roll()
	if d = b.deployed(); d.Status != wire.Live || d.Versions[0].Percent != 100 || d.Versions[0].Ready != 2 || len(d.Versions[0].Addrs) != 2 {
		t.Errorf("got %+v", d)
	}
	jobs, err := b.api.Jobs(ctx)
	if err != nil || jobs[0].Kind != "serve" || jobs[0].Status != wire.Running {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
	if _, err := b.api.Stop(ctx, jobs[0].ID, wire.StopRequest{}); code(err) != wire.CodeConflict {
		t.Errorf("the job is stopped behind the deployment's back: %v", err)
	}

	b.make("j2", "w2", 0.1)
	spec := wire.DefaultDeploy()
	spec.Replicas = 1
	if _, err := b.api.StartDeployment(ctx, "rasch", wire.DeployRequest{Version: 2, Spec: spec}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.api.PromoteDeployment(ctx, "rasch", wire.TrafficRequest{}); code(err) != wire.CodeConflict {
		t.Errorf("promoted without a ready replica: %v", err)
	}
	b.serve()
	b.roll()
	if d = b.deployed(); d.Next != 2 || d.Auto {
		t.Errorf("it moves by itself: %+v", d)
	}
	half := []wire.Route{{Version: 1, Percent: 50}, {Version: 2, Percent: 50}}
	if _, err := b.api.MoveTraffic(ctx, "rasch", wire.TrafficRequest{Routes: half, CheckIndex: 1}); code(err) != wire.CodeConflict {
		t.Errorf("moved under an old index: %v", err)
	}
	if _, err := b.api.MoveTraffic(ctx, "rasch", wire.TrafficRequest{Routes: half}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.api.PromoteDeployment(ctx, "rasch", wire.TrafficRequest{Reason: "looks well"}); err != nil {
		t.Fatal(err)
	}
	if _, err := b.api.PromoteDeployment(ctx, "rasch", wire.TrafficRequest{}); code(err) != wire.CodeConflict {
		t.Errorf("promoted twice: %v", err)
	}
	if m, _, err := b.api.Model(ctx, "rasch", 0, 0); err != nil || m.Production != 2 {
		t.Errorf("version %d is in production, %v", m.Production, err)
	}
	if _, err := b.api.RollBackDeployment(ctx, "rasch", wire.TrafficRequest{Reason: "complaints"}); err != nil {
		t.Fatal(err)
	}
	if d = b.deployed(); d.Status != wire.RolledBack || d.Reason != "complaints" || d.Routes[0].Version != 1 {
		t.Errorf("got %+v", d)
	}
	if _, err := b.api.StopDeployment(ctx, "rasch", wire.UndeployRequest{Version: 1}); code(err) != wire.CodeConflict {
		t.Errorf("stopped what answers: %v", err)
	}
	if _, err := b.api.StopDeployment(ctx, "rasch", wire.UndeployRequest{}); err != nil {
		t.Fatal(err)
	}
	all, err := b.api.Deployments(ctx)
	if err != nil || len(all) != 1 || all[0].Status != wire.Ended || len(all[0].Versions) != 0 {
		t.Errorf("got %+v, %v", all, err)
	}
	if n := len(b.state.Read().TasksOf(nil, "w")); n != 0 {
		t.Errorf("%d replicas run on", n)
	}
}

func TestADeploymentThatMayNotBe(t *testing.T) {
	b := newBench(t)
	b.ready()
	b.make("j1", "w1", 0.1)
	b.make("j2", "w2", -0.1) // there is nothing to gain on yet: it has to beat the per-skill mean
	spec := func(change func(*wire.DeploySpec)) wire.DeployRequest {
		s := wire.DefaultDeploy()
		change(&s)
		return wire.DeployRequest{Version: 1, Spec: s}
	}
	for name, c := range map[string]struct {
		model string
		q     wire.DeployRequest
		admin bool
		code  wire.Code
	}{
		"no such model":     {"none", wire.DeployRequest{}, false, wire.CodeNotFound},
		"no such version":   {"rasch", wire.DeployRequest{Version: 7}, false, wire.CodeNotFound},
		"strategy":          {"rasch", spec(func(s *wire.DeploySpec) { s.Strategy = "big-bang" }), false, wire.CodeInvalid},
		"replicas":          {"rasch", spec(func(s *wire.DeploySpec) { s.Replicas = 1000 }), false, wire.CodeInvalid},
		"canary":            {"rasch", spec(func(s *wire.DeploySpec) { s.Canary = []int{50, 10} }), false, wire.CodeInvalid},
		"hold":              {"rasch", spec(func(s *wire.DeploySpec) { s.Hold = "soon" }), false, wire.CodeInvalid},
		"error rate":        {"rasch", spec(func(s *wire.DeploySpec) { s.ErrorRate = 2 }), false, wire.CodeInvalid},
		"latency":           {"rasch", spec(func(s *wire.DeploySpec) { s.P99MS = -1 }), false, wire.CodeInvalid},
		"gates":             {"rasch", wire.DeployRequest{Version: 2, Auto: true}, false, wire.CodeGate},
		"force":             {"rasch", wire.DeployRequest{Version: 2, Auto: true, Force: true, Reason: "x"}, false, wire.CodeDenied},
		"force, no reason":  {"rasch", wire.DeployRequest{Version: 2, Auto: true, Force: true}, true, wire.CodeInvalid},
		"index of none":     {"rasch", wire.DeployRequest{Version: 1, CheckIndex: 5}, false, wire.CodeConflict},
		"traffic of nobody": {"", wire.DeployRequest{}, false, wire.CodeNotFound},
	} {
		api := b.api
		if c.admin {
			api = b.admin
		}
		var err error
		if c.model == "" {
			_, err = api.PromoteDeployment(t.Context(), "none", wire.TrafficRequest{})
		} else {
			_, err = api.StartDeployment(t.Context(), c.model, c.q)
		}
		if code(err) != c.code {
			t.Errorf("%s: %q %v, want %q", name, code(err), err, c.code)
		}
	}
	if _, err := b.admin.StartDeployment(t.Context(), "rasch", wire.DeployRequest{Version: 2, Auto: true, Force: true, Reason: "x"}); err != nil {
		t.Error(err)
	}
	if d := b.deployed(); d.Forced != "x" {
		t.Errorf("got %+v", d)
	}
}
