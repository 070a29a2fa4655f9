package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"
)

func (p *program) jobWaitCommand() *cli.Command {
	timeout := &cli.DurationFlag{Name: "timeout", Usage: "leave with 124 after `DURATION`; 0 waits on"}
	c := p.command("wait", "JOB", "follow a job until it ends", clientFlags(timeout), p.jobWait)
	c.Description = "Exit code: 0 done, 8 failed or stopped, 124 timed out."
	return c
}

var errTimeout = errors.New("wait timed out")

func (p *program) jobWait(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	ctx, id, limit := c.Context, c.Args().First(), c.Duration("timeout")
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTimeout)
		defer cancel()
	}
	err = p.followToEnd(ctx, api, id)
	if errors.Is(context.Cause(ctx), errTimeout) && errors.Is(err, context.DeadlineExceeded) {
		return &exitError{code: exitWait, text: fmt.Sprintf("job %s has not ended after %s", id, limit.Round(time.Millisecond))}
	}
	return err
}
