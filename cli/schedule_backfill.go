package cli

import (
	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) scheduleBackfillCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringFlag{Name: "from", Usage: "`TIME` of the first firing: 2006-01-02 in the schedule's zone, or RFC 3339"},
		&cli.StringFlag{Name: "to", Usage: "`TIME` before which the last one is"},
		&cli.IntFlag{Name: "parallel", Value: 1, Usage: "`N` runs at a time, at most"},
		&cli.IntFlag{Name: "priority", Usage: "`N` of the runs; not given: 50 below the schedule's own"},
		&cli.BoolFlag{Name: "stop-on-failure", Usage: "start no more runs once one has failed"},
		&cli.StringFlag{Name: "stop", Usage: "end the backfill `ID`, and its runs that go on, instead of beginning one"},
		&cli.StringFlag{Name: "reason", Usage: "`TEXT` for the record, with --stop"},
	)
	c := p.command("backfill", "NAME", "run a schedule's job for each firing of a range of the past", flags, p.scheduleBackfill)
	c.Description = `One run for each time in the range at which the schedule would have fired. While a
more important job waits for a place, no further run is started. "cohort schedule
show NAME" says how far it is; any leader goes on with it.`
	return c
}

func (p *program) scheduleBackfill(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	if id := c.String("stop"); id != "" {
		return p.stopBackfill(c, api, name, id)
	}
	for _, flag := range []string{"from", "to"} {
		if c.String(flag) == "" {
			return usagef("cohort schedule backfill needs --%s", flag)
		}
	}
	q := wire.BackfillRequest{
		From: c.String("from"), To: c.String("to"), Parallel: c.Int("parallel"), StopOnFailure: c.Bool("stop-on-failure"),
	}
	if c.IsSet("priority") {
		n := c.Int("priority")
		q.Priority = &n
	}
	r, err := api.Backfill(c.Context, name, q)
	if err != nil {
		return err
	}
	if p.format == "json" {
		return p.printJSON(r)
	}
	p.printf("%s\n", r.ID)
	p.talk("how far it is: cohort schedule show%s %s", p.addrFlag(c), name)
	return nil
}

func (p *program) stopBackfill(c *cli.Context, api *client.Client, name, id string) error {
	for _, flag := range []string{"from", "to", "parallel", "priority", "stop-on-failure"} {
		if c.IsSet(flag) {
			return usagef("--stop and --%s do not go together", flag)
		}
	}
	reason := c.String("reason")
	if reason == "" {
		reason = "stopped by " + p.actor()
	}
	r, err := api.StopBackfill(c.Context, name, id, wire.StopRequest{Reason: reason})
	if err != nil {
		return err
	}
	return p.printChange(r, "stopped")
}
