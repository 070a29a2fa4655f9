package state

import (
	"cohort/coordinator/wire"
)

// Schedules lists the schedules by name.
func (v *View) Schedules(w *Watch) []*wire.Schedule {
	return all[wire.Schedule](v, w, tableSchedules, "id")
}

// Schedule finds a schedule.
func (v *View) Schedule(w *Watch, name string) (*wire.Schedule, bool) {
	return get[wire.Schedule](v, w, tableSchedules, name)
}

// Backfill finds a backfill.
func (v *View) Backfill(w *Watch, id string) (*wire.Backfill, bool) {
	return get[wire.Backfill](v, w, tableBackfills, id)
}

// Backfills lists a schedule's backfills, oldest first.
func (v *View) Backfills(w *Watch, schedule string) []*wire.Backfill {
	return all[wire.Backfill](v, w, tableBackfills, "schedule", schedule)
}

// OpenBackfills lists the backfills that go on, oldest first.
func (v *View) OpenBackfills() []*wire.Backfill {
	return all[wire.Backfill](v, nil, tableBackfills, "open")
}

// ScheduleView builds what a person or a program sees of a schedule.
func ScheduleView(v *View, w *Watch, s *wire.Schedule) wire.ScheduleView {
	view := wire.ScheduleView{Schedule: *s, History: []wire.FiringView{}, Backfills: []wire.BackfillView{}}
	for _, list := range [][]wire.Firing{s.Runs, s.Waiting} {
		for _, f := range list {
			fv := wire.FiringView{Firing: f}
			if j, ok := v.Job(w, f.Job); ok && f.Job != "" {
				fv.Status, fv.Problem, fv.Warning, fv.Ended = j.Status, j.Reason, j.Warning, j.Ended
			}
			view.History = append(view.History, fv)
		}
	}
	for _, b := range v.Backfills(w, s.Name) {
		view.Backfills = append(view.Backfills, backfillView(v, w, b))
	}
	return view
}

// backfillView counts runs that have ended and that the record does not know of.
func backfillView(v *View, w *Watch, b *wire.Backfill) wire.BackfillView {
	view := wire.BackfillView{Backfill: *b, Left: b.Total - b.Started}
	for _, id := range b.Active {
		j, ok := v.Job(w, id)
		switch {
		case ok && !j.Status.Final():
			view.Running++
		case ok && j.Status == wire.Done:
			view.Done++
		default:
			view.Failed++
		}
	}
	return view
}
