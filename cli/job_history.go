package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) jobHistoryCommand() *cli.Command {
	limit := &cli.UintFlag{Name: "limit", Value: 20, Usage: "most `N` runs that are listed; 0 is all"}
	c := p.command("history", "NAME|JOB", "list the runs of a job's name, the newest first", clientFlags(limit), p.jobHistory)
	c.Description = "AT is the time that a run is for. REUSED are stages whose inputs had not changed, so that an earlier run's result was taken."
	return c
}

func (p *program) jobHistory(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	runs, err := runsOf(c.Context, api, name, int(c.Uint("limit")))
	if err != nil {
		return err
	}
	now := time.Now()
	return printList(p, runs, func(j wire.JobView) string { return j.ID },
		"JOB | AT | STATUS | TOOK | RAN | REUSED | AUC | REASON", func(j wire.JobView) []string {
			ran, reused := whatRan(j)
			return []string{
				j.ID, firedAt(j), string(j.Status), took(j, now), either(strings.Join(ran, ",")), either(strings.Join(reused, ",")),
				bestAUC(j), either(oneLine(j.Reason)),
			}
		})
}

// runsOf are the runs of a name, or of a job's.
func runsOf(ctx context.Context, api *client.Client, name string, limit int) ([]wire.JobView, error) {
	runs, err := api.History(ctx, name, limit)
	if err != nil || len(runs) > 0 {
		return runs, err
	}
	j, _, err := api.Job(ctx, name, 0, 0)
	if reply, ok := errors.AsType[*wire.Error](err); ok && reply.Code == wire.CodeNotFound {
		return nil, &wire.Error{Code: wire.CodeNotFound, Message: fmt.Sprintf("no job has the name or the id %q", name)}
	}
	if err != nil {
		return nil, err
	}
	return api.History(ctx, j.Name, limit)
}

// whatRan are the stages that began, and those that needed not.
func whatRan(j wire.JobView) (ran, reused []string) {
	for _, s := range j.Stages {
		switch {
		case s.Reused != "":
			reused = append(reused, s.Name)
		case s.Started > 0:
			ran = append(ran, s.Name)
		}
	}
	return ran, reused
}

func firedAt(j wire.JobView) string {
	at := j.At
	if at == 0 {
		at = j.Submitted
	}
	return time.UnixMilli(at).UTC().Format("2006-01-02 15:04Z")
}

// took is how long a run has taken, so far or in all.
func took(j wire.JobView, now time.Time) string {
	end := now
	if j.Ended > 0 {
		end = time.UnixMilli(j.Ended)
	}
	return span(end.Sub(time.UnixMilli(j.Submitted)))
}

// bestAUC is that of the held-out students, or of the validation so far.
func bestAUC(j wire.JobView) string {
	if r, err := resultOf(j); err == nil && r.Test != nil {
		return fmt.Sprintf("%.4f", r.Test.AUC)
	}
	return aucOf(j)
}
