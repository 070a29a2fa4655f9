package httpapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"cohort/coordinator/cron"
	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func (a *api) serveSchedules() {
	a.leader("GET /v1/schedules", a.schedules)
	a.leader("POST /v1/schedules", a.putSchedule)
	a.leader("GET /v1/schedules/{name}", a.schedule)
	a.leader("POST /v1/schedules/{name}/pause", a.pauseSchedule(true))
	a.leader("POST /v1/schedules/{name}/resume", a.pauseSchedule(false))
	a.leader("POST /v1/schedules/{name}/delete", a.deleteSchedule)
	a.leader("POST /v1/schedules/{name}/trigger", a.trigger)
	a.leader("POST /v1/schedules/{name}/backfill", a.backfill)
	a.leader("POST /v1/schedules/{name}/backfill/{id}/stop", a.stopBackfill)
}

func invalid(format string, args ...any) error {
	return &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf(format, args...)}
}

func (a *api) schedules(w http.ResponseWriter, r *http.Request) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		views := []wire.ScheduleView{}
		for _, s := range v.Schedules(on) {
			views = append(views, scheduleView(v, on, s))
		}
		return views, nil
	})
}

func (a *api) schedule(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("name")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		s, ok := v.Schedule(on, name)
		if !ok {
			return nil, notFound("schedule", name)
		}
		return scheduleView(v, on, s), nil
	})
}

// scheduleView says of a backfill that waits for others who for.
func scheduleView(v *state.View, on *state.Watch, s *wire.Schedule) wire.ScheduleView {
	view := state.ScheduleView(v, on, s)
	for k := range view.Backfills {
		b := &view.Backfills[k]
		if b.Status.Final() || b.Left == 0 || b.Running >= b.Parallel {
			continue
		}
		if j := schedule.HeldBack(v, &b.Backfill); j != nil {
			b.Reason = "starts nothing while job " + j.ID + ", which is more important, waits for a place"
		}
	}
	return view
}

// putSchedule checks a job file as a submit does, and stores when it is to run.
func (a *api) putSchedule(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.ScheduleRequest](r)
	if err != nil {
		return err
	}
	spec, _, err := a.expand(r.Context(), q.Spec, runNow())
	if err != nil {
		return err
	}
	if spec.Schedule.Cron == "" {
		return invalid("job file: schedule is missing")
	}
	s := wire.Schedule{
		Name: spec.Name, Kind: spec.Kind, Priority: spec.Priority, Spec: q.Spec, SpecHash: hash(q.Spec), When: spec.Schedule.Filled(),
	}
	if s.Next, err = a.nextFiring(s.Name, s.When); err != nil {
		return err
	}
	return a.write(w, r, wire.CmdPutSchedule, wire.PutSchedule{Schedule: s, CheckIndex: q.CheckIndex})
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// nextFiring is the first after now, and after all that were settled: clocks of
// different leaders differ.
func (a *api) nextFiring(name string, when wire.ScheduleSpec) (int64, error) {
	line, err := when.Line()
	if err != nil {
		return 0, invalid("schedule: %v", err)
	}
	after := time.Now().UnixMilli()
	if old, ok := a.State.Read().Schedule(nil, name); ok {
		after = max(after, old.Last)
	}
	return line.Next(after), nil
}

// write proposes a command and answers with the id of what it changed.
func (a *api) write(w http.ResponseWriter, r *http.Request, n wire.Number, command any) error {
	out, err := a.propose(r, n, command)
	if err != nil {
		return err
	}
	return answer(w, out.Index, wire.SubmitReply{ID: out.ID, Index: out.Index})
}

// named finds the schedule of a request.
func (a *api) named(r *http.Request) (*wire.Schedule, error) {
	name := r.PathValue("name")
	s, ok := a.State.Read().Schedule(nil, name)
	if !ok {
		return nil, notFound("schedule", name)
	}
	return s, nil
}

func (a *api) pauseSchedule(paused bool) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := body[wire.CheckRequest](r)
		if err != nil {
			return err
		}
		s, err := a.named(r)
		if err != nil {
			return err
		}
		c := wire.SetSchedule{Name: s.Name, Paused: paused, CheckIndex: q.CheckIndex}
		if !paused {
			if c.Next, err = a.nextFiring(s.Name, s.When); err != nil {
				return err
			}
		}
		return a.write(w, r, wire.CmdSetSchedule, c)
	}
}

func (a *api) deleteSchedule(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.CheckRequest](r)
	if err != nil {
		return err
	}
	return a.write(w, r, wire.CmdDeleteSchedule, wire.DeleteSchedule{Name: r.PathValue("name"), CheckIndex: q.CheckIndex})
}

// trigger runs a schedule's job now.
func (a *api) trigger(w http.ResponseWriter, r *http.Request) error {
	s, err := a.named(r)
	if err != nil {
		return err
	}
	c := wire.TriggerSchedule{Schedule: s.Name, At: time.Now().UnixMilli()}
	if c.Job, c.Stages, err = schedule.RunOf(s, wire.Firing{At: c.At, By: wire.ByTrigger}); err != nil {
		return invalid("%v", err)
	}
	out, err := a.propose(r, wire.CmdTriggerSchedule, c)
	if err != nil {
		return err
	}
	_, started := a.State.Read().Job(nil, out.ID)
	return answer(w, out.Index, wire.TriggerReply{ID: out.ID, Waiting: !started, Index: out.Index})
}

// mostParallel bounds the runs that a backfill may have at a time.
const mostParallel = 100

func (a *api) backfill(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.BackfillRequest](r)
	if err != nil {
		return err
	}
	s, err := a.named(r)
	if err != nil {
		return err
	}
	b := wire.Backfill{
		Schedule: s.Name, Kind: s.Kind, Priority: schedule.BackfillPriority(s.Priority), Spec: s.Spec, SpecHash: s.SpecHash,
		Cron: s.When.Cron, Zone: s.When.Zone, Parallel: q.Parallel, StopOnFailure: q.StopOnFailure,
	}
	if q.Priority != nil {
		b.Priority = *q.Priority
	}
	if q.Parallel < 1 || q.Parallel > mostParallel {
		return invalid("parallel is %d; want 1 to %d", q.Parallel, mostParallel)
	}
	if b.Priority < -100 || b.Priority > 100 {
		return invalid("priority is %d; want -100 to 100", b.Priority)
	}
	if err := fillRange(&b, q, s.When); err != nil {
		return err
	}
	return a.write(w, r, wire.CmdPutBackfill, wire.PutBackfill{Backfill: b})
}

// fillRange reads the bounds of a backfill and counts the firings between them.
func fillRange(b *wire.Backfill, q wire.BackfillRequest, when wire.ScheduleSpec) error {
	zone, err := cron.Zone(when.Zone)
	if err != nil {
		return invalid("schedule: %v", err)
	}
	if b.From, err = cron.Moment(q.From, zone); err != nil {
		return invalid("from: %v", err)
	}
	if b.To, err = cron.Moment(q.To, zone); err != nil {
		return invalid("to: %v", err)
	}
	if b.From >= b.To {
		return invalid("to is %s, not after from %s", q.To, q.From)
	}
	if b.To > time.Now().UnixMilli() {
		return invalid("to is %s, which is yet to come: a backfill is of the past", q.To)
	}
	line, err := when.Line()
	if err != nil {
		return invalid("schedule: %v", err)
	}
	times := line.Between(b.From, b.To, schedule.MostBackfill+1)
	switch {
	case len(times) == 0:
		return invalid("nothing fires from %s to %s", q.From, q.To)
	case len(times) > schedule.MostBackfill:
		return invalid("more than %d firings from %s to %s: take a part of them", schedule.MostBackfill, q.From, q.To)
	}
	b.Total, b.Next = len(times), times[0]
	return nil
}

func (a *api) stopBackfill(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.StopRequest](r)
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if b, ok := a.State.Read().Backfill(nil, id); !ok || b.Schedule != r.PathValue("name") {
		return notFound("backfill", id)
	}
	return a.write(w, r, wire.CmdStopBackfill, wire.StopBackfill{ID: id, Reason: q.Reason, CheckIndex: q.CheckIndex})
}
