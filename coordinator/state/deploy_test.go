package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// deployed is a registry with three versions, of which the first two were in
// production, and nothing deployed.
func deployed(t testing.TB) *log {
	t.Helper()
	l := registry(t)
	for k := 1; k <= 3; k++ {
		l.version(fmt.Sprint("train", k), fmt.Sprint("w", k), asIs)
	}
	return l
}

func serveStages(replicas int) []wire.Stage {
	return []wire.Stage{{Name: state.ServeStage, Kind: wire.StageServe, Run: wire.Service, Tasks: replicas}}
}

func serveJob(version int) wire.Job { return wire.Job{ID: fmt.Sprint("serve", version)} }

func startOf(version int) wire.StartDeployment {
	return wire.StartDeployment{
		Model: rasch, Version: version, Spec: wire.DefaultDeploy(), Job: serveJob(version), Stages: serveStages(2),
	}
}

func (l *log) start(version int) {
	l.t.Helper()
	l.must(wire.CmdStartDeployment, startOf(version))
}

// serve places a version's first replica and has it say that it is ready.
func (l *log) serve(version int) (task string, token uint64) {
	l.t.Helper()
	task = fmt.Sprintf("serve%d/serve/0", version)
	token = l.place(false, on(task, "a"))
	l.must(wire.CmdTaskReady, wire.TaskReady{Task: task, Token: token, Addr: fmt.Sprint("a:", version)})
	return task, token
}

func (l *log) deployment() wire.Deployment {
	l.t.Helper()
	d, ok := l.s.Read().Deployment(nil, rasch)
	if !ok {
		l.t.Fatal("not deployed")
	}
	return *d
}

func (l *log) production() int {
	m, _ := l.s.Read().Model(nil, rasch)
	return m.Production
}

func all(version int) []wire.Route { return []wire.Route{{Version: version, Percent: 100}} }

func split(a, percent, b int) []wire.Route {
	return []wire.Route{{Version: a, Percent: percent}, {Version: b, Percent: 100 - percent}}
}

func (l *log) move(routes ...wire.Route) wire.Outcome {
	return l.apply(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: routes, Force: true, Admin: true, Reason: "test"})
}

// declined checks the code and the words of a refusal, and that nothing changed.
func (l *log) declined(n wire.Number, body any, code wire.Code, say string) {
	l.t.Helper()
	before := l.s.Read().Deployments(nil)
	out := l.apply(n, body)
	if out.Code != code || !strings.Contains(out.Error, say) {
		l.t.Errorf("%+v: got %q %q, want %q %q", body, out.Code, out.Error, code, say)
	}
	if d := cmp.Diff(before, l.s.Read().Deployments(nil)); d != "" {
		l.t.Errorf("a refused command changed something: %s", d)
	}
}

func TestTrafficMovesAndProductionWithIt(t *testing.T) {
	l := deployed(t)
	l.declined(wire.CmdStartDeployment, startOf(9), wire.CodeNotFound, "no version 9")
	l.declined(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch}, wire.CodeNotFound, "not deployed")
	l.start(1)
	if d := l.deployment(); d.Status != wire.Starting || d.Next != 1 || len(d.Routes) != 0 || d.Jobs[1] != "serve1" || d.Started != l.now {
		t.Errorf("got %+v", d)
	}
	if j := l.job("serve1"); j.Kind != "serve" || j.Status != wire.Pending {
		t.Errorf("got %+v", j)
	}
	l.declined(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: all(1)}, wire.CodeConflict, "no ready replica")
	l.serve(1)
	if out := l.move(all(1)...); out.Code != wire.OK || l.production() != 1 {
		t.Fatalf("got %+v, production %d", out, l.production())
	}
	if d := l.deployment(); d.Status != wire.Live || d.Next != 0 || d.Previous != 0 || d.Moved != l.now {
		t.Errorf("got %+v", d)
	}
	before := l.s.Read().Deployments(nil)
	l.start(1) // is there already
	if d := cmp.Diff(before, l.s.Read().Deployments(nil)); d != "" {
		t.Errorf("a start of what answers: %s", d)
	}
	l.start(2)
	l.declined(wire.CmdStartDeployment, startOf(3), wire.CodeConflict, "version 2 of model rasch is on its way")
	l.serve(2)
	if out := l.move(split(1, 90, 2)...); out.Code != wire.OK || l.production() != 1 {
		t.Errorf("got %+v, production %d", out, l.production())
	}
	if d := l.deployment(); d.Status != wire.Shifting || d.Next != 2 {
		t.Errorf("got %+v", d)
	}
	if out := l.move(all(2)...); out.Code != wire.OK || l.production() != 2 {
		t.Errorf("got %+v, production %d", out, l.production())
	}
	if d := l.deployment(); d.Status != wire.Live || d.Previous != 1 || d.Next != 0 {
		t.Errorf("got %+v", d)
	}
	l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Rollback: true, Reason: "it hurts"})
	d := l.deployment()
	if d.Status != wire.RolledBack || d.Previous != 0 || d.Reason != "it hurts" || l.production() != 1 || cmp.Diff(all(1), d.Routes) != "" {
		t.Errorf("got %+v, production %d", d, l.production())
	}
	history := l.s.Read().History(nil, rasch)
	if last := history[len(history)-1]; last.What != wire.ChangeRolledBack || last.Reason != "it hurts" || last.Index != d.ModifyIndex {
		t.Errorf("history ends in %+v", last)
	}
	l.declined(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Rollback: true}, wire.CodeConflict, "nothing to roll back to")
}

func TestTrafficIsOnlyMovedWhereItIsServed(t *testing.T) {
	l := deployed(t)
	l.start(1)
	task, token := l.serve(1)
	l.move(all(1)...)
	l.start(2)
	index := l.deployment().ModifyIndex
	move := func(routes ...wire.Route) wire.MoveTraffic { return wire.MoveTraffic{Model: rasch, Routes: routes} }
	for say, c := range map[string]wire.MoveTraffic{
		"sum to 90 %":               move(wire.Route{Version: 1, Percent: 90}),
		"sum to 0 %":                move(),
		"routed twice":              move(wire.Route{Version: 1, Percent: 50}, wire.Route{Version: 1, Percent: 50}),
		"want 0 to 100":             move(wire.Route{Version: 1, Percent: 150}, wire.Route{Version: 2, Percent: -50}),
		"has no replicas: start it": move(split(1, 50, 3)...),
		"has no ready replica":      move(split(1, 50, 2)...),
		"has changed":               {Model: rasch, Routes: all(1), CheckIndex: index - 1},
	} {
		code := wire.CodeConflict
		if strings.Contains(say, "sum") || strings.Contains(say, "twice") || strings.Contains(say, "want") {
			code = wire.CodeInvalid
		}
		l.declined(wire.CmdMoveTraffic, c, code, say)
	}
	l.declined(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch, Version: 1}, wire.CodeConflict, "has traffic")
	l.declined(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch, Version: 3}, wire.CodeConflict, "no replicas")
	l.declined(wire.CmdStopJob, wire.StopJob{Job: "serve1"}, wire.CodeConflict, "serves version 1 of model rasch")
	l.serve(2)
	l.declined(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: all(2)}, wire.CodeConflict, "compared with no version")
	l.must(wire.CmdReleaseTasks, wire.ReleaseTasks{Tasks: []wire.TokenOf{{Task: task, Token: token}}, Cause: wire.CauseLease})
	l.declined(wire.CmdMoveTraffic, move(split(1, 50, 2)...), wire.CodeConflict, "version 1 of model rasch has no ready replica")
}

// An address holds only as long as the token under which it was told.
func TestAnAddressEndsWithItsToken(t *testing.T) {
	for name, end := range map[string]func(*log, string, uint64){
		"lease": func(l *log, task string, token uint64) {
			l.must(wire.CmdReleaseTasks, wire.ReleaseTasks{Tasks: []wire.TokenOf{{Task: task, Token: token}}, Cause: wire.CauseLease})
		},
		"failure": func(l *log, task string, token uint64) {
			l.must(wire.CmdTaskResult, wire.TaskResult{Task: task, Token: token, Error: "boom", Cause: wire.CauseTask})
		},
		"fatal": func(l *log, task string, token uint64) {
			l.must(wire.CmdTaskResult, wire.TaskResult{Task: task, Token: token, Error: "bad weights", Cause: wire.CauseFatal})
		},
		"end": func(l *log, task string, token uint64) {
			l.must(wire.CmdTaskResult, wire.TaskResult{Task: task, Token: token})
		},
		"node": func(l *log, _ string, _ uint64) {
			l.must(wire.CmdNodeStatus, wire.SetNodeStatus{Node: "a", Status: wire.NodeDown})
		},
		"session": func(l *log, _ string, _ uint64) { l.node("a", "s2", 8) },
		"stop": func(l *log, _ string, _ uint64) {
			l.must(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch})
		},
		"itself": func(l *log, task string, token uint64) {
			l.must(wire.CmdTaskReady, wire.TaskReady{Task: task, Token: token})
		},
	} {
		l := deployed(t)
		l.start(1)
		task, token := l.serve(1)
		l.declined(wire.CmdTaskReady, wire.TaskReady{Task: task, Token: token + 1, Addr: "x"}, wire.CodeConflict, "not current")
		l.declined(wire.CmdTaskReady, wire.TaskReady{Task: "train1/evaluate/0", Token: token, Addr: "x"}, wire.CodeConflict, "not current")
		l.declined(wire.CmdTaskReady, wire.TaskReady{Task: "none", Token: token, Addr: "x"}, wire.CodeNotFound, "none")
		if d := cmp.Diff(map[int][]string{1: {"a:1"}}, l.s.Read().Replicas(rasch)); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		end(l, task, token)
		if k := l.task(task); k.Addr != "" || len(l.s.Read().Replicas(rasch)) != 0 {
			t.Errorf("%s: the task still serves at %q", name, k.Addr)
		}
	}
}

func TestAReplicaThatFailsIsPlacedAgain(t *testing.T) {
	l := deployed(t)
	l.start(1)
	for n := 1; n <= 9; n++ {
		task, token := l.serve(1)
		cause := []wire.Cause{wire.CauseTask, wire.CauseFatal}[n%2]
		l.must(wire.CmdTaskResult, wire.TaskResult{Task: task, Token: token, Error: "boom", Cause: cause})
		k := l.task(task)
		if k.Status != wire.Pending || k.Failures != n || k.Pause <= l.now || k.Error != "boom" || k.Cause != cause {
			t.Fatalf("after failure %d: %+v", n, k)
		}
		l.now = k.Pause
	}
	task, token := l.serve(1)
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: task, Token: token, Error: "drained", Cause: wire.CauseDrain})
	if k := l.task(task); k.Failures != 9 {
		t.Errorf("a drain counts as a failure: %+v", k)
	}
	if j := l.job("serve1"); j.Status.Final() {
		t.Errorf("the job is %+v", j)
	}
}

func TestGatesHoldForWhatMovesByItself(t *testing.T) {
	l := registry(t)
	l.version("good", "w1", asIs)
	l.version("bad", "w2", func(e *wire.Evaluation) { e.Of.AUC = 0.6 })
	auto := func(version int) wire.StartDeployment {
		c := startOf(version)
		c.Auto = true
		return c
	}
	l.declined(wire.CmdStartDeployment, auto(2), wire.CodeGate, "AUC")
	forced := auto(2)
	forced.Force, forced.Reason = true, "a test"
	l.declined(wire.CmdStartDeployment, forced, wire.CodeDenied, "admin")
	forced.Admin = true
	l.must(wire.CmdStartDeployment, forced)
	l.serve(2)
	l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: all(2), Auto: true})
	history := l.s.Read().History(nil, rasch)
	if last := history[len(history)-1]; l.production() != 2 || last.Passed == "" || last.Reason != "a test" {
		t.Errorf("history ends in %+v", last)
	}
	l.declined(wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 2}, wire.CodeConflict, "production")
}

func TestAVersionOnItsWayIsAbandoned(t *testing.T) {
	for name, rollback := range map[string]bool{"rollback": true, "stop": false} {
		l := deployed(t)
		abandon := func(version int) {
			t.Helper()
			if rollback {
				l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Rollback: true, Reason: "no"})
				return
			}
			l.must(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch, Version: version, Reason: "no"})
		}
		l.start(1)
		abandon(1)
		if d := l.deployment(); d.Status != wire.Ended || len(d.Jobs) != 0 || l.job("serve1").Status != wire.Stopped {
			t.Errorf("%s: %+v", name, d)
		}
		l.declined(wire.CmdRetryJob, wire.RetryJob{Job: "serve1"}, wire.CodeConflict, "no deployment knows it")
		again := startOf(1)
		again.Job.ID = "serve1b"
		l.must(wire.CmdStartDeployment, again)
		l.must(wire.CmdTaskReady, wire.TaskReady{Task: "serve1b/serve/0", Token: l.place(false, on("serve1b/serve/0", "a")), Addr: "a:1"})
		l.move(all(1)...)
		l.start(2)
		l.serve(2)
		abandon(2)
		d := l.deployment()
		if d.Next != 0 || cmp.Diff(all(1), d.Routes) != "" || d.Jobs[2] != "" || l.production() != 1 || d.Reason != "version 2: no" || d.Undone {
			t.Errorf("%s: %+v", name, d)
		}
		l.start(3)
		l.serve(3)
		l.move(split(1, 80, 3)...)
		l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Rollback: true, Auto: true})
		if d := l.deployment(); d.Status != wire.RolledBack || !d.Undone {
			t.Errorf("%s: by the leader: %+v", name, d)
		}
		again = startOf(2)
		again.Job.ID = "serve2b"
		l.must(wire.CmdStartDeployment, again)
		abandon(2)
		if d := l.deployment(); d.Undone {
			t.Errorf("%s: by hand: %+v", name, d)
		}
		l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: split(1, 80, 3)})
		l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Rollback: true})
		if d := l.deployment(); d.Status != wire.RolledBack || cmp.Diff(all(1), d.Routes) != "" || d.Jobs[3] == "" || l.production() != 1 {
			t.Errorf("%s: %+v", name, d)
		}
		l.declined(wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 3}, wire.CodeConflict, "has replicas")
		l.must(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch})
		if d := l.deployment(); d.Status != wire.Ended || len(d.Jobs) != 0 || len(d.Routes) != 0 {
			t.Errorf("%s: %+v", name, d)
		}
		l.declined(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch}, wire.CodeConflict, "not deployed any more")
	}
}

func TestADeploymentSeenByAPerson(t *testing.T) {
	l := deployed(t)
	l.start(1)
	l.serve(1)
	l.move(all(1)...)
	l.start(2)
	d := l.deployment()
	view := state.DeploymentView(l.s.Read(), nil, &d)
	want := []wire.DeployedVersion{
		{Version: 2, Job: "serve2", Wanted: 2, Addrs: []string{}, Reason: "waits for a worker with free cores"},
		{Version: 1, Percent: 100, Job: "serve1", Ready: 1, Wanted: 2, Addrs: []string{"a:1"}},
	}
	if diff := cmp.Diff(want, view.Versions); diff != "" {
		t.Error(diff)
	}
}

// deployBodies are commands of deployments that often fit together.
func deployBodies(t *rapid.T) map[wire.Number]any {
	version := rapid.IntRange(1, 3).Draw(t, "serves")
	other := 1 + version%3
	percent := rapid.SampledFrom([]int{10, 50, 100}).Draw(t, "percent")
	task := fmt.Sprintf("serve%d/serve/0", version)
	start := startOf(version)
	start.Auto = rapid.Bool().Draw(t, "auto")
	return map[wire.Number]any{
		wire.CmdTaskReady:       wire.TaskReady{Task: task, Token: uint64(rapid.IntRange(1, 60).Draw(t, "ready")), Addr: "a:1"},
		wire.CmdStartDeployment: start,
		wire.CmdMoveTraffic: wire.MoveTraffic{
			Model: rasch, Routes: split(version, percent, other), Rollback: rapid.Bool().Draw(t, "back"), Force: true, Admin: true, Reason: "r",
		},
		wire.CmdStopDeployment: wire.StopDeployment{Model: rasch, Version: rapid.IntRange(0, 3).Draw(t, "stops")},
	}
}

// Whatever the sequence of commands, routes deal out all of the traffic or none,
// to versions that have replicas; whoever has all of it is in production unless
// the registry moved that itself; and a snapshot restores all of it.
func TestAnySequenceOfDeploymentCommands(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := deployed(t)
		for range rapid.IntRange(1, 30).Draw(rt, "commands") {
			bodies := deployBodies(rt)
			n := rapid.SampledFrom([]wire.Number{
				wire.CmdTaskReady, wire.CmdStartDeployment, wire.CmdMoveTraffic, wire.CmdMoveTraffic, wire.CmdStopDeployment, wire.CmdAssign,
			}).Draw(rt, "number")
			version := rapid.IntRange(1, 3).Draw(rt, "version")
			task := fmt.Sprintf("serve%d/serve/0", version)
			if n == wire.CmdAssign { // and ready
				if l.apply(n, wire.Assign{Placements: []wire.Placement{on(task, "a")}}).Code == wire.OK {
					l.must(wire.CmdTaskReady, wire.TaskReady{Task: task, Token: l.index, Addr: fmt.Sprint("a:", version)})
				}
				continue
			}
			out := l.apply(n, bodies[n])
			d, ok := l.s.Read().Deployment(nil, rasch)
			if !ok {
				continue
			}
			checkDeployment(rt, l, d, n == wire.CmdMoveTraffic && out.Code == wire.OK && out.Index == d.ModifyIndex)
		}
		again := state.New()
		if err := again.Restore(strings.NewReader(snapshotOf(rt, l.s))); err != nil || again.Read().Hash() != l.s.Read().Hash() {
			rt.Fatalf("restored: %v", err)
		}
	})
}

func snapshotOf(t rapid.TB, s *state.Store) string {
	var b strings.Builder
	if _, err := s.Read().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func checkDeployment(t *rapid.T, l *log, d *wire.Deployment, moved bool) {
	sum := 0
	for _, r := range d.Routes {
		sum += r.Percent
		if d.Jobs[r.Version] == "" || l.job(d.Jobs[r.Version]).Status.Final() {
			t.Fatalf("version %d is routed without replicas: %+v", r.Version, d)
		}
		if moved && len(l.s.Read().Replicas(rasch)[r.Version]) == 0 {
			t.Fatalf("traffic moved to version %d, which serves nowhere: %+v", r.Version, d)
		}
	}
	switch {
	case len(d.Routes) > 0 && sum != 100, len(d.Routes) == 2 && d.Status != wire.Shifting && d.Status != wire.Starting:
		t.Fatalf("routes of %+v", d)
	case len(d.Routes) == 1 && l.production() != d.Routes[0].Version:
		t.Fatalf("version %d is in production, the traffic goes elsewhere: %+v", l.production(), d)
	case d.Status == wire.Live && (len(d.Routes) != 1 || d.Next != 0), d.Next != 0 && d.Jobs[d.Next] == "", d.Previous != 0 && d.Jobs[d.Previous] == "":
		t.Fatalf("got %+v", d)
	}
}

func TestASplitIsOfWhatAnswersAndWhatComes(t *testing.T) {
	l := deployed(t)
	for version := 1; version <= 2; version++ {
		l.start(version)
		l.serve(version)
		l.move(all(version)...)
	}
	if d := l.deployment(); d.Previous != 1 {
		t.Fatalf("got %+v", d)
	}
	auto := startOf(3)
	auto.Auto, auto.Force, auto.Admin, auto.Reason = true, true, true, "test"
	l.must(wire.CmdStartDeployment, auto)
	l.serve(3)
	three := []wire.Route{{Version: 1, Percent: 20}, {Version: 2, Percent: 40}, {Version: 3, Percent: 40}}
	for _, routes := range [][]wire.Route{three, split(1, 50, 2), split(1, 50, 3)} {
		l.declined(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: routes}, wire.CodeConflict, "traffic is split between")
	}
	l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: split(2, 90, 3), Auto: true})
	if d := l.deployment(); !d.Auto || d.Next != 3 {
		t.Errorf("the leader's step: %+v", d)
	}
	l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: split(2, 80, 3)})
	if d := l.deployment(); d.Auto || d.Next != 3 {
		t.Errorf("a person's split: %+v", d)
	}
	l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: all(2)}) // 3 is not wanted after all
	if d := l.deployment(); d.Next != 0 || d.Previous != 1 || d.Status != wire.Live || d.Forced != "" {
		t.Errorf("got %+v", d)
	}
	l.start(1) // what a rollback would have gone to comes again
	if d := l.deployment(); d.Next != 1 || d.Previous != 0 || d.Jobs[1] != "serve1" {
		t.Errorf("got %+v", d)
	}
	l.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: all(1), Force: true, Admin: true, Reason: "test"})
	if d := l.deployment(); d.Previous != 2 || l.production() != 1 {
		t.Errorf("got %+v", d)
	}
}
