package state

import (
	"slices"

	"cohort/coordinator/wire"
)

func (t *tx) schedule(name string) *wire.Schedule {
	return first[wire.Schedule](t.Txn, tableSchedules, "id", name)
}

// setSchedule stores a changed copy. Its lists are shared with the record
// before: a change replaces them.
func (t *tx) setSchedule(s wire.Schedule, change func(*wire.Schedule)) {
	change(&s)
	s.ModifyIndex = t.index
	t.put(tableSchedules, &s)
}

// known finds a schedule that has not changed since check; 0 is any.
func (t *tx) known(name string, check uint64) (*wire.Schedule, *wire.Error) {
	s := t.schedule(name)
	if s == nil {
		return nil, refuse(wire.CodeNotFound, "no schedule %s", name)
	}
	if check != 0 && check != s.ModifyIndex {
		return nil, refuse(wire.CodeConflict, "schedule %s has changed: its index is %d, not %d", name, s.ModifyIndex, check)
	}
	return s, nil
}

func (t *tx) putSchedule(c wire.PutSchedule) (string, *wire.Error) {
	s := c.Schedule
	if s.Name == "" || s.When.Cron == "" {
		return "", refuse(wire.CodeInvalid, "a schedule needs a name and a cron line")
	}
	s.Paused, s.Last, s.Run, s.Waiting, s.Runs, s.Made = false, 0, "", nil, nil, 0
	s.CreateIndex, s.ModifyIndex = t.index, t.index
	old, err := t.known(s.Name, c.CheckIndex)
	if err != nil && (err.Code != wire.CodeNotFound || c.CheckIndex != 0) {
		return "", err
	}
	if old != nil {
		s.CreateIndex = old.CreateIndex
		s.Paused, s.Last, s.Run, s.Waiting, s.Runs, s.Made = old.Paused, old.Last, old.Run, old.Waiting, old.Runs, old.Made
		if old.Paused || old.When.Cron == s.When.Cron && old.When.Zone == s.When.Zone {
			s.Next = old.Next // a firing that is due must not be lost
		}
	}
	t.put(tableSchedules, &s)
	return s.Name, nil
}

func (t *tx) pauseSchedule(c wire.SetSchedule) (string, *wire.Error) {
	s, err := t.known(c.Name, c.CheckIndex)
	if err != nil {
		return "", err
	}
	if s.Paused == c.Paused {
		return "", refuse(wire.CodeConflict, "schedule %s is %s", s.Name, map[bool]string{true: "paused already", false: "not paused"}[c.Paused])
	}
	t.setSchedule(*s, func(s *wire.Schedule) { s.Paused, s.Next = c.Paused, c.Next })
	return s.Name, nil
}

func (t *tx) deleteSchedule(c wire.DeleteSchedule) (string, *wire.Error) {
	s, err := t.known(c.Name, c.CheckIndex)
	if err != nil {
		return "", err
	}
	for _, b := range list[wire.Backfill](nil, t.Txn, tableBackfills, "schedule", s.Name) {
		must(0, t.Delete(tableBackfills, b))
	}
	must(0, t.Delete(tableSchedules, s))
	return s.Name, nil
}

func (t *tx) fireSchedule(c wire.FireSchedule) (string, *wire.Error) {
	s, err := t.known(c.Schedule, 0)
	switch {
	case err != nil:
		return "", err
	case s.Paused || c.At == 0 || s.Next != c.At:
		return "", refuse(wire.CodeConflict, "schedule %s has no firing for %d to settle", s.Name, c.At)
	case len(c.Firings) == 0 || c.Next != 0 && c.Next <= c.At:
		return "", refuse(wire.CodeInvalid, "schedule %s: %d firings from %d to %d", s.Name, len(c.Firings), c.At, c.Next)
	}
	t.setSchedule(*s, func(s *wire.Schedule) {
		s.Next = c.Next
		for _, f := range c.Firings {
			s.Last = max(s.Last, f.At)
			t.note(s, f)
		}
	})
	return s.Name, nil
}

// note files a firing: with those that wait, or with those that do no more.
func (t *tx) note(s *wire.Schedule, f wire.Firing) {
	f.Settled = t.now
	s.Waiting = slices.DeleteFunc(slices.Clone(s.Waiting), func(w wire.Firing) bool { return w.At == f.At && w.By == f.By })
	if f.State == wire.FiringWaiting {
		s.Waiting = append(s.Waiting, f)
		return
	}
	s.Runs = append(slices.Clone(s.Runs), f)
	s.Runs = s.Runs[max(0, len(s.Runs)-wire.KeepFirings):]
}

// active is the schedule's run that goes on, or nil.
func (t *tx) active(s *wire.Schedule) *wire.Job {
	j := t.job(s.Run)
	if j == nil || j.Status.Final() {
		return nil
	}
	return j
}

func (t *tx) startRun(c wire.StartRun) (string, *wire.Error) {
	s, err := t.known(c.Schedule, 0)
	if err != nil {
		return "", err
	}
	if len(s.Waiting) == 0 || s.Waiting[0].At != c.At || s.Waiting[0].By != c.By {
		return "", refuse(wire.CodeConflict, "schedule %s: the run for %d is not the next that waits", s.Name, c.At)
	}
	f, before := s.Waiting[0], t.active(s)
	switch {
	case s.Paused && f.By != wire.ByTrigger:
		return "", refuse(wire.CodeConflict, "schedule %s is paused", s.Name)
	case before != nil && before.ID != c.Stop:
		return "", refuse(wire.CodeConflict, "schedule %s: %s goes on", s.Name, before.ID)
	case before != nil:
		t.end(before, wire.Stopped, "stopped by its schedule: "+c.Job.ID+" begins (overlap: stop)")
	}
	return t.beginRun(s, f, c.Error, wire.SubmitJob{Job: c.Job, Stages: c.Stages}), nil
}

// beginRun starts a firing's job, or files it as skipped with the problem. It
// answers the job's id.
func (t *tx) beginRun(s *wire.Schedule, f wire.Firing, problem string, c wire.SubmitJob) string {
	if problem == "" {
		problem = t.launch(c)
	}
	f.State, f.Reason, f.Job = wire.FiringStarted, "", c.Job.ID
	if problem != "" {
		f.State, f.Reason, f.Job = wire.FiringSkipped, problem, ""
	}
	t.setSchedule(*s, func(s *wire.Schedule) {
		t.note(s, f)
		if f.Job != "" {
			s.Run = f.Job
		}
	})
	return f.Job
}

// launch submits a job and says why it can't. A job whose graph is refused in
// the middle is there, and has failed.
func (t *tx) launch(c wire.SubmitJob) (problem string) {
	if t.job(c.Job.ID) != nil {
		return "job " + c.Job.ID + " exists already"
	}
	_, err := t.submitJob(c)
	if err == nil {
		return ""
	}
	if j := t.job(c.Job.ID); j != nil {
		t.end(j, wire.Failed, err.Message)
		return ""
	}
	return err.Message
}

func (t *tx) triggerSchedule(c wire.TriggerSchedule) (string, *wire.Error) {
	s, err := t.known(c.Schedule, 0)
	if err != nil {
		return "", err
	}
	f, before := wire.Firing{At: c.At, By: wire.ByTrigger, State: wire.FiringWaiting}, t.active(s)
	free := before == nil && (s.Paused || len(s.Waiting) == 0)
	switch {
	case t.job(c.Job.ID) != nil:
		return "", refuse(wire.CodeConflict, "schedule %s: job %s exists already", s.Name, c.Job.ID)
	case !free && s.When.Overlap == wire.OverlapQueue && len(s.Waiting) == 0:
		t.setSchedule(*s, func(s *wire.Schedule) { t.note(s, f) })
		return c.Job.ID, nil
	case !free && before != nil && s.When.Overlap != wire.OverlapStop:
		return "", refuse(wire.CodeConflict, "schedule %s: %s goes on (overlap: %s)", s.Name, before.ID, s.When.Overlap)
	case !free && before == nil:
		return "", refuse(wire.CodeConflict, "schedule %s: a run is about to start", s.Name)
	case before != nil:
		t.end(before, wire.Stopped, "stopped by its schedule: "+c.Job.ID+" begins (overlap: stop)")
	}
	if id := t.beginRun(s, f, "", wire.SubmitJob{Job: c.Job, Stages: c.Stages}); id != "" {
		return id, nil
	}
	return "", refuse(wire.CodeConflict, "schedule %s: job %s could not be started", s.Name, c.Job.ID)
}

func (t *tx) warnJob(c wire.WarnJob) (string, *wire.Error) {
	j := t.job(c.Job)
	switch {
	case j == nil:
		return "", refuse(wire.CodeNotFound, "no job %s", c.Job)
	case j.Status.Final() || j.Warning == c.Warning:
		return "", refuse(wire.CodeConflict, "job %s is %s, its warning %q", j.ID, j.Status, j.Warning)
	}
	t.setJob(*j, func(j *wire.Job) { j.Warning = c.Warning })
	return j.ID, nil
}
