package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func detachFlag() cli.Flag {
	return &cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "leave once the job is accepted"}
}

func (p *program) tuneExtendCommand() *cli.Command {
	flags := clientFlags(&cli.UintFlag{Name: "trials", Usage: "`N` trials in all, more than the study had"}, detachFlag())
	c := p.command("extend", "JOB", "run a job again with more trials in its study", flags, p.tuneExtend)
	c.Description = "A new job of the same file. Trials that the study had are not run again: their results are taken."
	return c
}

func (p *program) tuneExtend(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	old := c.Args().First()
	s, err := api.Study(c.Context, old)
	if err != nil {
		return err
	}
	n := int(c.Uint("trials"))
	if n <= s.Trials {
		return usagef("--trials %d: the study of %s has %d; give more", n, old, s.Trials)
	}
	j, _, err := api.Job(c.Context, old, 0, 0)
	if err != nil {
		return err
	}
	spec, err := wire.ParseSpec("job file of "+old, []byte(j.Spec), fmt.Sprintf("tune.trials=%d", n))
	if err != nil {
		return err
	}
	text, err := spec.Text()
	if err != nil {
		return err
	}
	r, err := api.Submit(c.Context, text)
	if err != nil {
		return err
	}
	p.talkCommands(c, r.ID)
	if c.Bool("detach") {
		return p.printID(r)
	}
	err = p.followToEnd(c.Context, api, r.ID)
	return p.sayTaken(c, api, r.ID, err)
}

// sayTaken says how many trials of an extended study were not run again.
func (p *program) sayTaken(c *cli.Context, api *client.Client, id string, err error) error {
	if c.Err() != nil {
		return err
	}
	s, failed := api.Study(c.Context, id)
	if failed != nil {
		return err
	}
	taken := 0
	for _, t := range s.Table {
		if t.Reused != "" {
			taken++
		}
	}
	p.talk("%d of %d trials were taken as they were", taken, len(s.Table))
	return err
}

func (p *program) printID(r wire.SubmitReply) error {
	if p.format == "json" {
		return p.printJSON(r)
	}
	p.printf("%s\n", r.ID)
	return nil
}

func (p *program) tuneResumeCommand() *cli.Command {
	c := p.command("resume", "JOB", "take up a job whose study was interrupted", clientFlags(detachFlag()), p.tuneResume)
	c.Description = "As job retry: trials that have ended stay as they are, those that were under way go on from their last checkpoint."
	return c
}

func (p *program) tuneResume(c *cli.Context) error {
	s, err := p.study(c)
	if err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	r, err := api.Retry(c.Context, s.Job, wire.RetryRequest{})
	if err != nil {
		return err
	}
	if c.Bool("detach") {
		return p.printID(r)
	}
	return p.followToEnd(c.Context, api, s.Job)
}
