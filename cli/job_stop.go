package cli

import (
	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobStopCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringFlag{Name: "reason", Usage: "`TEXT` for the record"},
		&cli.UintFlag{Name: "check-index", Usage: "refuse when the job's modify_index is not `N` any more"},
	)
	return p.command("stop", "JOB", "end a job", flags, func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		reason := c.String("reason")
		if reason == "" {
			reason = "stopped by " + p.actor()
		}
		id := c.Args().First()
		r, err := api.Stop(c.Context, id, wire.StopRequest{Reason: reason, CheckIndex: uint64(c.Uint("check-index"))})
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(r)
		}
		if !p.quiet {
			p.printf("%s stopped\n", id)
		}
		return nil
	})
}
