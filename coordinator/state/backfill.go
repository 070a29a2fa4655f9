package state

import (
	"fmt"
	"slices"

	"cohort/coordinator/wire"
)

func (t *tx) backfill(id string) *wire.Backfill {
	return first[wire.Backfill](t.Txn, tableBackfills, "id", id)
}

func (t *tx) setBackfill(b wire.Backfill, change func(*wire.Backfill)) {
	change(&b)
	b.ModifyIndex = t.index
	t.put(tableBackfills, &b)
}

func (t *tx) putBackfill(c wire.PutBackfill) (string, *wire.Error) {
	b := c.Backfill
	s, err := t.known(b.Schedule, 0)
	if err != nil {
		return "", err
	}
	if b.Total < 1 || b.Next == 0 || b.Parallel < 1 {
		return "", refuse(wire.CodeInvalid, "a backfill needs a firing and at least one run at a time")
	}
	b.ID = fmt.Sprintf("%s-b%d", s.Name, s.Made+1)
	b.Active, b.Started, b.Done, b.Failed = nil, 0, 0, 0
	b.Status, b.Reason, b.Created, b.Ended = wire.Running, "", t.now, 0
	b.CreateIndex, b.ModifyIndex = t.index, t.index
	t.put(tableBackfills, &b)
	t.setSchedule(*s, func(s *wire.Schedule) { s.Made++ })
	return b.ID, nil
}

func (t *tx) stopBackfill(c wire.StopBackfill) (string, *wire.Error) {
	b := t.backfill(c.ID)
	switch {
	case b == nil:
		return "", refuse(wire.CodeNotFound, "no backfill %s", c.ID)
	case b.Status.Final():
		return "", refuse(wire.CodeConflict, "backfill %s is %s already", b.ID, b.Status)
	case c.CheckIndex != 0 && c.CheckIndex != b.ModifyIndex:
		return "", refuse(wire.CodeConflict, "backfill %s has changed: its index is %d, not %d", b.ID, b.ModifyIndex, c.CheckIndex)
	}
	reason := c.Reason
	if reason == "" {
		reason = "stopped by hand"
	}
	for _, id := range b.Active {
		if j := t.job(id); j != nil && !j.Status.Final() {
			t.end(j, wire.Stopped, "backfill "+b.ID+" was stopped: "+reason)
		}
	}
	t.setBackfill(*b, func(b *wire.Backfill) {
		t.reap(b)
		b.Status, b.Reason, b.Ended = wire.Stopped, reason, t.now
	})
	return b.ID, nil
}

// reap counts the runs that have ended.
func (t *tx) reap(b *wire.Backfill) {
	b.Active = slices.DeleteFunc(slices.Clone(b.Active), func(id string) bool {
		j := t.job(id)
		switch {
		case j != nil && !j.Status.Final():
			return false
		case j != nil && j.Status == wire.Done:
			b.Done++
		default:
			b.Failed++
		}
		return true
	})
}

func (t *tx) stepBackfill(c wire.StepBackfill) (string, *wire.Error) {
	old := t.backfill(c.ID)
	if old == nil {
		return "", refuse(wire.CodeNotFound, "no backfill %s", c.ID)
	}
	if old.Status.Final() {
		return "", refuse(wire.CodeConflict, "backfill %s is %s", old.ID, old.Status)
	}
	b := *old
	t.reap(&b)
	if c.At != 0 && !Halted(&b) {
		if b.Next != c.At || len(b.Active) >= b.Parallel {
			return "", refuse(wire.CodeConflict, "backfill %s: the run for %d can't start", b.ID, c.At)
		}
		t.stepOn(&b, c)
	} else if len(b.Active) == len(old.Active) {
		return "", refuse(wire.CodeConflict, "backfill %s: no run has ended", b.ID)
	}
	conclude(&b, t.now)
	t.setBackfill(b, func(*wire.Backfill) {})
	return b.ID, nil
}

func (t *tx) stepOn(b *wire.Backfill, c wire.StepBackfill) {
	b.Started++
	b.Next = c.Next
	problem := c.Error
	if problem == "" {
		problem = t.launch(wire.SubmitJob{Job: c.Job, Stages: c.Stages})
	}
	if problem != "" {
		b.Failed++
		b.Reason = problem
		return
	}
	b.Active = append(b.Active, c.Job.ID) // reap has made the list anew
}

// Halted reports whether a failure keeps a backfill from going on.
func Halted(b *wire.Backfill) bool { return b.StopOnFailure && b.Failed > 0 }

// conclude ends a backfill that has nothing left to do.
func conclude(b *wire.Backfill, now int64) {
	switch {
	case Halted(b):
		b.Status, b.Reason, b.Ended = wire.Failed, "a run failed, and stop_on_failure is set", now
	case b.Next != 0 || len(b.Active) > 0:
	case b.Failed > 0:
		b.Status, b.Reason, b.Ended = wire.Failed, fmt.Sprintf("%d of %d runs failed", b.Failed, b.Total), now
	default:
		b.Status, b.Reason, b.Ended = wire.Done, "", now
	}
}
