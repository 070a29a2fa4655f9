package state

import (
	"encoding/json"
	"maps"

	"cohort/coordinator/wire"
)

// JobView builds what a person or a program sees of a job. Result merges the
// result objects of its stages, later stages last; the fields of running
// tasks' progress are the caller's to fill.
func JobView(v *View, w *Watch, j *wire.Job, withStages bool) wire.JobView {
	view := wire.JobView{Job: *j, Result: map[string]json.RawMessage{}}
	for _, s := range v.Stages(w, j.ID) {
		var part map[string]json.RawMessage
		if len(s.Result) > 0 && json.Unmarshal(s.Result, &part) == nil {
			maps.Copy(view.Result, part)
		}
		if !withStages {
			continue
		}
		sv := wire.StageView{Stage: *s}
		for _, k := range v.Tasks(w, j.ID, s.Name) {
			sv.TaskList = append(sv.TaskList, *k)
		}
		view.Stages = append(view.Stages, sv)
	}
	return view
}
