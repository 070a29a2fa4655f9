package alert_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/alert"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// world is a state that commands change, its incidents as a leader keeps them.
type world struct {
	t     *testing.T
	s     *state.Store
	index uint64
	now   int64
	rules []wire.AlertRule
	seen  map[string]int64
	facts alert.Facts
	more  *models
}

// models are what the view says of models, in place of the state.
type models struct {
	deployments []*wire.Deployment
	replicas    map[int][]string
	evaluation  *wire.Evaluation
}

// view is a state with models.
type view struct {
	*state.View
	more *models
}

func (v view) Deployments(*state.Watch) []*wire.Deployment { return v.more.deployments }
func (v view) Replicas(string) map[int][]string            { return v.more.replicas }
func (v view) Evaluation(_ *state.Watch, id string) (*wire.Evaluation, bool) {
	return v.more.evaluation, v.more.evaluation != nil && v.more.evaluation.ID == id
}

const second = int64(1000)

func newWorld(t *testing.T, rules ...wire.AlertRule) *world {
	t.Helper()
	if rules == nil {
		rules = wire.DefaultAlertRules()
	}
	w := &world{t: t, s: state.New(), now: 1_000_000_000, rules: rules, more: &models{}}
	w.must(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: wire.FeatureLevel})
	return w
}

func (w *world) must(n wire.Number, body any) {
	w.t.Helper()
	env, err := state.Envelope(n, body, "test", "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.index++
	env.Time = w.now
	if out := w.s.Apply(w.index, env); out.Code != wire.OK {
		w.t.Fatalf("command %d: %s", n, out.Error)
	}
}

// look evaluates and stores, and answers how many incidents changed.
func (w *world) look() int {
	w.t.Helper()
	d := alert.Evaluate(alert.Input{View: view{w.s.Read(), w.more}, Facts: w.facts, Rules: w.rules, Now: w.now, Seen: w.seen})
	w.seen = d.Seen
	if len(d.Changes) > 0 {
		w.must(wire.CmdPutAlerts, wire.PutAlerts{Alerts: d.Changes})
	}
	return len(d.Changes)
}

// after lets time pass and looks.
func (w *world) after(d time.Duration) int {
	w.t.Helper()
	w.now += d.Milliseconds()
	return w.look()
}

// open are the open incidents as "RULE labels count".
func (w *world) open() []string {
	found := []string{}
	for _, a := range w.s.Read().OpenAlerts(nil) {
		found = append(found, fmt.Sprintf("%s %v %d", a.Rule, a.Labels, a.Count))
	}
	slices.Sort(found)
	return found
}

func (w *world) expect(want ...string) {
	w.t.Helper()
	if d := cmp.Diff(append([]string{}, want...), w.open()); d != "" {
		w.t.Error(d)
	}
}

func (w *world) node(id string) {
	w.t.Helper()
	w.must(wire.CmdRegisterNode, wire.RegisterNode{Node: wire.Node{ID: id, Session: "s", Role: wire.RoleWorker, Resources: wire.Resources{Cores: 64}}})
}

func (w *world) down(id, reason string) {
	w.t.Helper()
	w.must(wire.CmdNodeStatus, wire.SetNodeStatus{Node: id, Status: wire.NodeDown, Reason: reason})
}

// run submits a job of one stage and lets it end: failed where the cause is not none.
func (w *world) run(j wire.Job, kind wire.StageKind, cause wire.Cause, reason string) {
	w.t.Helper()
	w.must(wire.CmdSubmitJob, wire.SubmitJob{Job: j, Stages: []wire.Stage{{Name: "one", Kind: kind, Run: wire.Batch, Tasks: 1}}})
	task := j.ID + "/one/0"
	w.must(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{{Task: task, Node: "w1", Session: "s"}}})
	w.must(wire.CmdTaskResult, wire.TaskResult{Task: task, Token: w.index, Cause: cause, Error: reason})
}

func TestThirtyFailuresAreOneIncident(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node("w1")
	for k := range 30 {
		w.run(wire.Job{ID: fmt.Sprintf("j%02d-x", k), Name: fmt.Sprintf("j%02d", k)}, wire.StageNoop, wire.CauseFatal, "broken")
		w.look()
	}
	w.expect("job-failed map[] 30")
	a := w.s.Read().OpenAlerts(nil)[0]
	if !strings.Contains(a.Text, "job j00-x failed: ") || !strings.Contains(a.Text, "; and 25 more. \"cohort job logs j00-x\"") {
		t.Errorf("text %q", a.Text)
	}
	if n := w.after(time.Second); n != 0 {
		t.Errorf("the same again changed %d incidents", n)
	}
	for k := range 30 {
		w.run(wire.Job{ID: fmt.Sprintf("j%02d-y", k), Name: fmt.Sprintf("j%02d", k)}, wire.StageNoop, wire.CauseNone, "")
	}
	w.after(time.Second)
	w.expect()
	if over := w.s.Read().EndedAlerts(nil, 0); len(over) != 1 || over[0].ID != a.ID || over[0].Count != 30 || over[0].Ended != w.now {
		t.Errorf("over: %+v", over)
	}
	w.run(wire.Job{ID: "j00-z", Name: "j00"}, wire.StageNoop, wire.CauseFatal, "broken")
	w.after(time.Second)
	w.expect("job-failed map[job:j00 run:j00-z] 1")
	if again := w.s.Read().OpenAlerts(nil)[0]; again.ID == a.ID {
		t.Error("the incident that was over is open again")
	}
}

func TestWhatIsNoFailure(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node("w1")
	w.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: "stopped", Name: "a"}, Stages: []wire.Stage{{Name: "one", Kind: wire.StageNoop, Run: wire.Batch, Tasks: 1}}})
	w.must(wire.CmdStopJob, wire.StopJob{Job: "stopped"})
	w.run(wire.Job{ID: "level", Name: "b"}, wire.StageEvaluate, wire.CauseGate, "no better")
	w.more.evaluation = &wire.Evaluation{ID: "level/one", Gates: []wire.GateResult{{Name: "auc", Pass: true}, {Name: "improvement"}}}
	w.look()
	w.expect()
	w.more.evaluation.Gates[0].Pass = false // now it lacks more than that
	w.look()
	w.expect("job-failed map[job:b run:level] 1")
	// A job that is tried again has not ended.
	w.must(wire.CmdRetryJob, wire.RetryJob{Job: "level"})
	w.look()
	w.expect()
}

func TestAFailureWithoutScheduleIsForgottenOneWithIsNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node("w1")
	w.run(wire.Job{ID: "once", Name: "once"}, wire.StageNoop, wire.CauseFatal, "broken")
	w.run(wire.Job{ID: "weekly-1", Name: "weekly", Schedule: "weekly"}, wire.StageNoop, wire.CauseFatal, "broken")
	w.look()
	w.expect("job-failed map[] 2")
	w.after(25 * time.Hour)
	w.expect("job-failed map[job:weekly run:weekly-1 schedule:weekly] 2")
}

func TestDataGatesAndDriftAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node("w1")
	w.run(wire.Job{ID: "a", Name: "a"}, wire.StageValidate, wire.CauseGate, "the dataset did not pass: completeness 0.5 is below 0.95")
	w.run(wire.Job{ID: "b", Name: "b"}, wire.StageValidate, wire.CauseGate, "the dataset did not pass: drift.answers: x is above y: why; and nulls 0.2")
	w.run(wire.Job{ID: "c", Name: "c"}, wire.StageValidate, wire.CauseGate, "the dataset did not pass: drift.rate: x is above y: why")
	w.look()
	w.expect("data-gate map[job:a run:a] 1", "data-gate map[job:b run:b] 1", "drift map[job:b run:b] 1", "drift map[job:c run:c] 1")
}

func TestAConditionMustLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node("w1")
	w.node("w2")
	w.down("w2", "no renewal for 5s")
	w.look()
	w.after(59 * time.Second)
	w.expect()
	w.seen = nil // another leader, who counts anew
	w.after(59 * time.Second)
	w.after(59 * time.Second)
	w.expect()
	w.after(time.Second)
	w.expect("worker-lost map[worker:w2] 1")
	w.seen = nil // the incident stays open under yet another
	if n := w.after(time.Second); n != 0 {
		t.Errorf("%d changes under another leader", n)
	}
	w.expect("worker-lost map[worker:w2] 1")
	w.node("w2")
	w.after(time.Second)
	w.expect()
	w.down("w2", wire.ReasonLeft+": drained by ann")
	w.down("w1", wire.ReasonLeft+": drained by ann")
	w.look()
	w.after(10 * time.Minute)
	w.expect("no-workers map[] 1")
}

func TestWaitingAndLateAndFlapping(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node("w1")
	w.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: "j", Name: "big", Schedule: "big"}, Stages: []wire.Stage{
		{Name: "one", Kind: wire.StageNoop, Run: wire.Batch, Tasks: 1, Resources: wire.Resources{Cores: 1000}},
		{Name: "two", Kind: wire.StageNoop, Run: wire.Batch, Tasks: 1, After: []string{"one"}},
	}})
	w.look()
	w.after(15*time.Minute - time.Second)
	w.expect()
	w.must(wire.CmdWarnJob, wire.WarnJob{Job: "j", Warning: "goes on 6h after"})
	w.facts.LeaderChanges = 3
	w.after(time.Second)
	w.expect(
		"leader-changes map[] 1", "schedule-late map[job:big run:j schedule:big] 1", "stage-waiting map[job:big run:j schedule:big stage:one] 1")
	w.must(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{{Task: "j/one/0", Node: "w1", Session: "s"}}})
	w.facts.LeaderChanges = 2
	w.after(time.Second)
	w.expect("schedule-late map[job:big run:j schedule:big] 1")
}

func TestDeployments(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.node("w1")
	d := &wire.Deployment{Model: "m", Status: wire.Live, Routes: []wire.Route{{Version: 1, Percent: 90}, {Version: 2, Percent: 10}}, Spec: wire.DeploySpec{Replicas: 2}}
	w.more.deployments, w.more.replicas = []*wire.Deployment{d}, map[int][]string{1: {"a", "b"}, 2: {"c", "d"}}
	w.look()
	w.expect()
	w.more.replicas = map[int][]string{1: {"a", "b"}, 2: {"c"}}
	w.look()
	w.after(2 * time.Minute)
	w.expect("deployment-degraded map[model:m] 1")
	if a := w.s.Read().OpenAlerts(nil)[0]; !strings.Contains(a.Text, "version 2 of model m has 1 of 2 replicas ready") {
		t.Errorf("text %q", a.Text)
	}
	d.Status, d.Reason, d.Routes = wire.RolledBack, "rolled back by hand", []wire.Route{{Version: 1, Percent: 100}}
	w.look()
	w.expect()
	d.Reason = "version 2: rolled back by hand"
	w.look()
	w.expect()
	d.Undone, d.Reason = true, "version 2: calibration 0.3 is above 0.15 for 30s"
	w.look()
	w.expect("model-rolled-back map[model:m] 1")
}

func TestARuleThatIsGoneEndsItsIncidents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.look()
	w.after(time.Minute)
	w.expect("no-workers map[] 1")
	w.rules = []wire.AlertRule{{Name: "other", When: wire.WhenNoWorkers}}
	w.after(time.Second)
	w.expect("other map[] 1")
}

// Incidents that a rule tells apart no more become one.
func TestARuleThatTellsLessApartLeavesNoIncidentBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wire.AlertRule{Name: "lost", When: wire.WhenWorkerLost, Group: []string{"worker"}})
	for _, id := range []string{"w1", "w2"} {
		w.node(id)
		w.down(id, "no renewal for 5s")
		w.after(time.Second)
	}
	w.expect("lost map[worker:w1] 1", "lost map[worker:w2] 1")
	newest := w.s.Read().OpenAlerts(nil)[1].ID
	w.rules[0].Group = nil
	w.after(time.Second)
	w.expect("lost map[] 2")
	if open := w.s.Read().OpenAlerts(nil); open[0].ID != newest {
		t.Errorf("the older of two goes on: %+v", open)
	}
	w.node("w1")
	w.node("w2")
	w.after(time.Second)
	w.expect()
}
