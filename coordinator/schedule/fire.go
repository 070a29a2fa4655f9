package schedule

import (
	"fmt"

	"cohort/coordinator/cron"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// firingLevel is the feature level that the commands of schedules came with.
const firingLevel = 2

// grace is how late a firing may be and still count as in time, milliseconds:
// as long as a cluster takes to find a leader, and much longer.
const grace = 60_000

// mostFirings bounds the firings that one command settles.
const mostFirings = 1000

// Due says what schedules and backfills have to do now, the leader's clock in
// Unix milliseconds: at most one command for each, since the next one depends on
// what that one changes. next is the earliest time at which there is more, or 0.
// Every command is such that the state it was made from accepts it.
func Due(v *state.View, now int64) (decisions []Decision, next int64) {
	if v.Level() < firingLevel {
		return nil, 0
	}
	wake := func(at int64) {
		if at > now && (next == 0 || at < next) {
			next = at
		}
	}
	for _, s := range v.Schedules(nil) {
		run := running(v, s)
		if d, ok := late(s, run, now, wake); ok {
			decisions = append(decisions, d)
		}
		if !s.Paused {
			wake(s.Next)
		}
		if d, ok := fire(s, run, now); ok {
			decisions = append(decisions, d)
		} else if d, ok := start(s, run); ok {
			decisions = append(decisions, d)
		}
	}
	return append(decisions, backfill(v)...), next
}

// running is the schedule's run that goes on, or nil.
func running(v *state.View, s *wire.Schedule) *wire.Job {
	j, ok := v.Job(nil, s.Run)
	if !ok || j.Status.Final() {
		return nil
	}
	return j
}

// late warns, once, of a run that should have ended.
func late(s *wire.Schedule, run *wire.Job, now int64, wake func(int64)) (Decision, bool) {
	if run == nil || run.Warning != "" {
		return Decision{}, false
	}
	by := s.When.Deadline(run.At)
	wake(by)
	if by == 0 || now < by {
		return Decision{}, false
	}
	text := fmt.Sprintf("goes on %s after the time that it is for (finish_by: %s)", s.When.FinishBy, s.When.FinishBy)
	return Decision{wire.CmdWarnJob, wire.WarnJob{Job: run.ID, Warning: text}}, true
}

// fire settles the firings that are due.
func fire(s *wire.Schedule, run *wire.Job, now int64) (Decision, bool) {
	if s.Paused || s.Next == 0 || s.Next > now {
		return Decision{}, false
	}
	line, err := s.When.Line()
	if err != nil {
		return Decision{}, false // a zone that only a newer binary knows: it stays due for one
	}
	due, most := []int64{s.Next}, mostFirings
	if s.When.Catchup == wire.CatchupAll {
		most = wire.KeepFirings - len(s.Waiting) // the others stay due until there is room
	}
	after := line.Next(s.Next)
	for ; after != 0 && after <= now && len(due) < most; after = line.Next(after) {
		due = append(due, after)
	}
	whole := after == 0 || after > now
	if most <= 0 {
		return Decision{}, false
	}
	c := wire.FireSchedule{Schedule: s.Name, At: s.Next, Next: after}
	inTime := whole && len(due) == 1 && now-s.Next <= grace
	switch {
	case inTime:
		c.Firings = overlap(s, run, due[0])
	case s.When.Catchup == wire.CatchupAll:
		for _, at := range due {
			c.Firings = append(c.Firings, wire.Firing{At: at, By: wire.ByCatchup, State: wire.FiringWaiting})
		}
	default:
		c.Firings = catchUp(s, run, due, whole, now)
	}
	return Decision{wire.CmdFireSchedule, c}, true
}

// catchUp passes over missed firings, all but the last one where the policy or
// the clock says so.
func catchUp(s *wire.Schedule, run *wire.Job, due []int64, whole bool, now int64) []wire.Firing {
	last := due[len(due)-1]
	missed := due
	keep := whole && (s.When.Catchup == wire.CatchupLast || now-last <= grace)
	if keep {
		missed = due[:len(due)-1]
	}
	var all []wire.Firing
	for k, at := range missed[max(0, len(missed)-wire.KeepFirings):] {
		f := wire.Firing{At: at, By: wire.ByCron, State: wire.FiringMissed, Reason: "nobody led at that time (catchup: " + s.When.Catchup + ")"}
		if more := len(missed) - wire.KeepFirings; k == 0 && more > 0 {
			f.Reason += fmt.Sprintf("; so were %d before it", more)
		}
		all = append(all, f)
	}
	switch {
	case keep && now-last <= grace:
		all = append(all, overlap(s, run, last)...)
	case keep:
		made := overlap(s, run, last)
		made[len(made)-1].By = wire.ByCatchup
		all = append(all, made...)
	}
	return all
}

// overlap says what becomes of a firing, and perhaps of one that waits, when the
// run before goes on.
func overlap(s *wire.Schedule, run *wire.Job, at int64) []wire.Firing {
	f := wire.Firing{At: at, By: wire.ByCron, State: wire.FiringWaiting}
	if run == nil && len(s.Waiting) == 0 {
		return []wire.Firing{f}
	}
	if kept(s) >= wire.KeepFirings { // caught up under an earlier policy
		f.State, f.Reason = wire.FiringSkipped, fmt.Sprintf("%d firings wait already", wire.KeepFirings)
		return []wire.Firing{f}
	}
	switch s.When.Overlap {
	case wire.OverlapQueue:
		var all []wire.Firing
		for _, w := range s.Waiting {
			if w.By == wire.ByCron {
				w.State, w.Reason = wire.FiringSkipped, "a newer firing took its place in the queue (overlap: queue)"
				all = append(all, w)
			}
		}
		return append(all, f)
	case wire.OverlapStop:
		return []wire.Firing{f}
	}
	f.State, f.Reason = wire.FiringSkipped, "runs before it wait (overlap: skip)"
	if run != nil {
		f.Reason = run.ID + " goes on (overlap: skip)"
	}
	return []wire.Firing{f}
}

// kept are the waiting firings that a new one does not take the place of.
func kept(s *wire.Schedule) int {
	n := 0
	for _, w := range s.Waiting {
		if w.By != wire.ByCron || s.When.Overlap != wire.OverlapQueue {
			n++
		}
	}
	return n
}

// start begins the first of the waiting firings, when it may.
func start(s *wire.Schedule, run *wire.Job) (Decision, bool) {
	if len(s.Waiting) == 0 {
		return Decision{}, false
	}
	f := s.Waiting[0]
	if s.Paused && f.By != wire.ByTrigger {
		return Decision{}, false
	}
	c := wire.StartRun{Schedule: s.Name, At: f.At, By: f.By}
	if run != nil {
		// What is caught up waits its turn; else all but the last would be stopped.
		if s.When.Overlap != wire.OverlapStop || f.By == wire.ByCatchup {
			return Decision{}, false
		}
		c.Stop = run.ID
	}
	var err error
	if c.Job, c.Stages, err = RunOf(s, f); err != nil {
		c.Error = err.Error()
	}
	return Decision{wire.CmdStartRun, c}, true
}

// RunOf is the job of a firing, named after its schedule and the time that it is
// for, so that nobody can make it twice.
func RunOf(s *wire.Schedule, f wire.Firing) (wire.Job, []wire.Stage, error) {
	mark := ""
	if f.By == wire.ByTrigger {
		mark = "t"
	}
	return expandAt(wire.Job{
		ID: s.Name + "-" + mark + cron.Stamp(f.At), Name: s.Name, Kind: s.Kind, Priority: s.Priority,
		Spec: s.Spec, SpecHash: s.SpecHash, At: f.At, Schedule: s.Name,
	}, false)
}

// expandAt makes the stages of a job that is for the time job.At.
func expandAt(j wire.Job, backfill bool) (wire.Job, []wire.Stage, error) {
	spec, err := wire.ParseSpec("job file", []byte(j.Spec))
	if err != nil {
		return j, nil, err
	}
	stages, err := Expand(spec, Run{At: j.At, Backfill: backfill})
	return j, stages, err
}
