package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobPlanCommand() *cli.Command {
	c := p.command("plan", "FILE", "say what a job would run, without running it", clientFlags(setFlag()), p.jobPlan)
	c.Description = jobFileHelp + "\n\nExit code: 0 nothing to do, 1 would change, 255 error."
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
	if err := p.resolve(c.Context, api, &spec, dir); err != nil {
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
		"STAGE | KIND | RUN | TASKS | AFTER | STATUS", func(s wire.Stage) []string {
			return []string{s.Name, string(s.Kind), string(s.Run), fmt.Sprint(s.Tasks), either(strings.Join(s.After, ",")), either(string(s.Status))}
		})
	if err != nil {
		return err
	}
	for _, s := range plan.Stages {
		if s.Status != wire.Done {
			return errWouldChange
		}
	}
	return nil
}
