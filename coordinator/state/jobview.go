package state

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// AllStages asks JobView for every stage of a job.
const AllStages = -1

// JobView builds what a person or a program sees of a job, with up to limit of
// its stages: those that matter first, in their order. Stages that are parts of
// another are only counted there, unless all are asked for. Result merges the
// result objects of the stages that are no parts, later stages last; the fields of
// running tasks' progress are the caller's to fill.
func JobView(v *View, w *Watch, j *wire.Job, limit int) wire.JobView {
	view := wire.JobView{Job: *j, Result: map[string]json.RawMessage{}}
	for _, s := range all[wire.Stage](v, w, tableStages, "told", j.ID) {
		var part map[string]json.RawMessage
		if s.Of == "" && json.Unmarshal(s.Result, &part) == nil {
			maps.Copy(view.Result, part)
		}
	}
	if limit == 0 {
		view.Spec = "" // of a list: what a person looks for is not in it, and it may be long
		return view
	}
	stages, whole := v.Stages(w, j.ID), summary{}
	if limit > 0 {
		stages = whole.fold(stages)
	}
	view.Counts = map[wire.Status]int{}
	for _, s := range stages {
		view.Counts[s.Status]++
	}
	shown := matter(stages, limit)
	view.LeftOut = len(stages) - len(shown)
	for _, s := range shown {
		sv := wire.StageView{Stage: *s}
		if s.Waits > 0 && !s.Status.Final() {
			sv.Reason = v.waits(s)
		}
		whole.tell(&sv)
		for _, k := range v.Tasks(w, j.ID, s.Name) {
			sv.TaskList = append(sv.TaskList, *k)
		}
		view.Stages = append(view.Stages, sv)
	}
	return view
}

// matter picks the stages that a person would look for: failed, running, ready
// ones, then those that ended last, then those to come.
func matter(stages []*wire.Stage, limit int) []*wire.Stage {
	if limit < 0 || len(stages) <= limit {
		return stages
	}
	rank := func(s *wire.Stage) int {
		switch {
		case s.Status == wire.Failed:
			return 0
		case s.Status == wire.Running:
			return 1
		case s.Status == wire.Pending && s.Waits == 0:
			return 2
		case s.Status.Final():
			return 3
		}
		return 4
	}
	picked := slices.Clone(stages)
	slices.SortStableFunc(picked, func(a, b *wire.Stage) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(b.Ended, a.Ended))
	})
	picked = picked[:limit]
	slices.SortFunc(picked, func(a, b *wire.Stage) int { return cmp.Compare(a.Order, b.Order) })
	return picked
}

// waits names the first stage that s waits for and that is not done.
func (v *View) waits(s *wire.Stage) string {
	for _, a := range s.After {
		if before, ok := v.Stage(nil, s.Job, a); !ok || before.Status != wire.Done {
			return "waits for stage " + a
		}
	}
	return "waits for its parts"
}
