package state

import (
	"fmt"

	"cohort/coordinator/wire"
)

func (t *tx) submitJob(c wire.SubmitJob) (string, *wire.Error) {
	if c.Job.ID == "" || len(c.Stages) == 0 {
		return "", refuse(wire.CodeInvalid, "a job needs an id and a stage")
	}
	if t.job(c.Job.ID) != nil {
		return "", refuse(wire.CodeConflict, "job %s exists", c.Job.ID)
	}
	j := c.Job
	j.Status, j.Reason, j.Submitted = wire.Pending, "", t.now
	j.CreateIndex, j.ModifyIndex = t.index, t.index
	t.put(tableJobs, &j)
	if err := t.putStages(j.ID, c.Stages); err != nil {
		return "", err
	}
	t.advance(j.ID)
	return j.ID, nil
}

func (t *tx) addStages(c wire.AddStages) (string, *wire.Error) {
	j := t.job(c.Job)
	if j == nil {
		return "", refuse(wire.CodeNotFound, "no job %s", c.Job)
	}
	if j.Status.Final() {
		return "", refuse(wire.CodeConflict, "job %s is %s", j.ID, j.Status)
	}
	if err := t.putStages(j.ID, c.Stages); err != nil {
		return "", err
	}
	t.advance(j.ID)
	return j.ID, nil
}

// putStages stores stages with their tasks. A stage may wait only for stages
// stored before or above it, so that there is no circle.
func (t *tx) putStages(job string, stages []wire.Stage) *wire.Error {
	for _, s := range stages {
		if s.Name == "" || s.Tasks < 1 {
			return refuse(wire.CodeInvalid, "stage %q: a name and at least one task are needed", s.Name)
		}
		if t.stage(job, s.Name) != nil {
			return refuse(wire.CodeConflict, "stage %s exists twice", s.Name)
		}
		for _, a := range s.After {
			if t.stage(job, a) == nil {
				return refuse(wire.CodeInvalid, "stage %s waits for %q, which is no earlier stage", s.Name, a)
			}
		}
		s.Job, s.Status, s.Reason = job, wire.Pending, ""
		s.Outputs, s.Result, s.Round, s.Checkpoint = nil, nil, 0, nil
		s.CreateIndex, s.ModifyIndex = t.index, t.index
		t.put(tableStages, &s)
		for k := range s.Tasks {
			task := wire.Task{ID: TaskID(job, s.Name, k), Job: job, Stage: s.Name, Index: k, Status: wire.Pending}
			task.CreateIndex, task.ModifyIndex = t.index, t.index
			t.put(tableTasks, &task)
		}
	}
	return nil
}

func (t *tx) stopJob(c wire.StopJob) (string, *wire.Error) {
	j := t.job(c.Job)
	switch {
	case j == nil:
		return "", refuse(wire.CodeNotFound, "no job %s", c.Job)
	case j.Status.Final():
		return "", refuse(wire.CodeConflict, "job %s is %s already", j.ID, j.Status)
	case c.CheckIndex != 0 && c.CheckIndex != j.ModifyIndex:
		return "", refuse(wire.CodeConflict, "job %s has changed: its index is %d, not %d", j.ID, j.ModifyIndex, c.CheckIndex)
	}
	reason := c.Reason
	if reason == "" {
		reason = "stopped by hand"
	}
	t.end(j, wire.Stopped, reason)
	return j.ID, nil
}

// end makes a job final, and all of it that is not.
func (t *tx) end(j *wire.Job, status wire.Status, reason string) {
	for _, s := range t.stages(j.ID) {
		if s.Status.Final() {
			continue
		}
		for _, k := range t.tasks(j.ID, s.Name) {
			if !k.Status.Final() {
				t.setTask(*k, func(k *wire.Task) { k.Status, k.Reason, k.Token = wire.Stopped, reason, 0 })
			}
		}
		t.setStage(*s, func(s *wire.Stage) { s.Status, s.Reason, s.Ended = wire.Stopped, reason, t.now })
	}
	t.setJob(*j, func(j *wire.Job) { j.Status, j.Reason, j.Ended = status, reason, t.now })
}

// advance brings stages and job up to date with their tasks.
func (t *tx) advance(id string) {
	j := t.job(id)
	if j.Status.Final() {
		return
	}
	open, begun, active := 0, false, false
	waiting := ""
	for _, s := range t.stages(id) {
		s = t.advanceStage(s)
		if s.Status == wire.Failed {
			t.end(j, wire.Failed, "stage "+s.Name+" failed: "+s.Reason)
			return
		}
		if s.Status == wire.Pending && (waiting == "" || t.waits(s) == "") {
			waiting = "stage " + s.Name + " " + s.Reason
		}
		if !s.Status.Final() {
			open++
		}
		begun = begun || s.Status != wire.Pending
		active = active || s.Status == wire.Running
	}
	next := *j
	if begun {
		next.Status = wire.Running
	}
	next.Reason = waiting
	if active {
		next.Reason = ""
	}
	if open == 0 {
		next.Status, next.Reason, next.Ended = wire.Done, "", t.now
	}
	if next.Status != j.Status || next.Reason != j.Reason {
		t.setJob(next, func(*wire.Job) {})
	}
}

// advanceStage derives a stage from its tasks and the stages it waits for.
func (t *tx) advanceStage(s *wire.Stage) *wire.Stage {
	if s.Status.Final() {
		return s
	}
	next := *s
	done, held := 0, 0
	for _, k := range t.tasks(s.Job, s.Name) {
		switch k.Status {
		case wire.Done:
			done++
		case wire.Running:
			held++
		case wire.Failed:
			next.Status, next.Reason, next.Ended = wire.Failed, k.Error, t.now
		case wire.Pending, wire.Stopped:
		}
	}
	switch waits := t.waits(s); {
	case next.Status == wire.Failed:
	case done == s.Tasks:
		next.Status, next.Reason, next.Ended = wire.Done, "", t.now
	case held > 0 || done > 0:
		next.Status, next.Reason = wire.Running, ""
		if next.Started == 0 {
			next.Started = t.now
		}
	case waits != "":
		next.Status, next.Reason = wire.Pending, "waits for stage "+waits
	default:
		next.Status, next.Reason = wire.Pending, "waits for "+workerFor(s)
	}
	if next.Status != s.Status || next.Reason != s.Reason {
		t.setStage(next, func(*wire.Stage) {})
	}
	return &next
}

// waits names the first stage that s waits for and that is not done.
func (t *tx) waits(s *wire.Stage) string {
	for _, a := range s.After {
		if before := t.stage(s.Job, a); before == nil || before.Status != wire.Done {
			return a
		}
	}
	return ""
}

// workerFor says in a person's words which worker a stage that can start needs.
func workerFor(s *wire.Stage) string {
	text := "a worker with free cores"
	if s.Kind == wire.StageExec {
		text = "a worker that allows exec stages, with free cores"
	}
	if s.Resources.MemoryMB > 0 {
		text += fmt.Sprintf(" and %d MB of free memory", s.Resources.MemoryMB)
	}
	return text
}
