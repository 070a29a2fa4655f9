package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) scheduleTriggerCommand() *cli.Command {
	flags := clientFlags(&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "leave once the run is accepted"})
	c := p.command("trigger", "NAME", "run a schedule's job now and follow it", flags, p.scheduleTrigger)
	c.Description = `Where the run before goes on, the schedule's overlap policy holds: with skip this
is refused, with queue it waits, with stop the run before is stopped.

Exit code: 0 done, 5 refused, 8 failed, 130 left by Ctrl-C.`
	return c
}

func (p *program) scheduleTrigger(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	name := c.Args().First()
	r, err := api.TriggerSchedule(c.Context, name)
	if err != nil {
		return err
	}
	if c.Bool("detach") {
		if p.format == "json" {
			return p.printJSON(r)
		}
		p.printf("%s\n", r.ID)
		return nil
	}
	if err := p.awaitRun(c.Context, api, name, r.ID); err != nil {
		return err
	}
	return p.followToEnd(c.Context, api, r.ID)
}

// submitOrSchedule hands a job in; one with a schedule is stored, and triggered.
func (p *program) submitOrSchedule(c *cli.Context, api *client.Client, spec wire.Spec, dir string) (id string, err error) {
	if spec.Schedule.Cron == "" {
		if c.IsSet("check-index") {
			return "", usagef("--check-index is for job files with a schedule")
		}
		return p.submit(c.Context, api, spec, dir)
	}
	if err := p.resolve(c.Context, api.Blobs(), &spec, dir); err != nil {
		return "", err
	}
	text, err := spec.Text()
	if err != nil {
		return "", err
	}
	if _, err := api.PutSchedule(c.Context, wire.ScheduleRequest{Spec: text, CheckIndex: check(c).CheckIndex}); err != nil {
		return "", err
	}
	s, err := api.Schedule(c.Context, spec.Name)
	if err != nil {
		return "", err
	}
	p.talk("schedule %s is stored; next: %s; and now:", s.Name, nextOf(s))
	r, err := api.TriggerSchedule(c.Context, spec.Name)
	if err != nil {
		return "", fmt.Errorf("the schedule is stored, but not run now: %w", err)
	}
	return r.ID, nil
}

// awaitStart waits for the job of a spec with a schedule to be there.
func (p *program) awaitStart(ctx context.Context, api *client.Client, spec wire.Spec, id string) error {
	if spec.Schedule.Cron == "" {
		return nil
	}
	return p.awaitRun(ctx, api, spec.Name, id)
}

// awaitRun waits until a triggered run has begun.
func (p *program) awaitRun(ctx context.Context, api *client.Client, name, id string) error {
	for told := false; ; {
		_, _, err := api.Job(ctx, id, 0, 0)
		reply, ok := errors.AsType[*wire.Error](err)
		if err == nil || !ok || reply.Code != wire.CodeNotFound {
			return err
		}
		s, err := api.Schedule(ctx, name)
		if err != nil {
			return err
		}
		if !told {
			p.talk("waiting: %s goes on", s.Run)
			told = true
		}
		if len(s.Waiting) == 0 && !slices.ContainsFunc(s.Runs, func(f wire.Firing) bool { return f.Job == id }) {
			return &exitError{code: exitConflict, text: fmt.Sprintf("job %s was not started; see cohort schedule show %s", id, name)}
		}
		if err := pause(ctx, followEvery); err != nil {
			return err
		}
	}
}
