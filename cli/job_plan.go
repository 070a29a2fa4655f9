package cli

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobPlanCommand() *cli.Command {
	c := p.command("plan", "FILE", "say what a job would run, without running it", clientFlags(setFlag()), p.jobPlan)
	c.Description = jobFileHelp + "\n\nExit code: 0 nothing would run, 1 something would, 255 error. A stage that asks\nits source may find nothing new; that is known when it has asked."
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
	err = printList(p, plan.Stages, func(s wire.PlannedStage) string { return s.Name },
		"STAGE | KIND | TASKS | AFTER | ACTION | WHY", func(s wire.PlannedStage) []string {
			return []string{s.Name, string(s.Kind), fmt.Sprint(s.Tasks), either(strings.Join(s.After, ",")), string(s.Action), s.Why}
		})
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(plan.Stages, func(s wire.PlannedStage) bool { return s.Action != wire.ActionReuse }) {
		p.talk("nothing to do: nothing has changed")
		return nil
	}
	if spec.Kind == "pipeline" {
		return errWouldChange
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
