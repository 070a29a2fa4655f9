package state

import "cohort/coordinator/wire"

// A job's graph moves on by what changed: a stage that is done counts down those
// that wait for it, and whatever is asked of a job ("is a stage open? does one
// run?") an index answers. Nothing here goes through all stages of a job.

// putStages stores stages with their tasks. A stage may wait only for stages
// stored before or above it, so that there is no circle.
func (t *tx) putStages(job string, stages []wire.Stage) *wire.Error {
	order := t.count(job)
	var ready []string
	for k, s := range stages {
		if s.Name == "" || s.Tasks < 1 {
			return refuse(wire.CodeInvalid, "stage %q: a name and at least one task are needed", s.Name)
		}
		if t.stage(job, s.Name) != nil {
			return refuse(wire.CodeConflict, "stage %s exists twice", s.Name)
		}
		if s.Fan && len(s.Inputs) > 0 {
			return refuse(wire.CodeInvalid, "stage %s is a fan, whose inputs come when it is closed", s.Name)
		}
		s.Waits = 0
		reopen(&s)
		for _, a := range s.After {
			before := t.stage(job, a)
			if before == nil {
				return refuse(wire.CodeInvalid, "stage %s waits for %q, which is no earlier stage", s.Name, a)
			}
			if before.Status != wire.Done {
				s.Waits++
			}
		}
		s.Job, s.Order = job, order+k+1
		s.Key, s.Plan, s.Reused, s.Resolved = "", "", "", nil
		s.CreateIndex = t.index
		t.begin(&s, nil)
		for k := range s.Tasks {
			task := wire.Task{ID: TaskID(job, s.Name, k), Job: job, Stage: s.Name, Index: k, Status: wire.Pending}
			task.CreateIndex, task.ModifyIndex = t.index, t.index
			t.put(tableTasks, &task)
		}
		if s.Waits == 0 {
			ready = append(ready, s.Name)
		}
	}
	for _, name := range ready {
		t.ready(job, name)
	}
	return nil
}

// count is the highest order of a job's stages.
func (t *tx) count(job string) int {
	last := must(t.Last(tableStages, "order", job))
	if s, ok := last.(*wire.Stage); ok {
		return s.Order
	}
	return 0
}

// begin stores a stage as one that has not begun, but for a gang's checkpoint.
func (t *tx) begin(s *wire.Stage, from *wire.Checkpoint) {
	s.Status, s.Reason = wire.Pending, ""
	s.Outputs, s.Result, s.Round, s.Checkpoint = nil, nil, 0, from
	s.Started, s.Ended, s.Cause = 0, 0, wire.CauseNone
	s.ModifyIndex = t.index
	if s.Waits == 0 {
		s.Reason = "waits for " + workerFor(s)
	}
	t.wait(s.Job, s.Name, s.Waits)
	t.put(tableStages, s)
}

// wait notes how many stages one waits for.
func (t *tx) wait(job, stage string, n int) { t.put(tableWaits, &waits{job, stage, n}) }

// ready is called when a stage waits for no other: its inputs are settled, and a
// result that is there already is taken.
func (t *tx) ready(job, name string) {
	s := *t.stage(job, name)
	s.Waits = 0
	bare := t.settleInputs(&s)
	if s.Version > 0 && !asks(&s) {
		s.Key = keyOf(&s, bare)
	}
	t.setStage(s, func(s *wire.Stage) { s.Reason = "waits for " + workerFor(s) })
	if kept := t.kept(&s); kept != nil {
		t.reuse(job, name, kept)
	}
}

// reuse ends a stage with a result of another's.
func (t *tx) reuse(job, name string, kept *wire.Kept) {
	for _, k := range t.tasks(job, name) {
		t.setTask(*k, func(k *wire.Task) { k.Status, k.Reason, k.Token, k.Node = wire.Done, "", 0, "" })
	}
	t.setStage(*t.stage(job, name), func(s *wire.Stage) {
		s.Status, s.Outputs, s.Result, s.Reused, s.Ended = wire.Done, kept.Outputs, kept.Result, kept.Job+"/"+kept.Stage, t.now
		s.Reason = "unchanged since " + s.Reused
		if s.Started == 0 {
			s.Started = t.now
		}
	})
	t.passOn(job, name)
}

// passOn counts down the stages that wait for one that is now done.
func (t *tx) passOn(job, name string) {
	for _, next := range list[wire.Stage](nil, t.Txn, tableStages, "after", job, name) {
		if next.Status.Final() {
			continue
		}
		left := first[waits](t.Txn, tableWaits, "id", job, next.Name).N - 1
		t.wait(job, next.Name, left)
		if left == 0 {
			t.ready(job, next.Name)
		}
	}
}

// stageDone ends a stage whose tasks are all done.
func (t *tx) stageDone(s *wire.Stage) {
	done := *s
	t.setStage(done, func(s *wire.Stage) { s.Status, s.Reason, s.Ended = wire.Done, "", t.now })
	t.keep(t.stage(s.Job, s.Name))
	t.passOn(s.Job, s.Name)
}

// advance brings a stage, and its job, up to date with its tasks.
func (t *tx) advance(job, stage string) {
	j := t.job(job)
	if j == nil || j.Status.Final() {
		return
	}
	if s := t.stage(job, stage); s != nil && !s.Status.Final() {
		t.advanceStage(j, s)
	}
	t.advanceJob(job)
}

func (t *tx) advanceStage(j *wire.Job, s *wire.Stage) {
	if failed := first[wire.Task](t.Txn, tableTasks, "failed", s.Job, s.Name); failed != nil {
		t.setStage(*s, func(s *wire.Stage) {
			s.Status, s.Reason, s.Cause, s.Ended = wire.Failed, failed.Error, failed.Cause, t.now
		})
		if t.tolerated(s) {
			t.stopTasks(s, "another task of the stage failed")
			return
		}
		t.end(j, wire.Failed, "stage "+s.Name+" failed: "+failed.Error)
		return
	}
	undone := first[wire.Task](t.Txn, tableTasks, "undone", s.Job, s.Name)
	if undone == nil {
		t.stageDone(s)
		return
	}
	next := *s
	switch {
	case t.has(tableTasks, "held", s.Job, s.Name) || t.has(tableTasks, "done", s.Job, s.Name):
		next.Status, next.Reason = wire.Running, ""
		if next.Started == 0 {
			next.Started = t.now
		}
	case s.Waits == 0 && undone.Failures > 0: // an outage lasts minutes: say what is tried again
		next.Status, next.Reason = wire.Pending, undone.Reason
	case s.Waits == 0:
		next.Status, next.Reason = wire.Pending, "waits for "+workerFor(s)
	default:
		next.Status, next.Reason = wire.Pending, ""
	}
	if next.Status != s.Status || next.Reason != s.Reason {
		t.setStage(next, func(*wire.Stage) {})
	}
}

// advanceJob derives a job from its stages.
func (t *tx) advanceJob(id string) {
	j := t.job(id)
	if j.Status.Final() {
		return
	}
	next := *j
	next.Reason = ""
	switch {
	case !t.has(tableStages, "open", id):
		next.Status, next.Ended = wire.Done, t.now
	case t.has(tableStages, "running", id):
		next.Status = wire.Running
	default:
		if t.has(tableStages, "done", id) {
			next.Status = wire.Running
		}
		if s := first[wire.Stage](t.Txn, tableStages, "ready", id); s != nil {
			next.Reason = "stage " + s.Name + " " + s.Reason
		}
	}
	if next.Status != j.Status || next.Reason != j.Reason {
		t.setJob(next, func(*wire.Job) {})
	}
}

// has reports whether an index names a record.
func (t *tx) has(table, index string, args ...any) bool {
	return must(t.First(table, index, args...)) != nil
}
