package cli

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

// logPage is how long one blocking read of a log waits.
const logPage = 2 * time.Second

func (p *program) jobLogsCommand() *cli.Command {
	follow := &cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until the job ends"}
	return p.command("logs", "JOB", "print a job's log", clientFlags(follow), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		return p.logs(c.Context, api, c.Args().First(), c.Bool("follow"))
	})
}

// logs prints a page after the other. A job that has ended is read once more,
// since its last lines may come after its status.
func (p *program) logs(ctx context.Context, api *client.Client, id string, follow bool) error {
	wait, from, last := time.Duration(0), uint64(0), !follow
	for {
		page, err := api.Logs(ctx, id, from, wait)
		if err != nil {
			return err
		}
		for _, l := range page.Lines {
			if err := p.logLine(l); err != nil {
				return err
			}
		}
		from = page.Next
		if len(page.Lines) > 0 {
			continue
		}
		if last {
			return nil
		}
		j, _, err := api.Job(ctx, id, 0, 0)
		if err != nil {
			return err
		}
		wait, last = logPage, j.Status.Final()
		if last {
			wait = 0
		}
	}
}

func (p *program) logLine(l wire.LogLine) error {
	if p.format == "json" {
		return p.printJSON(l)
	}
	p.printf("%s  %s\n", l.Task, oneLine(l.Text))
	return nil
}
