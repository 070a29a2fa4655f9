package state

import (
	"fmt"
	"slices"

	"cohort/coordinator/wire"
)

func (t *tx) submitJob(c wire.SubmitJob) (string, *wire.Error) {
	return t.newJob(c.Job, c.Stages)
}

// newJob stores a job with its graph.
func (t *tx) newJob(j wire.Job, stages []wire.Stage) (string, *wire.Error) {
	if j.ID == "" || len(stages) == 0 {
		return "", refuse(wire.CodeInvalid, "a job needs an id and a stage")
	}
	if t.job(j.ID) != nil {
		return "", refuse(wire.CodeConflict, "job %s exists", j.ID)
	}
	j.Status, j.Reason, j.Submitted = wire.Pending, "", t.now
	if j.At == 0 {
		j.At = t.now
	}
	j.CreateIndex, j.ModifyIndex = t.index, t.index
	t.put(tableJobs, &j)
	if err := t.putStages(j.ID, stages); err != nil {
		return "", err
	}
	t.advanceJob(j.ID)
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
	added := t.missing(j.ID, c.Stages)
	if err := t.takesParts(j.ID, added); err != nil {
		return "", err
	}
	if err := t.putStages(j.ID, added); err != nil {
		return "", err
	}
	t.advanceJob(j.ID)
	return j.ID, nil
}

func (t *tx) stopJob(c wire.StopJob) (string, *wire.Error) {
	j := t.job(c.Job)
	switch {
	case j == nil:
		return "", refuse(wire.CodeNotFound, "no job %s", c.Job)
	case j.Status.Final():
		return "", refuse(wire.CodeConflict, "job %s is %s already", j.ID, j.Status)
	case c.CheckIndex != 0 && c.CheckIndex != j.ModifyIndex:
		return "", stale(j, c.CheckIndex)
	}
	if err := t.servesFor(j); err != nil {
		return "", err
	}
	reason := c.Reason
	if reason == "" {
		reason = "stopped by hand"
	}
	t.end(j, wire.Stopped, reason)
	return j.ID, nil
}

func stale(j *wire.Job, check uint64) *wire.Error {
	return refuse(wire.CodeConflict, "job %s has changed: its index is %d, not %d", j.ID, j.ModifyIndex, check)
}

// end makes a job final, and all of it that is not.
func (t *tx) end(j *wire.Job, status wire.Status, reason string) {
	for _, s := range list[wire.Stage](nil, t.Txn, tableStages, "open", j.ID) {
		t.stopTasks(s, reason)
		t.setStage(*s, func(s *wire.Stage) { s.Status, s.Reason, s.Ended = wire.Stopped, reason, t.now })
	}
	t.setJob(*t.job(j.ID), func(j *wire.Job) { j.Status, j.Reason, j.Ended = status, reason, t.now })
}

// stopTasks ends the tasks of a stage that are not final.
func (t *tx) stopTasks(s *wire.Stage, reason string) {
	for _, k := range list[wire.Task](nil, t.Txn, tableTasks, "undone", s.Job, s.Name) {
		if !k.Status.Final() {
			t.setTask(*k, func(k *wire.Task) { k.Status, k.Reason, k.Token = wire.Stopped, reason, 0 })
		}
	}
}

// retryJob takes an ended job up again.
func (t *tx) retryJob(c wire.RetryJob) (string, *wire.Error) {
	j := t.job(c.Job)
	switch {
	case j == nil:
		return "", refuse(wire.CodeNotFound, "no job %s", c.Job)
	case !j.Status.Final():
		return "", refuse(wire.CodeConflict, "job %s is %s: stop it first", j.ID, j.Status)
	case c.CheckIndex != 0 && c.CheckIndex != j.ModifyIndex:
		return "", stale(j, c.CheckIndex)
	case c.From != "" && t.stage(j.ID, c.From) == nil:
		return "", refuse(wire.CodeNotFound, "no stage %s in job %s", c.From, j.ID)
	case c.From != "" && t.tolerated(t.stage(j.ID, c.From)):
		return "", refuse(wire.CodeInvalid, "stage %s is a part of %s: run that again", c.From, t.stage(j.ID, c.From).Of)
	}
	if err := t.servesFor(j); err != nil {
		return "", err
	}
	again, gone := t.again(j.ID, c.From)
	if len(again) == 0 {
		return "", refuse(wire.CodeConflict, "job %s is done: say from which stage to run it again", j.ID)
	}
	t.setJob(*j, func(j *wire.Job) { j.Status, j.Reason, j.Ended = wire.Pending, "", 0 })
	t.dropStages(gone)
	t.restart(j.ID, c.From, again)
	t.advanceJob(j.ID)
	return j.ID, nil
}

// again lists the stages that a retry runs, in order: those not done, and all
// that wait for from. A fan that is among the latter loses its parts, which are
// added anew; of one that was only interrupted they stay, failed ones too, since
// others follow from what they came to.
func (t *tx) again(job, from string) (again, gone []*wire.Stage) {
	taken, anew := map[string]bool{}, map[string]bool{}
	for _, s := range t.stages(job) { // in order, so that what a stage waits for has been looked at
		if anew[s.Of] {
			gone = append(gone, s)
			continue
		}
		waits := slices.ContainsFunc(s.After, func(a string) bool { return taken[a] })
		if s.Status == wire.Done && s.Name != from && !waits || s.Status == wire.Failed && t.tolerated(s) {
			continue
		}
		taken[s.Name] = true
		anew[s.Name] = s.Fan && (waits || s.Name == from)
		again = append(again, s)
	}
	return again, gone
}

// restart sends stages back to their beginning. from itself is not taken from an
// earlier result: somebody wants it run.
func (t *tx) restart(job, from string, again []*wire.Stage) {
	open := map[string]bool{}
	for _, s := range again {
		open[s.Name] = true
	}
	for _, old := range again {
		s := *old
		s.Waits, s.Key, s.Plan, s.Reused, s.Resolved = 0, "", "", "", nil
		for _, a := range s.After {
			if open[a] {
				s.Waits++
			}
		}
		reopen(&s)
		s.Fresh = s.Fresh || s.Name == from
		checkpoint := s.Checkpoint
		if s.Waits > 0 || s.Name == from {
			checkpoint = nil // of other inputs, or not wanted
		}
		t.begin(&s, checkpoint)
		for _, k := range t.tasks(job, s.Name) {
			t.setTask(*k, func(k *wire.Task) {
				k.Status, k.Reason, k.Node, k.Token, k.Granted = wire.Pending, "", "", 0, wire.Resources{}
				k.Failures, k.Pause, k.Error, k.Cause = 0, 0, "", wire.CauseNone
			})
		}
	}
	for _, s := range again {
		if now := t.stage(job, s.Name); now.Waits == 0 && now.Status == wire.Pending {
			t.ready(job, s.Name)
		}
	}
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
