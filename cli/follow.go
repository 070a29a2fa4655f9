package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

const (
	followEvery = 500 * time.Millisecond // how often a followed job is looked at
	followAway  = 5 * time.Minute        // how long an absent coordinator is waited for
)

// A display shows a followed job to a person.
type display interface {
	show(j wire.JobView)
	say(text string)
	end()
}

func (p *program) display() display {
	switch {
	case p.quiet:
		return silent{}
	case p.terminal():
		return newBars(p.err.w, p.color)
	default:
		return newPlain(p.err)
	}
}

type silent struct{}

func (silent) show(wire.JobView) {}
func (silent) say(string)        {}
func (silent) end()              {}

// follow shows a job until it has ended. A coordinator that goes away is
// waited for: training goes on without it.
func (p *program) follow(ctx context.Context, api *client.Client, id string) (wire.JobView, error) {
	d := p.display()
	defer d.end()
	var index uint64
	var gone time.Time
	for {
		j, next, err := api.Job(ctx, id, index, followEvery)
		switch {
		case ctx.Err() != nil:
			return j, ctx.Err()
		case err == nil:
			gone, index = time.Time{}, next
			d.show(j)
			if j.Status.Final() {
				return j, nil
			}
		case !away(err) || !gone.IsZero() && time.Since(gone) > followAway:
			return j, err
		case gone.IsZero():
			gone = time.Now()
			d.say("no coordinator answers; what trains goes on, waiting")
		}
		if err := pause(ctx, followEvery/2); err != nil {
			return j, err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// fraction is how much of a stage is done, 0 to 1, by its tasks' reports.
func fraction(reports []wire.Progress) float64 {
	var sum float64
	for _, r := range reports {
		if r.Total > 0 {
			sum += min(1, float64(r.Done)/float64(r.Total))
		}
	}
	return sum / float64(max(1, len(reports)))
}

// finished is the report that is furthest, and the whole epochs behind it. Its
// loss and AUC are the last finished epoch's: while the newest one is being
// validated, still the one before.
func finished(reports []wire.Progress) (r wire.Progress, epochs int) {
	for _, q := range reports {
		if q.Done >= r.Done {
			r = q
		}
	}
	if r.Total <= 0 {
		return r, 0
	}
	epochs = int(r.Done * int64(r.Epochs) / r.Total)
	switch r.Message {
	case "validating":
		epochs--
	case "saving the weights":
		epochs = r.Epoch // early stopping made them fewer
	}
	return r, epochs
}

// reportsOf are the reports of one stage's tasks.
func reportsOf(j wire.JobView, stage string) []wire.Progress {
	var of []wire.Progress
	for _, r := range j.Progress {
		if within(r.Task, j.ID+"/"+stage) {
			of = append(of, r)
		}
	}
	return of
}

// within reports whether task "JOB/STAGE/INDEX" belongs to "JOB/STAGE".
func within(task, stage string) bool {
	return len(task) > len(stage) && task[:len(stage)] == stage && task[len(stage)] == '/'
}

// figures are loss, AUC and speed of a task, as far as it has them.
func figures(r wire.Progress) []string {
	var f []string
	if r.Loss != 0 {
		f = append(f, fmt.Sprintf("loss %.4f", r.Loss))
	}
	if r.ValidAUC != 0 {
		f = append(f, fmt.Sprintf("valid AUC %.4f", r.ValidAUC))
	}
	if r.Rate > 0 {
		f = append(f, grouped(int64(r.Rate))+" answers/s")
	}
	return f
}

// idleFor is how long a job must have waited before its reason is said.
const idleFor = time.Second

// A patience holds back reasons that are gone in a moment.
type patience struct {
	reason string
	since  time.Time
	said   bool
}

// due answers the reason that a job waits for, once, when it has lasted.
func (p *patience) due(j wire.JobView, now time.Time) (reason string, ok bool) {
	if r := reasonOf(j); r != p.reason {
		*p = patience{reason: r, since: now}
	}
	if p.reason == "" || p.said || j.Status.Final() || now.Sub(p.since) < idleFor {
		return "", false
	}
	p.said = true
	return "waiting: " + oneLine(p.reason), true
}

// waits tells a stage that has not begun from one that is tried again.
func waits(s wire.StageView) bool { return s.Reason == "" || strings.HasPrefix(s.Reason, "waits") }

// reasonOf is why nothing of a job runs: its own reason, or that of the first
// stage that has not begun.
func reasonOf(j wire.JobView) string {
	if len(j.Stages) == 0 {
		return j.Reason
	}
	first := ""
	for _, s := range j.Stages {
		switch {
		case s.Status == wire.Running:
			return ""
		case s.Status == wire.Pending && first == "" && waits(s):
			first = s.Name + " " + s.Reason
		}
	}
	return first
}
