package cli

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobPlanCommand() *cli.Command {
	c := p.command("plan", "FILE", "say what a job would run, without running it", clientFlags(setFlag()), p.jobPlan)
	c.Description = jobFileHelp + "\n\nExit code: 0 the same job is done already, 1 it would run, 255 error."
	return c
}

func (p *program) jobPlan(c *cli.Context) error {
	spec, dir, err := p.readSpec(c)
	if err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	if err := p.resolve(c.Context, nil, &spec, dir); err != nil {
		return err
	}
	text, err := spec.Text()
	if err != nil {
		return err
	}
	plan, err := api.Plan(c.Context, text)
	if err != nil {
		return err
	}
	err = printList(p, plan.Stages, func(s wire.Stage) string { return s.Name },
		"STAGE | KIND | RUN | TASKS | AFTER", func(s wire.Stage) []string {
			return []string{s.Name, string(s.Kind), string(s.Run), fmt.Sprint(s.Tasks), either(strings.Join(s.After, ","))}
		})
	if err != nil {
		return err
	}
	jobs, err := api.Jobs(c.Context)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Status == wire.Done && j.SpecHash == fmt.Sprintf("%x", sha256.Sum256([]byte(text))) {
			p.talk("nothing to do: job %s has run all this", j.ID)
			return nil
		}
	}
	return errWouldChange
}
