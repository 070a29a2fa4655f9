package state

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// Studies lists up to limit studies, newest first; 0 is all.
func (v *View) Studies(w *Watch, limit int) []*wire.Stage {
	it := must(v.txn.GetReverse(tableStages, "study"))
	w.add(must(v.txn.Get(tableStages, "study")).WatchCh())
	w.add(v.dropped)
	return collect[wire.Stage](it, limit)
}

// StudyOf finds a job's study.
func (v *View) StudyOf(w *Watch, job string) (*wire.Stage, bool) {
	s, ok := v.Stage(w, job, wire.StudyStage)
	return s, ok && s.Kind == wire.StageTune
}

// StudyView builds what a person or a program sees of a study, with a table of its
// trials where one is wanted.
func StudyView(v *View, w *Watch, s *wire.Stage, table bool) wire.StudyView {
	view := wire.StudyView{Job: s.Job, Status: s.Status, Reason: s.Reason}
	if j, ok := v.Job(w, s.Job); ok {
		view.Name, view.Submitted = j.Name, j.Submitted
	}
	var set wire.TuneSettings
	if json.Unmarshal(s.Settings, &set) == nil {
		view.Sampler, view.Trials = set.Tune.Sampler, set.Tune.Trials
	}
	trials := trialsOf(v, w, s, table)
	for _, t := range trials {
		if t.Status.Final() {
			view.Ended++
		}
		switch t.Status {
		case wire.Failed:
			view.Failed++
		case wire.Running:
			view.Running++
		case wire.Pending, wire.Done, wire.Stopped:
		}
	}
	if view.Running > 0 && s.Status == wire.Pending {
		view.Status, view.Reason = wire.Running, ""
	}
	mark(&view, trials, s.Result)
	if table {
		view.Table = trials
	}
	return view
}

// trialsOf are a study's trials by number, with their nodes where those are wanted.
func trialsOf(v *View, w *Watch, s *wire.Stage, nodes bool) []wire.TrialView {
	found := map[int]*wire.TrialView{}
	for _, part := range v.Parts(w, s.Job, s.Name) { // a rung after the one before it
		var set wire.TrialSettings
		var came struct{ wire.Trial }
		if json.Unmarshal(part.Settings, &set) != nil {
			continue
		}
		t := found[set.Number]
		if t == nil {
			t = &wire.TrialView{Number: set.Number, Params: set.Params}
			found[set.Number] = t
		}
		t.Rung, t.Status, t.Reason, t.Reused, t.Nodes = set.Rung, part.Status, part.Reason, part.Reused, nil
		if t.Started == 0 {
			t.Started = part.Started
		}
		t.Ended = part.Ended
		if part.Status == wire.Done && json.Unmarshal(part.Result, &came) == nil {
			t.Value, t.Epochs = &came.Value, came.Epochs
		}
		if nodes {
			t.Nodes = nodesOf(v.Tasks(w, part.Job, part.Name))
		}
	}
	trials := make([]wire.TrialView, 0, len(found))
	for _, n := range slices.Sorted(maps.Keys(found)) {
		trials = append(trials, *found[n])
	}
	return trials
}

func nodesOf(tasks []*wire.Task) (nodes []string) {
	for _, k := range tasks {
		if k.Node != "" {
			nodes = append(nodes, k.Node)
		}
	}
	return nodes
}

// mark names the best trial: the study's own word once it has one, until then the
// best of those that have not failed.
func mark(view *wire.StudyView, trials []wire.TrialView, result json.RawMessage) {
	best := slices.MaxFunc(append([]wire.TrialView{{}}, trials...), func(a, b wire.TrialView) int {
		if !inRace(a) || !inRace(b) {
			return cmp.Compare(btoi(inRace(a)), btoi(inRace(b)))
		}
		return cmp.Or(cmp.Compare(*a.Value, *b.Value), cmp.Compare(b.Number, a.Number))
	})
	var told struct{ Tune *wire.Tuned }
	if json.Unmarshal(result, &told) == nil && told.Tune != nil {
		view.Importance = told.Tune.Importance
		if k := slices.IndexFunc(trials, func(t wire.TrialView) bool { return t.Number == told.Tune.Number }); k >= 0 {
			best = trials[k]
		}
	}
	if !inRace(best) {
		return
	}
	view.Best = &wire.Trial{Number: best.Number, Rung: best.Rung, Epochs: best.Epochs, Value: *best.Value, Params: best.Params}
	for k := range trials {
		trials[k].Best = trials[k].Number == best.Number
	}
}

func inRace(t wire.TrialView) bool { return t.Value != nil && t.Status != wire.Failed }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
