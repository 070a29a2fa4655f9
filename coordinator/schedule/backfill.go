package schedule

import (
	"cohort/coordinator/cron"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// MostBackfill bounds the runs of a backfill.
const MostBackfill = 10_000

// belowLive is by how much a backfill's runs are less important than the
// schedule's own, where no priority is given.
const belowLive = 50

// BackfillPriority is a backfill's where none is given.
func BackfillPriority(schedule int) int { return max(schedule-belowLive, -100) }

// backfill takes each backfill that goes on a step further.
func backfill(v *state.View) []Decision {
	var all []Decision
	for _, b := range v.OpenBackfills() {
		if c, ok := step(v, b); ok {
			all = append(all, Decision{wire.CmdStepBackfill, c})
		}
	}
	return all
}

func step(v *state.View, b *wire.Backfill) (wire.StepBackfill, bool) {
	c := wire.StepBackfill{ID: b.ID}
	open := 0
	for _, id := range b.Active {
		if j, ok := v.Job(nil, id); ok && !j.Status.Final() {
			open++
		}
	}
	ended := open < len(b.Active)
	if b.Next == 0 || open >= b.Parallel || HeldBack(v, b) != nil {
		return c, ended
	}
	zone, err := cron.Zone(b.Zone)
	if err != nil {
		return c, ended
	}
	line, err := cron.Parse(b.Cron, zone)
	if err != nil {
		return c, ended
	}
	c.At = b.Next
	if after := line.Next(c.At); after < b.To {
		c.Next = after
	}
	if c.Job, c.Stages, err = expandAt(wire.Job{
		ID: b.ID + "-" + cron.Stamp(c.At), Name: b.Schedule, Kind: b.Kind, Priority: b.Priority,
		Spec: b.Spec, SpecHash: b.SpecHash, At: c.At, Schedule: b.Schedule,
	}, true); err != nil {
		c.Error = err.Error()
	}
	return c, true
}

// HeldBack is a job that is more important than a backfill and has a task
// without a place: until it has one, the backfill starts nothing. Priorities
// alone would let a stream of small runs keep a large gang out for ever.
func HeldBack(v *state.View, b *wire.Backfill) *wire.Job {
	for _, j := range v.OpenJobs() {
		if j.Priority > b.Priority && wantsPlace(v, j) {
			return j
		}
	}
	return nil
}

func wantsPlace(v *state.View, j *wire.Job) bool {
	for s := range v.Ready(j.ID) {
		for range v.Pending(j.ID, s.Name) {
			return true
		}
	}
	return false
}
