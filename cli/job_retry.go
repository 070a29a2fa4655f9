package cli

import (
	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobRetryCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringFlag{Name: "from", Usage: "run `STAGE` and all that waits for it again, also where it is done"},
		&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "do not follow the job"},
		&cli.UintFlag{Name: "check-index", Usage: "refuse when the job's modify_index is not `N` any more"},
	)
	c := p.command("retry", "JOB", "take a job that has ended up again", flags, p.jobRetry)
	c.Description = "Stages that are done stay so; the others, or those from --from on, are run again."
	return c
}

func (p *program) jobRetry(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	id := c.Args().First()
	r, err := api.Retry(c.Context, id, wire.RetryRequest{From: c.String("from"), CheckIndex: uint64(c.Uint("check-index"))})
	if err != nil {
		return err
	}
	if !c.Bool("detach") {
		return p.followToEnd(c.Context, api, id)
	}
	return p.printID(r)
}
