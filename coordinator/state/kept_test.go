package state_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// chain is a pipeline's beginning: a file, checked against the last one accepted.
func chain(content, settings string) []wire.Stage {
	s := json.RawMessage(settings)
	return []wire.Stage{
		{
			Name: "extract", Kind: wire.StageExtract, Run: wire.Batch, Tasks: 1, Retries: 1, Version: 1,
			Inputs: map[string]string{"events": content}, Settings: json.RawMessage("{}"),
		},
		{
			Name: "validate", Kind: wire.StageValidate, Run: wire.Batch, Tasks: 1, Version: 1, Line: "validate/p", After: []string{"extract"},
			Inputs: map[string]string{"x": "extract/out", "reference": "^profile"}, Settings: s,
		},
		{
			Name: "features", Kind: wire.StageFeatures, Run: wire.Batch, Tasks: 1, Version: 1, Line: "features/p", After: []string{"validate"},
			Inputs: map[string]string{"x": "validate/out", "base": "~out"}, Settings: json.RawMessage("{}"),
		},
	}
}

// run carries out what a job has to do, each stage's output a function of its
// inputs; it answers the stages that were run, and what validate was compared with.
func (l *log) run(job string) (ran []string, reference string) {
	l.t.Helper()
	for l.job(job).Status != wire.Done {
		var next *wire.Stage
		for s := range l.s.Read().Ready(job) {
			next = s
			break
		}
		if next == nil {
			l.t.Fatalf("job %s stands still: %+v", job, l.job(job))
		}
		id := job + "/" + next.Name + "/0"
		token := l.place(false, on(id, "a"))
		in := l.s.Read().Assignments(nil, "a", "s-a")[0].Stage.Inputs
		if next.Name == "validate" {
			reference = in["reference"]
		}
		out := next.Name + "(" + in["events"] + in["x"] + in["reference"] + ")"
		l.must(wire.CmdTaskResult, wire.TaskResult{
			Task: id, Token: token, Outputs: map[string]string{"out": out, "profile": "profile of " + in["x"]}, Result: json.RawMessage(`{"n":1}`),
		})
		ran = append(ran, next.Name)
	}
	return ran, reference
}

func TestWhatHasNotChangedIsNotRunAgain(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	for k, c := range []struct {
		content, settings string
		ran               string
		reference         string
	}{
		{"one", "{}", "extract validate features", ""},
		{"one", "{}", "", ""},                                                 // all is there
		{"two", "{}", "extract validate features", "profile of extract(one)"}, // compared with the last accepted
		{"two", "{}", "", ""},                                                 // not with itself
		{"two", `{"x":1}`, "validate features", "profile of extract(two)"},
		{"one", "{}", "validate features", "profile of extract(two)"}, // extracted already; compared anew
	} {
		job := fmt.Sprint("j", k)
		stages := chain(c.content, c.settings)
		planned := state.Planned(l.s.Read(), "p", stages)
		l.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: job, Name: "p"}, Stages: stages})
		ran, reference := l.run(job)
		if got := strings.Join(ran, " "); got != c.ran || reference != c.reference {
			t.Errorf("run %d: %q ran, compared with %q; want %q and %q", k, got, reference, c.ran, c.reference)
		}
		for _, p := range planned {
			if want := strings.Contains(c.ran, p.Name); (p.Action == wire.ActionRun) != want || p.Why == "" {
				t.Errorf("run %d, stage %s: planned %s because %q, want run: %v", k, p.Name, p.Action, p.Why, want)
			}
		}
		if s, _ := l.s.Read().Stage(nil, job, "extract"); c.ran == "" && (s.Reused == "" || string(s.Result) != `{"n":1}`) {
			t.Errorf("run %d: %+v", k, s)
		}
	}
	l.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: "fresh", Name: "p"}, Stages: fresh(chain("two", "{}"))})
	if ran, _ := l.run("fresh"); len(ran) != 3 {
		t.Errorf("asked to run everything, only %v ran", ran)
	}
}

func fresh(stages []wire.Stage) []wire.Stage {
	for k := range stages {
		stages[k].Fresh = true
	}
	return stages
}

func TestAPlanSaysWhyAStageRuns(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	l.must(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: "j", Name: "p"}, Stages: chain("one", `{"a":{"b":1},"c":2}`)})
	l.run("j")
	stages := chain("one", `{"a":{"b":2},"d":2}`)
	stages[0].Version = 2
	var why []string
	for _, p := range state.Planned(l.s.Read(), "p", stages) {
		why = append(why, p.Why)
	}
	want := []string{
		"stages of kind extract have become version 2, in j it was 1", "stage extract runs before it", "stage validate runs before it",
	}
	if d := cmp.Diff(want, why); d != "" {
		t.Error(d)
	}
	stages[0].Version = 1
	planned := state.Planned(l.s.Read(), "p", stages)
	if got := planned[1].Why; planned[0].Action != wire.ActionReuse || got != "input reference, a.b, c, d changed since j" {
		t.Errorf("%s, %q", planned[0].Action, got)
	}
}

// source is a stage that asks a source.
func sourced() wire.Stage {
	return wire.Stage{
		Name: "extract", Kind: wire.StageExtract, Run: wire.Batch, Tasks: 1, Retries: 1, Version: 1, Line: "extract/p",
		Inputs: map[string]string{"base": "~extraction"}, Settings: json.RawMessage("{}"),
	}
}

func TestTheFirstPlanStands(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	l.submit("one", sourced())
	old := l.place(false, on("one/extract/0", "a"))
	if out := l.must(wire.CmdPutPlan, wire.PutPlan{Task: "one/extract/0", Token: old, Plan: "P"}); out.ID != "P" || out.Reused {
		t.Errorf("%+v", out)
	}
	l.must(wire.CmdReleaseTasks, wire.ReleaseTasks{Tasks: []wire.TokenOf{{Task: "one/extract/0", Token: old}}, Cause: wire.CauseLease})
	token := l.place(false, on("one/extract/0", "a"))
	if out := l.apply(wire.CmdPutPlan, wire.PutPlan{Task: "one/extract/0", Token: old, Plan: "Q"}); out.Code != wire.CodeConflict {
		t.Errorf("a lost attempt put a plan: %+v", out)
	}
	if out := l.must(wire.CmdPutPlan, wire.PutPlan{Task: "one/extract/0", Token: token, Plan: "Q"}); out.ID != "P" {
		t.Errorf("a second plan: %+v", out)
	}
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "one/extract/0", Token: token, Outputs: map[string]string{"extraction": "E"}})

	// The next run is told what to go on from. With the same plan there is nothing new.
	l.submit("two", sourced())
	token = l.place(false, on("two/extract/0", "a"))
	as := l.s.Read().Assignments(nil, "a", "s-a")[0]
	if as.Last != "P" || as.Stage.Inputs["base"] != "E" {
		t.Errorf("goes on from %q, %v", as.Last, as.Stage.Inputs)
	}
	if out := l.must(wire.CmdPutPlan, wire.PutPlan{Task: "two/extract/0", Token: token, Plan: "P"}); !out.Reused {
		t.Errorf("%+v", out)
	}
	s, _ := l.s.Read().Stage(nil, "two", "extract")
	if l.job("two").Status != wire.Done || s.Reused != "one/extract" || s.Outputs["extraction"] != "E" {
		t.Errorf("%+v", s)
	}
	if n := len(l.s.Read().TasksOf(nil, "a")); n != 0 {
		t.Errorf("%d tasks still run", n)
	}
}

func TestARetryRunsAStageAndWhatWaitsForIt(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	l.submit("j", batch("one"), batch("two", "one"), batch("side"), batch("three", "two"))
	if out := l.apply(wire.CmdRetryJob, wire.RetryJob{Job: "j"}); out.Code != wire.CodeConflict {
		t.Errorf("a job under way was retried: %+v", out)
	}
	l.run("j")
	for from, want := range map[string]string{"two": "two three", "three": "three", "one": "one two three", "side": "side"} {
		l.must(wire.CmdRetryJob, wire.RetryJob{Job: "j", From: from})
		if j := l.job("j"); j.Status.Final() || j.Ended != 0 {
			t.Errorf("%+v", j)
		}
		if ran, _ := l.run("j"); strings.Join(ran, " ") != want {
			t.Errorf("from %s ran %v, want %s", from, ran, want)
		}
	}
	if out := l.apply(wire.CmdRetryJob, wire.RetryJob{Job: "j"}); out.Code != wire.CodeConflict {
		t.Errorf("a done job without a stage: %+v", out)
	}
	if out := l.apply(wire.CmdRetryJob, wire.RetryJob{Job: "j", From: "tow"}); out.Code != wire.CodeNotFound {
		t.Errorf("%+v", out)
	}
}

func TestAFailedJobGoesOnWhereItFailed(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 1)
	l.submit("j", batch("one"), batch("two", "one"), batch("three", "two"))
	token := l.place(false, on("j/one/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/one/0", Token: token})
	token = l.place(false, on("j/two/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/two/0", Token: token, Error: "broken", Cause: wire.CauseFatal})
	if l.job("j").Status != wire.Failed {
		t.Fatal("not failed")
	}
	l.must(wire.CmdRetryJob, wire.RetryJob{Job: "j"})
	if k := l.task("j/two/0"); k.Failures != 0 || k.Error != "" {
		t.Errorf("%+v", k)
	}
	if ran, _ := l.run("j"); strings.Join(ran, " ") != "two three" {
		t.Errorf("ran %v", ran)
	}
}

// A wide graph joined by one stage, and a deep one: what a result costs does not
// grow with the graph.
func BenchmarkTransitions(b *testing.B) {
	wide := []wire.Stage{}
	var all []string
	for k := range 5000 {
		wide = append(wide, batch(fmt.Sprint("w", k)))
		all = append(all, fmt.Sprint("w", k))
	}
	wide = append(wide, batch("join", all...))
	deep := []wire.Stage{batch("d0")}
	for k := 1; k < 5000; k++ {
		deep = append(deep, batch(fmt.Sprint("d", k), fmt.Sprint("d", k-1)))
	}
	for name, stages := range map[string][]wire.Stage{"wide": wide, "deep": deep} {
		b.Run(name, func(b *testing.B) {
			n := 0
			for b.Loop() {
				l := newLog(b)
				l.node("a", "s-a", 1)
				l.submit("j", stages...)
				ran, _ := l.run("j")
				n += len(ran)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "stages/s")
		})
	}
}
