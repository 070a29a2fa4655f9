package client

import (
	"context"
	"net/http"

	"cohort/coordinator/wire"
)

func scheduleURL(name, verb string) string { return "/v1/schedules/" + esc(name) + verb }

// Schedules lists the schedules by name.
func (c *Client) Schedules(ctx context.Context) (r []wire.ScheduleView, err error) {
	_, err = c.do(ctx, http.MethodGet, "/v1/schedules", nil, &r)
	return r, err
}

// Schedule reads a schedule.
func (c *Client) Schedule(ctx context.Context, name string) (r wire.ScheduleView, err error) {
	_, err = c.do(ctx, http.MethodGet, scheduleURL(name, ""), nil, &r)
	return r, err
}

// PutSchedule stores the schedule of a job file, or replaces the one of its name.
func (c *Client) PutSchedule(ctx context.Context, q wire.ScheduleRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, "/v1/schedules", q, &r)
	return r, err
}

// PauseSchedule keeps a schedule from firing.
func (c *Client) PauseSchedule(ctx context.Context, name string, q wire.CheckRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, scheduleURL(name, "/pause"), q, &r)
	return r, err
}

// ResumeSchedule lets a paused schedule fire again.
func (c *Client) ResumeSchedule(ctx context.Context, name string, q wire.CheckRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, scheduleURL(name, "/resume"), q, &r)
	return r, err
}

// DeleteSchedule forgets a schedule; its jobs stay.
func (c *Client) DeleteSchedule(ctx context.Context, name string, q wire.CheckRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, scheduleURL(name, "/delete"), q, &r)
	return r, err
}

// TriggerSchedule runs a schedule's job now.
func (c *Client) TriggerSchedule(ctx context.Context, name string) (r wire.TriggerReply, err error) {
	_, err = c.do(ctx, http.MethodPost, scheduleURL(name, "/trigger"), nil, &r)
	return r, err
}

// Backfill runs a schedule's job for each firing of a range of the past.
func (c *Client) Backfill(ctx context.Context, name string, q wire.BackfillRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, scheduleURL(name, "/backfill"), q, &r)
	return r, err
}

// StopBackfill ends a backfill and its runs that go on.
func (c *Client) StopBackfill(ctx context.Context, name, id string, q wire.StopRequest) (r wire.SubmitReply, err error) {
	_, err = c.do(ctx, http.MethodPost, scheduleURL(name, "/backfill/"+esc(id)+"/stop"), q, &r)
	return r, err
}
