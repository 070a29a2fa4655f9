package cli

import (
	"context"
	"fmt"
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
			d.say(fmt.Sprintf("coordinator away (%s); waiting for it", oneLine(err.Error())))
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

// finished counts the whole epochs behind a report.
func finished(reports []wire.Progress) int {
	most := 0
	for _, r := range reports {
		if r.Total > 0 {
			most = max(most, int(r.Done*int64(r.Epochs)/r.Total))
		}
	}
	return most
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

// figures are loss, AUC and speed of a job, as far as it has them.
func figures(j wire.JobView) []string {
	var f []string
	if j.Loss != 0 {
		f = append(f, fmt.Sprintf("loss %.4f", j.Loss))
	}
	if j.ValidAUC != 0 {
		f = append(f, fmt.Sprintf("valid AUC %.4f", j.ValidAUC))
	}
	if j.Rate > 0 {
		f = append(f, grouped(int64(j.Rate))+" answers/s")
	}
	return f
}
