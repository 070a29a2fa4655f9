package state

import (
	"maps"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

// A fan is a stage to which stages are added that it waits for, its parts: so the
// trials of a study. The leader adds them, and closes the fan when there are no
// more. A part that fails is a result like any other.

// tolerated reports whether a stage's failure is its fan's to judge.
func (t *tx) tolerated(s *wire.Stage) bool {
	if s.Of == "" {
		return false
	}
	whole := t.stage(s.Job, s.Of)
	return whole != nil && whole.Fan
}

// parts lists the stages that are parts of one, in their order.
func (t *tx) parts(job, whole string) []*wire.Stage {
	return list[wire.Stage](nil, t.Txn, tableStages, "part", job, whole)
}

// closeFan gives a fan its inputs. A second close changes nothing.
func (t *tx) closeFan(c wire.CloseFan) (string, *wire.Error) {
	j, s := t.job(c.Job), t.stage(c.Job, c.Stage)
	switch {
	case j == nil || s == nil:
		return "", refuse(wire.CodeNotFound, "no stage %s in job %q", c.Stage, c.Job)
	case !s.Fan:
		return "", refuse(wire.CodeInvalid, "stage %s of job %s is no fan", s.Name, j.ID)
	case j.Status.Final():
		return "", refuse(wire.CodeConflict, "job %s is %s", j.ID, j.Status)
	case s.Closed:
		return s.Name, nil
	}
	for _, part := range t.parts(j.ID, s.Name) {
		if !part.Status.Final() {
			return "", refuse(wire.CodeConflict, "stage %s, a part of %s, is %s", part.Name, s.Name, part.Status)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Inputs)) {
		stage, _, ok := strings.Cut(c.Inputs[name], "/")
		if from := t.stage(j.ID, stage); !ok || from == nil || from.Status != wire.Done {
			return "", refuse(wire.CodeConflict, "input %s of stage %s is %q, of no stage that is done", name, s.Name, c.Inputs[name])
		}
	}
	t.setStage(*s, func(s *wire.Stage) { s.Closed, s.Inputs = true, c.Inputs })
	left := first[waits](t.Txn, tableWaits, "id", j.ID, s.Name).N - 1
	t.wait(j.ID, s.Name, left)
	if left == 0 {
		t.ready(j.ID, s.Name)
	}
	t.advanceJob(j.ID)
	return s.Name, nil
}

// missing leaves out the stages that a job has already: a leader may ask twice.
func (t *tx) missing(job string, stages []wire.Stage) []wire.Stage {
	return slices.DeleteFunc(slices.Clone(stages), func(s wire.Stage) bool { return t.stage(job, s.Name) != nil })
}

// takesParts refuses parts of a fan that is closed.
func (t *tx) takesParts(job string, stages []wire.Stage) *wire.Error {
	for _, s := range stages {
		if whole := t.stage(job, s.Of); whole != nil && whole.Closed {
			return refuse(wire.CodeConflict, "stage %s is closed: it takes no part %s", whole.Name, s.Name)
		}
	}
	return nil
}

// reopen makes a fan one that waits for parts.
func reopen(s *wire.Stage) {
	if s.Fan {
		s.Closed, s.Inputs = false, nil
		s.Waits++
	}
}

// dropStages takes stages out of a job, with all that hangs on them.
func (t *tx) dropStages(stages []*wire.Stage) {
	for _, s := range stages {
		for _, k := range t.tasks(s.Job, s.Name) {
			must(0, t.Delete(tableTasks, k))
		}
		if r := first[wire.Round](t.Txn, tableRounds, "id", s.Job, s.Name); r != nil {
			must(0, t.Delete(tableRounds, r))
		}
		must(0, t.Delete(tableWaits, first[waits](t.Txn, tableWaits, "id", s.Job, s.Name)))
		must(0, t.Delete(tableStages, s))
	}
}

// Fans lists a job's fans that have not been closed.
func (v *View) Fans(job string) []*wire.Stage {
	return all[wire.Stage](v, nil, tableStages, "fan", job)
}

// Parts lists the stages that are parts of one, in the order in which they came.
func (v *View) Parts(w *Watch, job, whole string) []*wire.Stage {
	return all[wire.Stage](v, w, tableStages, "part", job, whole)
}
