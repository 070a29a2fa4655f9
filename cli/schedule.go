package cli

import (
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/cron"
	"cohort/coordinator/wire"
)

func (p *program) scheduleCommand() *cli.Command {
	return &cli.Command{
		Name: "schedule", Usage: "jobs that run by themselves", HideHelp: true,
		Subcommands: []*cli.Command{
			p.scheduleListCommand(), p.scheduleShowCommand(), p.schedulePauseCommand(), p.scheduleResumeCommand(),
			p.scheduleTriggerCommand(), p.scheduleBackfillCommand(), p.scheduleDeleteCommand(),
		},
	}
}

const scheduleHelp = `

A job file with a schedule is kept: job run stores when it is to run, or
replaces what is stored under its name, and runs it once now. "cohort schedule"
does the rest.`

func (p *program) scheduleListCommand() *cli.Command {
	return p.command("list", "", "list schedules", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		all, err := api.Schedules(c.Context)
		if err != nil {
			return err
		}
		now := time.Now()
		return printList(p, all, func(s wire.ScheduleView) string { return s.Name },
			"NAME | CRON | ZONE | NEXT | LAST RUN | STATUS | WARNING", func(s wire.ScheduleView) []string {
				run := lastRun(s)
				return []string{s.Name, s.When.Cron, s.When.Zone, nextOf(s), ago(run.Settled, now), either(string(run.Status)), either(oneLine(run.Warning))}
			})
	})
}

// nextOf is when a schedule fires next, as its zone's people write it.
func nextOf(s wire.ScheduleView) string {
	if s.Paused {
		return "paused"
	}
	return zoned(s.Next, s.When.Zone)
}

func zoned(ms int64, name string) string {
	zone, err := cron.Zone(name)
	if err != nil {
		zone = time.UTC
	}
	return cron.Text(ms, zone)
}

// lastRun is the newest firing that was started.
func lastRun(s wire.ScheduleView) (last wire.FiringView) {
	for _, f := range s.History {
		if f.State == wire.FiringStarted {
			last = f
		}
	}
	return last
}

// scheduleChange is a command that changes one schedule and says so.
func (p *program) scheduleChange(name, usage, did string, do func(*client.Client, *cli.Context, string) (wire.SubmitReply, error)) *cli.Command {
	return p.command(name, "NAME", usage, clientFlags(scheduleCheckFlag()), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		r, err := do(api, c, c.Args().First())
		if err != nil {
			return err
		}
		return p.printChange(r, did)
	})
}

func (p *program) printChange(r wire.SubmitReply, did string) error {
	if p.format == "json" {
		return p.printJSON(r)
	}
	if !p.quiet {
		p.printf("%s %s\n", r.ID, did)
	}
	return nil
}

func scheduleCheckFlag() cli.Flag {
	return &cli.UintFlag{Name: "check-index", Usage: "refuse when the schedule's modify_index is not `N` any more"}
}

func check(c *cli.Context) wire.CheckRequest {
	return wire.CheckRequest{CheckIndex: uint64(c.Uint("check-index"))}
}

func (p *program) schedulePauseCommand() *cli.Command {
	c := p.scheduleChange("pause", "keep a schedule from firing; what runs goes on", "paused",
		func(api *client.Client, c *cli.Context, name string) (wire.SubmitReply, error) {
			return api.PauseSchedule(c.Context, name, check(c))
		})
	c.Description = "Firings while it is paused do not happen, and are not caught up either."
	return c
}

func (p *program) scheduleResumeCommand() *cli.Command {
	return p.scheduleChange("resume", "let a paused schedule fire again", "resumed",
		func(api *client.Client, c *cli.Context, name string) (wire.SubmitReply, error) {
			return api.ResumeSchedule(c.Context, name, check(c))
		})
}

func (p *program) scheduleDeleteCommand() *cli.Command {
	c := p.scheduleChange("delete", "forget a schedule and its backfills", "deleted",
		func(api *client.Client, c *cli.Context, name string) (wire.SubmitReply, error) {
			return api.DeleteSchedule(c.Context, name, check(c))
		})
	c.Description = "Its jobs stay; those that run go on."
	return c
}
