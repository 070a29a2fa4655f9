package state_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// log applies commands to a store, one index after another.
type log struct {
	t     testing.TB
	s     *state.Store
	index uint64
	now   int64

	entries []wire.Envelope // applied so far, the first at index 11
}

func newLog(t testing.TB) *log { return &log{t: t, s: state.New(), index: 10, now: 1_000_000} }

func (l *log) apply(n wire.Number, body any) wire.Outcome { return l.as("", n, body) }

func (l *log) as(request string, n wire.Number, body any) wire.Outcome {
	l.t.Helper()
	env, err := state.Envelope(n, body, "test", request)
	if err != nil {
		l.t.Fatal(err)
	}
	l.index++
	l.now += 10
	env.Time = l.now
	l.entries = append(l.entries, env)
	return l.s.Apply(l.index, env)
}

func (l *log) must(n wire.Number, body any) wire.Outcome {
	l.t.Helper()
	out := l.apply(n, body)
	if out.Code != wire.OK {
		l.t.Fatalf("command %d: %s", n, out.Error)
	}
	return out
}

func (l *log) node(id, session string, cores int) {
	l.t.Helper()
	l.must(wire.CmdRegisterNode, wire.RegisterNode{Node: wire.Node{
		ID: id, Session: session, Addr: id + ":1", Resources: wire.Resources{Cores: cores, MemoryMB: 1000},
	}})
}

func (l *log) submit(id string, stages ...wire.Stage) {
	l.t.Helper()
	l.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: id, Name: id}, Stages: stages})
}

func (l *log) place(gang bool, placements ...wire.Placement) uint64 {
	l.t.Helper()
	l.must(wire.CmdAssign, wire.Assign{Placements: placements, Gang: gang})
	return l.index
}

func on(task, node string) wire.Placement {
	return wire.Placement{Task: task, Node: node, Session: "s-" + node, Granted: wire.Resources{Cores: 1}}
}

func (l *log) task(id string) wire.Task {
	l.t.Helper()
	k, ok := l.s.Read().Task(nil, id)
	if !ok {
		l.t.Fatalf("no task %s", id)
	}
	return *k
}

func (l *log) job(id string) wire.Job {
	l.t.Helper()
	j, ok := l.s.Read().Job(nil, id)
	if !ok {
		l.t.Fatalf("no job %s", id)
	}
	return *j
}

func batch(name string, after ...string) wire.Stage {
	return wire.Stage{Name: name, Kind: wire.StageNoop, Run: wire.Batch, Tasks: 1, Retries: 1, After: after}
}

func gang(tasks int) wire.Stage {
	return wire.Stage{Name: "train", Kind: wire.StageTrain, Run: wire.Gang, Tasks: tasks, Retries: 0}
}

func TestAJobRunsThroughItsGraph(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 2)
	l.submit("j", batch("one"), wire.Stage{
		Name: "two", Kind: wire.StageNoop, Run: wire.Batch, Tasks: 1, After: []string{"one"},
		Inputs: map[string]string{"x": "one/out", "y": "fixed"},
	})
	if j := l.job("j"); j.Status != wire.Pending || j.Reason == "" {
		t.Errorf("a new job is %s with reason %q", j.Status, j.Reason)
	}
	if out := l.apply(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{on("j/two/0", "a")}}); out.Code != wire.CodeConflict {
		t.Errorf("a stage started before the one it waits for: %+v", out)
	}
	token := l.place(false, on("j/one/0", "a"))
	if j := l.job("j"); j.Status != wire.Running {
		t.Errorf("the job is %s", j.Status)
	}
	result := json.RawMessage(`{"a":1}`)
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: token, Outputs: map[string]string{"out": "hash"}, Result: result})
	token = l.place(false, on("j/two/0", "a"))
	as := l.s.Read().Assignments(nil, "a", "s-a")
	if len(as) != 1 || as[0].Stage.Inputs["x"] != "hash" || as[0].Stage.Inputs["y"] != "fixed" {
		t.Errorf("assignments %+v", as)
	}
	if len(l.s.Read().Assignments(nil, "a", "older")) != 0 {
		t.Error("another session sees assignments")
	}
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/two/0", Token: token, Result: json.RawMessage(`{"a":2,"b":3}`)})
	j := l.job("j")
	if j.Status != wire.Done || j.Ended == 0 {
		t.Errorf("the job is %+v", j)
	}
	view := state.JobView(l.s.Read(), nil, &j, state.AllStages)
	if string(view.Result["a"]) != "2" || string(view.Result["b"]) != "3" || len(view.Stages) != 2 || len(view.Stages[0].TaskList) != 1 {
		t.Errorf("view %+v", view)
	}
	if open := l.s.Read().OpenJobs(); len(open) != 0 {
		t.Errorf("open jobs %v", open)
	}
}

func TestAnOldTokenIsRefused(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 2)
	l.submit("j", batch("one"))
	old := l.place(false, on("j/one/0", "a"))
	l.must(wire.CmdReleaseTasks, wire.ReleaseTasks{Tasks: []wire.TokenOf{{Task: "j/one/0", Token: old}}, Cause: wire.CauseLease})
	if k := l.task("j/one/0"); k.Status != wire.Pending || k.Failures != 0 || k.Node != "" {
		t.Errorf("after the lease ended the task is %+v", k)
	}
	fresh := l.place(false, on("j/one/0", "a"))
	for name, c := range map[string]struct {
		n    wire.Number
		body any
	}{
		"result":     {wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: old}},
		"checkpoint": {wire.CmdPutCheckpoint, wire.PutCheckpoint{Task: "j/one/0", Token: old}},
		"release":    {wire.CmdReleaseTasks, wire.ReleaseTasks{Tasks: []wire.TokenOf{{Task: "j/one/0", Token: old}}}},
	} {
		before := l.task("j/one/0")
		if out := l.apply(c.n, c.body); out.Code != wire.CodeConflict {
			t.Errorf("%s under an old token: %+v", name, out)
		}
		if d := cmp.Diff(before, l.task("j/one/0")); d != "" {
			t.Errorf("%s changed the task: %s", name, d)
		}
	}
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: fresh})
}

func TestOnlyTheTasksOwnFailuresCount(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 2)
	l.submit("j", batch("one"))
	for range 5 {
		token := l.place(false, on("j/one/0", "a"))
		l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: token, Error: "gone", Cause: wire.CauseNode})
	}
	token := l.place(false, on("j/one/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: token, Error: "boom", Cause: wire.CauseTask})
	k := l.task("j/one/0")
	if k.Status != wire.Pending || k.Failures != 1 || k.Pause <= l.now || k.Error != "boom" {
		t.Errorf("after one failure: %+v", k)
	}
	if j, want := l.job("j"), "stage one failed 1 of 2 times, tried again after a pause: boom"; j.Reason != want {
		t.Errorf("the job's reason is %q, want %q", j.Reason, want)
	}
	token = l.place(false, on("j/one/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: token, Error: "boom again", Cause: wire.CauseTask})
	if j := l.job("j"); j.Status != wire.Failed || !strings.Contains(j.Reason, "boom again") || !strings.Contains(j.Reason, "one") {
		t.Errorf("the job is %s: %s", j.Status, j.Reason)
	}
}

func TestAFatalFailureIsNotTriedAgain(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 2)
	l.submit("j", batch("one"), batch("two", "one"))
	token := l.place(false, on("j/one/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: token, Error: "bad file", Cause: wire.CauseFatal})
	if j := l.job("j"); j.Status != wire.Failed {
		t.Errorf("the job is %s", j.Status)
	}
	if k := l.task("j/two/0"); k.Status != wire.Stopped {
		t.Errorf("the stage behind is %s", k.Status)
	}
}

func TestAGangSharesItsFate(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	l.node("b", "s-b", 1)
	l.submit("j", gang(2))
	if out := l.apply(wire.CmdAssign, wire.Assign{Gang: true, Placements: []wire.Placement{on("j/train/0", "a")}}); out.Code == wire.OK {
		t.Error("half a gang was placed")
	}
	if k := l.task("j/train/0"); k.Status != wire.Pending {
		t.Errorf("a refused placement left the task %s", k.Status)
	}
	round := l.place(true, on("j/train/0", "a"), on("j/train/1", "b"))
	r, ok := l.s.Read().Round(nil, "j", "train")
	if !ok || r.Number != round || len(r.Members) != 2 || r.Members[1].Addr != "b:1" || r.From != "" {
		t.Fatalf("round %+v", r)
	}
	l.must(wire.CmdPutCheckpoint, wire.PutCheckpoint{Task: "j/train/0", Token: round, Checkpoint: wire.Checkpoint{Hash: "c2", Epoch: 2}})
	l.must(wire.CmdPutCheckpoint, wire.PutCheckpoint{Task: "j/train/1", Token: round, Checkpoint: wire.Checkpoint{Hash: "c1", Epoch: 1}})
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/train/0", Token: round, Outputs: map[string]string{"weights": "w"}})
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/train/1", Token: round, Error: "lost", Cause: wire.CausePeer})
	for k := range 2 {
		if m := l.task(fmt.Sprintf("j/train/%d", k)); m.Status != wire.Pending || m.Failures != 0 {
			t.Errorf("member %d is %+v", k, m)
		}
	}
	next := l.place(true, on("j/train/0", "a"), on("j/train/1", "b"))
	if r, _ = l.s.Read().Round(nil, "j", "train"); r.From != "c2" || r.Number != next {
		t.Errorf("the next round is %+v, want it from the newest checkpoint", r)
	}
	for k := range 2 {
		l.must(wire.CmdTaskResult, wire.TaskResult{Task: fmt.Sprintf("j/train/%d", k), Token: next, Outputs: map[string]string{"weights": fmt.Sprint(k)}})
	}
	s, _ := l.s.Read().Stage(nil, "j", "train")
	if s.Status != wire.Done || s.Outputs["weights"] != "0" {
		t.Errorf("the stage is %s with outputs %v, want rank 0's", s.Status, s.Outputs)
	}
}

func TestALostNodeGivesBackItsTasks(t *testing.T) {
	for name, lose := range map[string]func(l *log){
		"down":        func(l *log) { l.must(wire.CmdNodeStatus, wire.SetNodeStatus{Node: "a", Status: wire.NodeDown}) },
		"new-session": func(l *log) { l.node("a", "s2", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(t)
			l.node("a", "s-a", 1)
			l.node("b", "s-b", 1)
			l.submit("j", gang(2))
			l.place(true, on("j/train/0", "a"), on("j/train/1", "b"))
			lose(l)
			for k := range 2 {
				if m := l.task(fmt.Sprintf("j/train/%d", k)); m.Status != wire.Pending {
					t.Errorf("member %d is %s", k, m.Status)
				}
			}
			if n := len(l.s.Read().TasksOf(nil, "b")); n != 0 {
				t.Errorf("node b still runs %d tasks", n)
			}
		})
	}
}

func TestPlacementsAreChecked(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	l.submit("j", wire.Stage{Name: "s", Run: wire.Batch, Tasks: 2})
	wrong := on("j/s/0", "a")
	wrong.Session = "older"
	big := on("j/s/0", "a")
	big.Granted.Cores = 2
	minus := on("j/s/0", "a")
	minus.Granted.Cores = -1
	for name, p := range map[string]wire.Placement{
		"session": wrong, "cores": big, "minus": minus, "task": on("j/s/9", "a"), "node": on("j/s/0", "z"),
	} {
		if out := l.apply(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{p}}); out.Code == wire.OK {
			t.Errorf("%s: placed", name)
		}
	}
	l.place(false, on("j/s/0", "a"))
	if out := l.apply(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{on("j/s/1", "a")}}); out.Code != wire.CodeConflict {
		t.Errorf("a full node took a task: %+v", out)
	}
	l.must(wire.CmdNodeStatus, wire.SetNodeStatus{Node: "a", Status: wire.NodeDraining})
	if n := len(l.s.Read().TasksOf(nil, "a")); n != 1 {
		t.Errorf("a draining node keeps %d tasks, want 1", n)
	}
}

func TestARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	l := newLog(t)
	submit := func(id string) wire.Outcome {
		return l.as("r1", wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: id}, Stages: []wire.Stage{batch("s")}})
	}
	first := submit("j-1")
	if again := submit("j-2"); again != first || again.ID != "j-1" {
		t.Errorf("first %+v, again %+v", first, again)
	}
	if _, ok := l.s.Read().Job(nil, "j-2"); ok {
		t.Error("the repeated request made another job")
	}
	bad := l.as("r2", wire.CmdStopJob, wire.StopJob{Job: "none"})
	l.submit("none", batch("s"))
	if again := l.as("r2", wire.CmdStopJob, wire.StopJob{Job: "none"}); again != bad {
		t.Errorf("a refused request is answered %+v, then %+v", bad, again)
	}
}

func TestTheTableOfRequestsIsBounded(t *testing.T) {
	l := newLog(t)
	for k := range 10_050 {
		l.as(fmt.Sprint("r", k), wire.CmdStopJob, wire.StopJob{Job: "none"})
	}
	out := l.as("r0", wire.CmdStopJob, wire.StopJob{Job: "none"})
	if out.Index != l.index {
		t.Error("the oldest request is still known")
	}
	if out := l.as("r10049", wire.CmdStopJob, wire.StopJob{Job: "none"}); out.Index == l.index {
		t.Error("the newest request is forgotten")
	}
}

func TestAServiceRunsUntilStopped(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 2)
	l.submit("j", wire.Stage{Name: "s", Kind: wire.StageIdle, Run: wire.Service, Tasks: 1})
	token := l.place(false, on("j/s/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/s/0", Token: token})
	if k := l.task("j/s/0"); k.Status != wire.Pending {
		t.Errorf("a service that ended is %s, want it placed again", k.Status)
	}
	l.place(false, on("j/s/0", "a"))
	if out := l.apply(wire.CmdStopJob, wire.StopJob{Job: "j", CheckIndex: 1}); out.Code != wire.CodeConflict {
		t.Errorf("a stop with a stale index: %+v", out)
	}
	l.must(wire.CmdStopJob, wire.StopJob{Job: "j"})
	if j := l.job("j"); j.Status != wire.Stopped || j.Reason == "" {
		t.Errorf("the job is %s: %q", j.Status, j.Reason)
	}
	if n := len(l.s.Read().TasksOf(nil, "a")); n != 0 {
		t.Errorf("%d tasks still run", n)
	}
	if out := l.apply(wire.CmdStopJob, wire.StopJob{Job: "j"}); out.Code != wire.CodeConflict {
		t.Errorf("a second stop: %+v", out)
	}
}

func TestStagesAreAddedToARunningGraph(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	l.submit("j", batch("one"))
	l.must(wire.CmdAddStages, wire.AddStages{Job: "j", Stages: []wire.Stage{batch("two", "one")}})
	before := l.s.Read().Stages(nil, "j")
	l.must(wire.CmdAddStages, wire.AddStages{Job: "j", Stages: []wire.Stage{batch("two", "one")}})
	if d := cmp.Diff(before, l.s.Read().Stages(nil, "j")); d != "" {
		t.Errorf("stages added twice: %s", d)
	}
	for name, s := range map[string]wire.Stage{"unknown": batch("x", "nowhere"), "empty": {Name: "y"}} {
		if out := l.apply(wire.CmdAddStages, wire.AddStages{Job: "j", Stages: []wire.Stage{s}}); out.Code == wire.OK {
			t.Errorf("%s: added", name)
		}
	}
	token := l.place(false, on("j/one/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: token})
	if j := l.job("j"); j.Status.Final() {
		t.Error("the job ended before the added stage ran")
	}
	names := []string{}
	for _, s := range l.s.Read().Stages(nil, "j") {
		names = append(names, s.Name)
	}
	if d := cmp.Diff([]string{"one", "two"}, names); d != "" {
		t.Error(d)
	}
}

func TestReadsWakeWhenWhatTheyReadChanges(t *testing.T) {
	l := newLog(t)
	l.submit("j", batch("s"))
	w := &state.Watch{}
	l.s.Read().Job(w, "j")
	changed := l.s.Changed()
	l.must(wire.CmdStopJob, wire.StopJob{Job: "j"})
	if err := w.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	<-changed
	w = &state.Watch{}
	l.s.Read().Jobs(w, 0)
	var b bytes.Buffer
	if _, err := l.s.Read().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	if err := l.s.Restore(&b); err != nil {
		t.Fatal(err)
	}
	if err := w.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAnUnknownCommandStopsTheNode(t *testing.T) {
	for name, env := range map[string]wire.Envelope{
		"number":  {Number: 999, Version: 1},
		"version": {Number: wire.CmdStopJob, Version: 99, Body: json.RawMessage("{}")},
	} {
		func() {
			defer func() {
				if p := recover(); p == nil || !strings.Contains(fmt.Sprint(p), "upgrade") {
					t.Errorf("%s: %v", name, p)
				}
			}()
			state.New().Apply(1, env)
		}()
	}
}

func TestTheFeatureLevelOnlyRises(t *testing.T) {
	l := newLog(t)
	if l.s.Read().Level() != 1 {
		t.Fatal("a new state has another level than 1")
	}
	l.must(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: 2})
	if out := l.apply(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: 2}); out.Code != wire.CodeConflict || l.s.Read().Level() != 2 {
		t.Errorf("%+v", out)
	}
}

// Replay, and snapshot and restore at any point, give the same state.
func TestReplayAndRestoreHashAlike(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var entries [][]byte
		n := rapid.IntRange(1, 40).Draw(rt, "commands")
		for k := range n {
			env := randomCommand(rt, k)
			env.Time = int64(1000 * k)
			b, err := state.Encode(env)
			if err != nil {
				rt.Fatal(err)
			}
			entries = append(entries, b)
		}
		cut := rapid.IntRange(0, n).Draw(rt, "snapshot-after")
		whole, restored := state.New(), state.New()
		for k, b := range entries {
			if k == cut {
				var snap bytes.Buffer
				if _, err := restored.Read().WriteTo(&snap); err != nil {
					rt.Fatal(err)
				}
				restored = state.New()
				if err := restored.Restore(&snap); err != nil {
					rt.Fatal(err)
				}
			}
			env, err := state.Decode(b)
			if err != nil {
				rt.Fatal(err)
			}
			a, c := whole.Apply(uint64(k+1), env), restored.Apply(uint64(k+1), env)
			if a != c {
				rt.Fatalf("command %d: %+v and %+v", k, a, c)
			}
		}
		if whole.Read().Hash() != restored.Read().Hash() {
			rt.Fatal("the states differ")
		}
	})
}

// randomCommand draws commands that often fit together: two nodes, three jobs.
func randomCommand(t *rapid.T, k int) wire.Envelope {
	node := rapid.SampledFrom([]string{"a", "b"}).Draw(t, "node")
	job := rapid.SampledFrom([]string{"j1", "j2", "j3"}).Draw(t, "job")
	task := job + "/train/" + rapid.SampledFrom([]string{"0", "1"}).Draw(t, "task")
	token := uint64(rapid.IntRange(1, k+1).Draw(t, "token"))
	number := wire.Number(rapid.OneOf(rapid.IntRange(1, 12), rapid.IntRange(20, 30), rapid.IntRange(40, 43), rapid.IntRange(50, 53), rapid.IntRange(60, 62)).Draw(t, "number"))
	bodies := map[wire.Number]any{
		wire.CmdRegisterNode: wire.RegisterNode{Node: wire.Node{ID: node, Session: "s-" + node, Resources: wire.Resources{Cores: 2}}},
		wire.CmdNodeStatus: wire.SetNodeStatus{
			Node: node, Status: rapid.SampledFrom([]wire.NodeStatus{wire.NodeDown, wire.NodeReady, wire.NodeDraining}).Draw(t, "status"),
		},
		wire.CmdSubmitJob: wire.SubmitJob{Job: wire.Job{ID: job}, Stages: []wire.Stage{gang(2), fan("fan"), batch("after", "train", "fan")}},
		wire.CmdStopJob:   wire.StopJob{Job: job},
		wire.CmdAssign: wire.Assign{Gang: true, Placements: []wire.Placement{
			on(job+"/train/0", node), on(job+"/train/1", node),
		}},
		wire.CmdTaskResult: wire.TaskResult{
			Task: task, Token: token,
			Error: rapid.SampledFrom([]string{"", "", "x"}).Draw(t, "error"), Cause: wire.CauseTask,
			Dataset: &wire.Dataset{ID: job}, Features: &wire.FeatureSet{ID: job, Name: "n"},
		},
		wire.CmdReleaseTasks:  wire.ReleaseTasks{Tasks: []wire.TokenOf{{Task: task, Token: token}}, Cause: wire.CauseLease},
		wire.CmdPutCheckpoint: wire.PutCheckpoint{Task: task, Token: token, Checkpoint: wire.Checkpoint{Hash: "h", Epoch: k}},
		wire.CmdAddStages:     wire.AddStages{Job: job, Stages: []wire.Stage{batch(fmt.Sprint("more", k)), partOf("fan", fmt.Sprint("fan.", k/4))}},
		wire.CmdCloseFan:      wire.CloseFan{Job: job, Stage: "fan"},
		wire.CmdFeatureLevel:  wire.SetFeatureLevel{Level: k % 4},
		wire.CmdPutPlan:       wire.PutPlan{Task: task, Token: token, Plan: "p"},
		wire.CmdRetryJob:      wire.RetryJob{Job: job, From: rapid.SampledFrom([]string{"", "train", "after", "fan"}).Draw(t, "from")},
	}
	maps.Copy(bodies, scheduleBodies(t, k))
	maps.Copy(bodies, modelBodies(t))
	maps.Copy(bodies, deployBodies(t))
	maps.Copy(bodies, alertBodies(t, k))
	request := rapid.SampledFrom([]string{"", "", "r1", "r2"}).Draw(t, "request")
	env, err := state.Envelope(number, bodies[number], "rapid", request)
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func TestABadSnapshotLeavesTheStateAsItWas(t *testing.T) {
	l := newLog(t)
	l.submit("j", batch("s"))
	before := l.s.Read().Hash()
	var b bytes.Buffer
	if _, err := l.s.Read().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "version": `{"version":9}`, "cut": b.String()[:b.Len()-20],
		"table": `{"version":1}` + "\n" + `{"table":"x","record":{}}`,
		"count": `{"version":1}` + "\n" + `{"end":true,"count":3}`,
	} {
		if err := l.s.Restore(strings.NewReader(text)); !errors.Is(err, state.ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if l.s.Read().Hash() != before {
		t.Error("the state has changed")
	}
}

func FuzzRestore(f *testing.F) {
	l := newLog(f)
	l.node("a", "s", 1)
	l.submit("j", gang(2), batch("after", "train"))
	var b bytes.Buffer
	if _, err := l.s.Read().WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add([]byte(`{"version":1}{"end":true}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := state.New()
		if s.Restore(bytes.NewReader(data)) == nil {
			s.Read().Hash()
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"n":3,"v":1,"t":5,"body":{"job":{"id":"j"},"stages":[{"name":"s","tasks":1}]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		env, err := state.Decode(data)
		if err != nil || env.Number.Level() > wire.FeatureLevel || !known(env.Number) || env.Version > 1 {
			return
		}
		var small wire.SubmitJob
		if json.Unmarshal(env.Body, &small) == nil {
			for _, s := range small.Stages {
				if s.Tasks > 100 {
					return // a leader expands no such thing, and memory is not what is tested
				}
			}
		}
		s := state.New()
		s.Apply(1, env)
		s.Read().Hash()
	})
}
