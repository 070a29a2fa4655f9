package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
)

// known reports whether a number is of a command, as the fuzz of commands must know.
func known(n wire.Number) bool {
	return n >= 1 && n <= wire.CmdRetryJob || n >= wire.CmdPutSchedule && n <= wire.CmdCloseFan ||
		n >= wire.CmdPutKey && n <= wire.CmdDeleteVersion ||
		n >= wire.CmdTaskReady && n <= wire.CmdSealAttempts || n >= wire.CmdPutAlerts && n <= wire.CmdPutSilence
}

// scheduleBodies are commands of schedules that often fit together.
func scheduleBodies(t *rapid.T, k int) map[wire.Number]any {
	at := int64(rapid.IntRange(1, 6).Draw(t, "at"))
	by := rapid.SampledFrom([]string{wire.ByCron, wire.ByTrigger}).Draw(t, "by")
	job := wire.Job{ID: fmt.Sprint("s-", by, at), Name: "s", At: at, Schedule: "s"}
	stages := []wire.Stage{batch("one"), batch("two", rapid.SampledFrom([]string{"one", "nowhere"}).Draw(t, "after"))}
	overlap := rapid.SampledFrom([]string{"skip", "queue", "stop"}).Draw(t, "overlap")
	var states []wire.Firing
	for _, s := range []wire.FiringState{wire.FiringWaiting, wire.FiringSkipped, wire.FiringMissed}[:rapid.IntRange(0, 3).Draw(t, "firings")] {
		states = append(states, wire.Firing{At: at, By: by, State: s})
	}
	return map[wire.Number]any{
		wire.CmdPutSchedule: wire.PutSchedule{Schedule: wire.Schedule{
			Name: "s", Next: at, When: wire.ScheduleSpec{Cron: fmt.Sprint(k % 2), Overlap: overlap},
		}},
		wire.CmdSetSchedule:     wire.SetSchedule{Name: "s", Paused: k%3 == 0, Next: at},
		wire.CmdFireSchedule:    wire.FireSchedule{Schedule: "s", At: at, Next: at + 1, Firings: states},
		wire.CmdStartRun:        wire.StartRun{Schedule: "s", At: at, By: by, Job: job, Stages: stages},
		wire.CmdTriggerSchedule: wire.TriggerSchedule{Schedule: "s", At: at, Job: job, Stages: stages},
		wire.CmdDeleteSchedule:  wire.DeleteSchedule{Name: "s", CheckIndex: uint64(k % 7)},
		wire.CmdPutBackfill:     wire.PutBackfill{Backfill: wire.Backfill{Schedule: "s", Total: 3, Next: at, Parallel: 1 + k%2, StopOnFailure: k%2 == 0}},
		wire.CmdStopBackfill:    wire.StopBackfill{ID: "s-b1"},
		wire.CmdStepBackfill:    wire.StepBackfill{ID: "s-b1", At: at, Next: (at + 1) % 7, Job: job, Stages: stages},
		wire.CmdWarnJob:         wire.WarnJob{Job: job.ID, Warning: by},
	}
}

func weekly(next int64) wire.PutSchedule {
	return wire.PutSchedule{Schedule: wire.Schedule{Name: "s", Spec: "v1", Next: next, When: wire.ScheduleSpec{Cron: "0 3 * * 1", Zone: "UTC"}.Filled()}}
}

func (l *log) schedule() wire.Schedule {
	l.t.Helper()
	s, ok := l.s.Read().Schedule(nil, "s")
	if !ok {
		l.t.Fatal("no schedule s")
	}
	return *s
}

func (l *log) refused(code wire.Code, n wire.Number, body any) {
	l.t.Helper()
	before := l.s.Read()
	out := l.apply(n, body)
	if out.Code != code || out.Error == "" || strings.Contains(out.Error, "\n") {
		l.t.Errorf("command %d: %+v, want %q", n, out, code)
	}
	if d := cmp.Diff(before.Schedules(nil), l.s.Read().Schedules(nil)); d != "" {
		l.t.Errorf("a refused command changed: %s", d)
	}
}

func start(at int64) wire.StartRun {
	return wire.StartRun{Schedule: "s", At: at, By: wire.ByCron, Job: wire.Job{ID: fmt.Sprint("s-", at), At: at, Schedule: "s"}, Stages: []wire.Stage{batch("one")}}
}

func fire(at, next int64) wire.FireSchedule {
	return wire.FireSchedule{Schedule: "s", At: at, Next: next, Firings: []wire.Firing{{At: at, By: wire.ByCron, State: wire.FiringWaiting}}}
}

func TestAFiringIsSettledAndStartedOnce(t *testing.T) {
	l := newLog(t)
	l.refused(wire.CodeNotFound, wire.CmdFireSchedule, fire(100, 200))
	l.must(wire.CmdPutSchedule, weekly(100))
	l.refused(wire.CodeConflict, wire.CmdStartRun, start(100))
	l.refused(wire.CodeConflict, wire.CmdFireSchedule, fire(200, 300))
	l.refused(wire.CodeInvalid, wire.CmdFireSchedule, fire(100, 100))
	l.must(wire.CmdFireSchedule, fire(100, 200))
	l.refused(wire.CodeConflict, wire.CmdFireSchedule, fire(100, 200))
	other := start(100)
	other.By = wire.ByTrigger
	l.refused(wire.CodeConflict, wire.CmdStartRun, other)
	if out := l.must(wire.CmdStartRun, start(100)); out.ID != "s-100" {
		t.Errorf("got %+v", out)
	}
	l.refused(wire.CodeConflict, wire.CmdStartRun, start(100))
	l.must(wire.CmdFireSchedule, fire(200, 300))
	l.refused(wire.CodeConflict, wire.CmdStartRun, start(200))
	stop := start(200)
	stop.Stop = "s-100"
	l.must(wire.CmdStartRun, stop)
	if j := l.job("s-100"); j.Status != wire.Stopped || !strings.Contains(j.Reason, "s-200 begins") {
		t.Errorf("the run before: %+v", j)
	}
	s := l.schedule()
	if s.Last != 200 || s.Next != 300 || s.Run != "s-200" || len(s.Waiting) != 0 || len(s.Runs) != 2 || s.Runs[1].Job != "s-200" {
		t.Errorf("got %+v", s)
	}
}

func TestAGraphThatIsRefusedIsAJobThatFailed(t *testing.T) {
	l := newLog(t)
	l.must(wire.CmdPutSchedule, weekly(100))
	l.must(wire.CmdFireSchedule, fire(100, 200))
	c := start(100)
	c.Stages = append(c.Stages, batch("two", "nowhere"))
	l.must(wire.CmdStartRun, c)
	if j := l.job("s-100"); j.Status != wire.Failed || !strings.Contains(j.Reason, "nowhere") {
		t.Errorf("got %+v", j)
	}
	l.must(wire.CmdFireSchedule, fire(200, 300))
	c = start(200)
	c.Stages = nil
	l.must(wire.CmdStartRun, c)
	if f := l.schedule().Runs[1]; f.State != wire.FiringSkipped || !strings.Contains(f.Reason, "a stage") || l.schedule().Run != "s-100" {
		t.Errorf("got %+v", f)
	}
}

func TestASecondPutKeepsWhatHasRun(t *testing.T) {
	l := newLog(t)
	stale := weekly(100)
	stale.CheckIndex = 7
	l.refused(wire.CodeNotFound, wire.CmdPutSchedule, stale)
	l.must(wire.CmdPutSchedule, weekly(100))
	l.must(wire.CmdFireSchedule, fire(100, 200))
	l.must(wire.CmdStartRun, start(100))
	l.refused(wire.CodeConflict, wire.CmdPutSchedule, stale)
	again := weekly(555)
	again.CheckIndex, again.Schedule.Spec = l.schedule().ModifyIndex, "v2"
	l.must(wire.CmdPutSchedule, again)
	s := l.schedule()
	if s.Spec != "v2" || s.Next != 200 || s.Run != "s-100" || len(s.Runs) != 1 || s.CreateIndex == s.ModifyIndex {
		t.Errorf("with the same line: %+v", s)
	}
	again.CheckIndex, again.Schedule.When.Cron = 0, "@daily"
	l.must(wire.CmdPutSchedule, again)
	if s := l.schedule(); s.Next != 555 {
		t.Errorf("with another line: next is %d", s.Next)
	}
	l.must(wire.CmdSetSchedule, wire.SetSchedule{Name: "s", Paused: true})
	again.Schedule.When.Cron = "@weekly"
	l.must(wire.CmdPutSchedule, again)
	if s := l.schedule(); !s.Paused || s.Next != 0 {
		t.Errorf("paused: %+v", s)
	}
	l.refused(wire.CodeConflict, wire.CmdSetSchedule, wire.SetSchedule{Name: "s", Paused: true})
	l.refused(wire.CodeConflict, wire.CmdSetSchedule, wire.SetSchedule{Name: "s", CheckIndex: 1})
	l.refused(wire.CodeInvalid, wire.CmdPutSchedule, wire.PutSchedule{Schedule: wire.Schedule{Name: "s"}})
}

func trigger(at int64) wire.TriggerSchedule {
	return wire.TriggerSchedule{Schedule: "s", At: at, Job: wire.Job{ID: fmt.Sprint("s-t", at), At: at, Schedule: "s"}, Stages: []wire.Stage{batch("one")}}
}

func TestATriggerKeepsToTheOverlapPolicy(t *testing.T) {
	for _, overlap := range []string{"skip", "queue", "stop"} {
		l := newLog(t)
		p := weekly(100)
		p.Schedule.When.Overlap = overlap
		l.must(wire.CmdPutSchedule, p)
		l.must(wire.CmdTriggerSchedule, trigger(5))
		l.refused(wire.CodeConflict, wire.CmdTriggerSchedule, trigger(5))
		switch overlap {
		case "skip":
			l.refused(wire.CodeConflict, wire.CmdTriggerSchedule, trigger(6))
		case "queue":
			l.must(wire.CmdTriggerSchedule, trigger(6))
			l.refused(wire.CodeConflict, wire.CmdTriggerSchedule, trigger(7))
			if s := l.schedule(); len(s.Waiting) != 1 || s.Run != "s-t5" {
				t.Errorf("got %+v", s)
			}
		case "stop":
			l.must(wire.CmdTriggerSchedule, trigger(6))
			if l.job("s-t5").Status != wire.Stopped || l.schedule().Run != "s-t6" {
				t.Errorf("got %+v", l.schedule())
			}
		}
	}
}

func TestADeletedScheduleTakesItsBackfillsAlong(t *testing.T) {
	l := newLog(t)
	l.must(wire.CmdPutSchedule, weekly(100))
	other := weekly(100)
	other.Schedule.Name = "s2"
	l.must(wire.CmdPutSchedule, other)
	for _, name := range []string{"s", "s2", "s"} {
		l.must(wire.CmdPutBackfill, wire.PutBackfill{Backfill: wire.Backfill{Schedule: name, Total: 1, Next: 5, Parallel: 1}})
	}
	if n := len(l.s.Read().Backfills(nil, "s")); n != 2 {
		t.Errorf("%d backfills of s, want 2", n)
	}
	l.must(wire.CmdTriggerSchedule, trigger(5))
	l.refused(wire.CodeConflict, wire.CmdDeleteSchedule, wire.DeleteSchedule{Name: "s", CheckIndex: 1})
	l.must(wire.CmdDeleteSchedule, wire.DeleteSchedule{Name: "s"})
	v := l.s.Read()
	if len(v.Schedules(nil)) != 1 || len(v.OpenBackfills()) != 1 || l.job("s-t5").Status.Final() {
		t.Error("too much or too little is gone")
	}
	l.refused(wire.CodeNotFound, wire.CmdDeleteSchedule, wire.DeleteSchedule{Name: "s"})
	l.refused(wire.CodeNotFound, wire.CmdPutBackfill, wire.PutBackfill{Backfill: wire.Backfill{Schedule: "s", Total: 1, Next: 5, Parallel: 1}})
}

func step(at, next int64) wire.StepBackfill {
	c := wire.StepBackfill{ID: "s-b1", At: at, Next: next, Job: wire.Job{ID: fmt.Sprint("s-b1-", at)}, Stages: []wire.Stage{batch("one")}}
	return c
}

func TestABackfillTakesEachTimeOnce(t *testing.T) {
	l := newLog(t)
	l.must(wire.CmdPutSchedule, weekly(100))
	l.refused(wire.CodeInvalid, wire.CmdPutBackfill, wire.PutBackfill{Backfill: wire.Backfill{Schedule: "s", Total: 1, Next: 5}})
	l.must(wire.CmdPutBackfill, wire.PutBackfill{Backfill: wire.Backfill{Schedule: "s", Total: 3, Next: 5, Parallel: 2}})
	l.must(wire.CmdStepBackfill, step(5, 6))
	l.refused(wire.CodeConflict, wire.CmdStepBackfill, step(5, 6))
	l.refused(wire.CodeConflict, wire.CmdStepBackfill, step(7, 0))
	l.must(wire.CmdStepBackfill, step(6, 7))
	l.refused(wire.CodeConflict, wire.CmdStepBackfill, step(7, 0)) // two run
	l.refused(wire.CodeConflict, wire.CmdStepBackfill, wire.StepBackfill{ID: "s-b1"})
	l.must(wire.CmdStopJob, wire.StopJob{Job: "s-b1-5"})
	bad := step(7, 0)
	bad.Error = "the file is bad"
	l.must(wire.CmdStepBackfill, bad)
	l.must(wire.CmdStopJob, wire.StopJob{Job: "s-b1-6"})
	l.must(wire.CmdStepBackfill, wire.StepBackfill{ID: "s-b1"})
	b, _ := l.s.Read().Backfill(nil, "s-b1")
	if b.Status != wire.Failed || b.Failed != 3 || b.Started != 3 || b.Reason != "3 of 3 runs failed" {
		t.Errorf("got %+v", b)
	}
	l.refused(wire.CodeConflict, wire.CmdStepBackfill, step(7, 0))
	l.refused(wire.CodeConflict, wire.CmdStopBackfill, wire.StopBackfill{ID: "s-b1"})
	l.refused(wire.CodeNotFound, wire.CmdStopBackfill, wire.StopBackfill{ID: "s-b2"})
}

func TestARecordIsNeverChangedInPlace(t *testing.T) {
	l := newLog(t)
	l.must(wire.CmdPutSchedule, weekly(100))
	l.must(wire.CmdFireSchedule, fire(100, 200))
	l.must(wire.CmdStartRun, start(100))
	l.must(wire.CmdFireSchedule, fire(200, 300))
	old := l.s.Read()
	before := old.Hash()
	stop := start(200)
	stop.Stop = "s-100"
	l.must(wire.CmdStartRun, stop)
	l.must(wire.CmdFireSchedule, fire(300, 400))
	l.must(wire.CmdWarnJob, wire.WarnJob{Job: "s-200", Warning: "late"})
	l.refused(wire.CodeConflict, wire.CmdWarnJob, wire.WarnJob{Job: "s-200", Warning: "late"})
	l.refused(wire.CodeConflict, wire.CmdWarnJob, wire.WarnJob{Job: "s-100", Warning: "late"})
	if old.Hash() != before {
		t.Error("an older view has changed")
	}
}
