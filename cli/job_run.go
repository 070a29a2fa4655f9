package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) jobRunCommand() *cli.Command {
	flags := clientFlags(detachFlag(), setFlag(), scheduleCheckFlag())
	c := p.command("run", "FILE", "submit a job and follow it", flags, p.jobRun)
	c.Description = jobFileHelp + scheduleHelp + "\n\nCtrl-C leaves the job running. Exit code: 0 done, 8 failed, 130 left by Ctrl-C."
	return c
}

func (p *program) jobRun(c *cli.Context) error {
	spec, dir, err := p.readSpec(c)
	if err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	id, err := p.submitOrSchedule(c, api, spec, dir)
	if err != nil {
		return err
	}
	p.talkCommands(c, id)
	if c.Bool("detach") {
		return p.printID(wire.SubmitReply{ID: id})
	}
	if err = p.awaitStart(c.Context, api, spec, id); err == nil {
		err = p.followToEnd(c.Context, api, id)
	}
	if err != nil && c.Err() != nil {
		p.talk("\njob %s goes on without you; come back with\n  cohort job wait%s %s", id, p.addrFlag(c), id)
	}
	return err
}

// submit uploads the files of a job and hands it in.
func (p *program) submit(ctx context.Context, api *client.Client, spec wire.Spec, dir string) (id string, err error) {
	if err := p.resolve(ctx, api.Blobs(), &spec, dir); err != nil {
		return "", err
	}
	text, err := spec.Text()
	if err != nil {
		return "", err
	}
	r, err := api.Submit(ctx, text)
	return r.ID, err
}

// addrFlag is what a person must type to reach the same cluster.
func (p *program) addrFlag(c *cli.Context) string {
	if a := c.String("addr"); a != defaultAddr && p.env["COHORT_ADDR"] == "" {
		return " --addr " + a
	}
	return ""
}

func (p *program) talkCommands(c *cli.Context, id string) {
	var b strings.Builder
	fmt.Fprintf(&b, "job %s submitted; useful commands:\n", id)
	for _, verb := range []string{"status", "logs -f", "wait", "stop"} {
		fmt.Fprintf(&b, "  cohort job %s%s %s\n", verb, p.addrFlag(c), id)
	}
	p.talk("%s", strings.TrimRight(b.String(), "\n"))
}

// followToEnd follows a job and prints its last state. A job that did not end
// well is an error with code 8.
func (p *program) followToEnd(ctx context.Context, api *client.Client, id string) error {
	j, err := p.follow(ctx, api, id)
	if err != nil {
		return err
	}
	if err := p.printEnd(j); err != nil {
		return err
	}
	return ended(j)
}

// printEnd is the data of a followed job: the final state as JSON, or the
// table of results.
func (p *program) printEnd(j wire.JobView) error {
	if p.format == "json" {
		return p.printJSON(j)
	}
	return p.printResult(j)
}

func ended(j wire.JobView) error {
	if j.Status == wire.Done {
		return nil
	}
	reason := j.Reason
	if reason == "" {
		reason = "no reason was given"
	}
	code := exitJobFailed
	for _, s := range j.Stages {
		if s.Cause == wire.CauseGate {
			code = exitGate
		}
	}
	return &exitError{code: code, text: fmt.Sprintf("job %s %s: %s", j.ID, j.Status, reason)}
}

// away reports whether the coordinator cannot be reached for now.
func away(err error) bool {
	if reply, ok := errors.AsType[*wire.Error](err); ok {
		return reply.Code == wire.CodeNoLeader
	}
	return classOf(err) == exitUnavailable
}
