package state_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func fan(name string, after ...string) wire.Stage {
	s := batch(name, after...)
	s.Fan, s.Version = true, 1
	return s
}

func partOf(whole, name string, after ...string) wire.Stage {
	s := batch(name, after...)
	s.Of, s.Version, s.Settings = whole, 1, json.RawMessage(`{"name":"`+name+`"}`)
	return s
}

// study is a job with a fan between two stages, its first one done.
func study(t *testing.T) *log {
	l := newLog(t)
	l.node("a", "s-a", 9)
	first := batch("first")
	first.Version = 1
	l.submit("j", first, fan("fan", "first"), batch("last", "fan"))
	l.end("j/first/0", "")
	return l
}

// end places a task and ends it: with outputs, or for good with an error.
func (l *log) end(task, fault string) {
	l.t.Helper()
	r := wire.TaskResult{Task: task, Token: l.place(false, on(task, "a")), Outputs: map[string]string{"out": "blob of " + task}}
	if fault != "" {
		r.Error, r.Cause, r.Outputs = fault, wire.CauseFatal, nil
	}
	l.must(wire.CmdTaskResult, r)
}

func (l *log) add(stages ...wire.Stage) {
	l.t.Helper()
	l.must(wire.CmdAddStages, wire.AddStages{Job: "j", Stages: stages})
}

func (l *log) stage(name string) wire.Stage {
	l.t.Helper()
	s, ok := l.s.Read().Stage(nil, "j", name)
	if !ok {
		l.t.Fatalf("no stage %s", name)
	}
	return *s
}

// restored checks that the state is the same after a snapshot, which all later
// commands then work on.
func (l *log) restored() {
	l.t.Helper()
	var snap bytes.Buffer
	if _, err := l.s.Read().WriteTo(&snap); err != nil {
		l.t.Fatal(err)
	}
	was := l.s.Read().Hash()
	l.s = state.New()
	if err := l.s.Restore(&snap); err != nil {
		l.t.Fatal(err)
	}
	if l.s.Read().Hash() != was {
		l.t.Fatal("the restored state is another")
	}
}

func (l *log) refusedFor(n wire.Number, body any, part string) {
	l.t.Helper()
	if out := l.apply(n, body); out.Code == wire.OK || !strings.Contains(out.Error, part) {
		l.t.Errorf("command %d: %+v, want a refusal that says %q", n, out, part)
	}
}

func TestAFanWaitsForItsPartsAndTakesTheirResults(t *testing.T) {
	l := study(t)
	l.restored()
	free := wire.Assign{Placements: []wire.Placement{on("j/fan/0", "a")}}
	l.refusedFor(wire.CmdAssign, free, "can't start")
	l.add(partOf("fan", "fan.0", "first"), partOf("fan", "fan.1", "first"))
	l.add(partOf("fan", "fan.1", "first"))
	l.end("j/fan.0/0", "")
	closing := wire.CloseFan{Job: "j", Stage: "fan", Inputs: map[string]string{"fan.0": "fan.0/out"}}
	l.refusedFor(wire.CmdCloseFan, closing, "fan.1, a part of fan, is pending")
	l.end("j/fan.1/0", "diverged")
	if s := l.stage("fan.1"); s.Status != wire.Failed || l.job("j").Status != wire.Running {
		t.Errorf("the part is %s, the job %s: %s", s.Status, l.job("j").Status, l.job("j").Reason)
	}
	l.refusedFor(wire.CmdCloseFan, wire.CloseFan{Job: "j", Stage: "fan", Inputs: map[string]string{"x": "fan.1/out"}}, "no stage that is done")
	l.refusedFor(wire.CmdCloseFan, wire.CloseFan{Job: "j", Stage: "last"}, "no fan")
	l.refusedFor(wire.CmdCloseFan, wire.CloseFan{Job: "j", Stage: "nowhere"}, "no stage nowhere")
	l.restored()
	if n := len(l.s.Read().Fans("j")); n != 1 {
		t.Errorf("%d fans are open", n)
	}
	if waiting := l.s.Read().Waiting("j"); len(waiting) != 0 {
		t.Errorf("an open fan waits for a worker: %+v", waiting)
	}
	l.must(wire.CmdCloseFan, closing)
	if waiting := l.s.Read().Waiting("j"); len(waiting) != 1 || waiting[0].Name != "fan" {
		t.Errorf("the closed fan does not wait for a worker: %+v", waiting)
	}
	was := l.stage("fan")
	l.must(wire.CmdCloseFan, wire.CloseFan{Job: "j", Stage: "fan"})
	if d := cmp.Diff(was, l.stage("fan")); d != "" || len(l.s.Read().Fans("j")) != 0 {
		t.Errorf("closed twice: %s", d)
	}
	l.refusedFor(wire.CmdAddStages, wire.AddStages{Job: "j", Stages: []wire.Stage{partOf("fan", "fan.2")}}, "closed")
	if d := cmp.Diff(map[string]string{"fan.0": "blob of j/fan.0/0"}, was.Resolved); d != "" || was.Key == "" {
		t.Errorf("key %q, inputs %s", was.Key, d)
	}
	l.restored()
	l.end("j/fan/0", "")
	l.end("j/last/0", "")
	if j := l.job("j"); j.Status != wire.Done {
		t.Errorf("the job is %s: %s", j.Status, j.Reason)
	}
	l.refusedFor(wire.CmdCloseFan, closing, "done")
}

func (l *log) names() []string {
	var names []string
	for _, s := range l.s.Read().Stages(nil, "j") {
		names = append(names, s.Name+" "+string(s.Status))
	}
	return names
}

func TestAStudyThatWasStoppedGoesOnWhereItWas(t *testing.T) {
	l := study(t)
	l.add(partOf("fan", "fan.0", "first"), partOf("fan", "fan.1", "first"), partOf("fan", "fan.2", "first"))
	l.end("j/fan.0/0", "")
	l.end("j/fan.1/0", "diverged")
	l.place(false, on("j/fan.2/0", "a"))
	l.must(wire.CmdStopJob, wire.StopJob{Job: "j"})
	l.refusedFor(wire.CmdRetryJob, wire.RetryJob{Job: "j", From: "fan.1"}, "run that again")
	l.must(wire.CmdRetryJob, wire.RetryJob{Job: "j"})
	l.restored()
	want := []string{"first done", "fan pending", "last pending", "fan.0 done", "fan.1 failed", "fan.2 pending"}
	if d := cmp.Diff(want, l.names()); d != "" {
		t.Error(d)
	}
	l.end("j/fan.2/0", "")
	l.must(wire.CmdCloseFan, wire.CloseFan{Job: "j", Stage: "fan", Inputs: map[string]string{"fan.0": "fan.0/out", "fan.2": "fan.2/out"}})
	l.end("j/fan/0", "every trial is worse than the mean")
	if j := l.job("j"); j.Status != wire.Failed || !strings.Contains(j.Reason, "stage fan failed") {
		t.Errorf("a fan's own failure leaves the job %s: %s", j.Status, j.Reason)
	}
	l.must(wire.CmdRetryJob, wire.RetryJob{Job: "j"})
	if s := l.stage("fan"); s.Closed || len(s.Inputs) != 0 || len(l.s.Read().Fans("j")) != 1 {
		t.Errorf("the fan is not open again: %+v", s)
	}
	l.refusedFor(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{on("j/fan/0", "a")}}, "can't start")
}

func TestAStudyThatIsAskedForAgainTakesWhatItsTrialsCameTo(t *testing.T) {
	l := study(t)
	l.add(partOf("fan", "fan.0", "first"), partOf("fan", "fan.1", "first"))
	l.end("j/fan.0/0", "")
	l.end("j/fan.1/0", "diverged")
	closing := wire.CloseFan{Job: "j", Stage: "fan", Inputs: map[string]string{"fan.0": "fan.0/out"}}
	l.must(wire.CmdCloseFan, closing)
	l.end("j/fan/0", "")
	l.end("j/last/0", "")
	for _, from := range []string{"first", "fan"} {
		l.must(wire.CmdRetryJob, wire.RetryJob{Job: "j", From: from})
		l.restored()
		if from == "first" {
			l.end("j/first/0", "")
		}
		if names := l.names(); slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, "fan.") }) {
			t.Errorf("from %s: %v", from, names)
		}
		if _, ok := l.s.Read().Task(nil, "j/fan.0/0"); ok {
			t.Error("a task of a part that is gone is left")
		}
		l.add(partOf("fan", "fan.0", "first"), partOf("fan", "fan.1", "first"))
		if s := l.stage("fan.0"); s.Status != wire.Done || s.Reused != "j/fan.0" {
			t.Errorf("from %s: fan.0 is %s, reused %q", from, s.Status, s.Reused)
		}
		l.end("j/fan.1/0", "diverged")
		l.must(wire.CmdCloseFan, closing)
		if from == "fan" {
			l.end("j/fan/0", "")
		}
		if s := l.stage("fan"); s.Status != wire.Done {
			t.Errorf("from %s: the fan is %s, reused %q", from, s.Status, s.Reused)
		}
		l.end("j/last/0", "")
	}
}

func TestPartsAreCountedWithTheirWhole(t *testing.T) {
	l := study(t)
	l.add(partOf("fan", "fan.0", "first"), partOf("fan", "fan.1", "first"), partOf("fan", "fan.2", "first"))
	token := l.place(false, on("j/fan.0/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/fan.0/0", Token: token, Result: json.RawMessage(`{"value":0.7,"valid":{}}`)})
	l.add(partOf("fan", "fan.0.1", "fan.0"))
	l.place(false, on("j/fan.1/0", "a"))
	j := l.job("j")
	view := state.JobView(l.s.Read(), nil, &j, 200)
	if len(view.Stages) != 3 || view.LeftOut != 0 || len(view.Result) != 0 {
		t.Errorf("%d stages, %d left out, result %v", len(view.Stages), view.LeftOut, view.Result)
	}
	s := view.Stages[1]
	if d := cmp.Diff(map[wire.Status]int{wire.Pending: 2, wire.Running: 1}, s.Parts); d != "" || s.Status != wire.Running || *s.Best != 0.7 {
		t.Errorf("%s %v: %s", s.Status, *s.Best, d)
	}
	if all := state.JobView(l.s.Read(), nil, &j, state.AllStages); len(all.Stages) != 7 || all.Stages[1].Parts != nil {
		t.Errorf("%d stages of all", len(all.Stages))
	}
}
