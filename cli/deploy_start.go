package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) deployStartCommand() *cli.Command {
	flags := clientFlags(
		&cli.UintFlag{Name: "replicas", Usage: "`N` of them"},
		&cli.StringFlag{Name: "strategy", Usage: "`STRATEGY` of the traffic: blue-green or canary"},
		&cli.StringFlag{Name: "canary", Usage: "`PERCENT`s of the traffic, step by step, such as 10,50"},
		&cli.DurationFlag{Name: "hold", Usage: "`HOW-LONG` each step is watched"},
		&cli.Float64Flag{Name: "error-rate", Usage: "`SHARE` of failed requests above which traffic goes back; 0 is off"},
		&cli.DurationFlag{Name: "p99", Usage: "`LATENCY` above which traffic goes back"},
		&cli.Float64Flag{Name: "calibration", Usage: "`ERROR` of the live calibration above which traffic goes back; 0 is off"},
		&cli.DurationFlag{Name: "for", Usage: "`HOW-LONG` a bound must be broken"},
		&cli.BoolFlag{Name: "manual", Usage: "start replicas alone; the traffic is moved by hand"},
		&cli.BoolFlag{Name: "force", Usage: "pass over gates: an admin's, with --reason"},
		&cli.BoolFlag{Name: "detach", Aliases: []string{"d"}, Usage: "leave once it is accepted"},
		reasonFlag(), deployCheckFlag(),
	)
	c := p.command("start", "MODEL", "start replicas of a version, and move the traffic to it", flags, p.deployStart)
	c.Description = `MODEL is NAME@VERSION; NAME alone is the version in staging, else in production,
else the newest. What no flag says is as in the deployment so far, or the default:
two replicas, blue-green, back where 2 % of the requests fail, the p99 is above
250 ms or the calibration error above 0.15 for 30 s.

A version that is to take traffic must pass its gates. The command follows until it
has all of the traffic; Ctrl-C leaves it going on.

Exit code: 0 live, 3 refused by the gates, 5 another is on its way or production has
changed, 8 it was taken back, 130 left by Ctrl-C.`
	return c
}

func (p *program) deployStart(c *cli.Context) error {
	if err := needReason(c); err != nil {
		return err
	}
	api, v, err := p.version(c, string(wire.Staging), string(wire.Production), wire.Latest)
	if err != nil {
		return err
	}
	spec, err := deploySpec(c, api, v.Model)
	if err != nil {
		return err
	}
	out, err := api.StartDeployment(c.Context, v.Model, wire.DeployRequest{
		Version: v.Version, Spec: spec, Auto: !c.Bool("manual"), Force: c.Bool("force"), Reason: c.String("reason"),
		CheckIndex: uint64(c.Uint("check-index")),
	})
	if err != nil {
		return err
	}
	if c.Bool("detach") {
		return p.modelChanged(out, "%s starts", refOf(&v.ModelVersion))
	}
	d, err := p.followDeployment(c.Context, api, v.Model, v.Version)
	if err != nil {
		if c.Err() != nil {
			p.talk("\nit goes on without you; come back with\n  cohort deploy status%s %s", p.addrFlag(c), v.Model)
		}
		return err
	}
	return errors.Join(p.printDeployment(d), deployEnd(d, v.Version))
}

// deploySpec is the deployment's settings so far, or the defaults, under the flags.
func deploySpec(c *cli.Context, api *client.Client, model string) (wire.DeploySpec, error) {
	spec := wire.DefaultDeploy()
	d, _, err := api.Deployment(c.Context, model, 0, 0)
	if reply, ok := errors.AsType[*wire.Error](err); err != nil && (!ok || reply.Code != wire.CodeNotFound) {
		return spec, err
	}
	if err == nil && d.Spec.Replicas > 0 {
		spec = d.Spec
	}
	if c.IsSet("replicas") {
		spec.Replicas = int(c.Uint("replicas"))
	}
	if c.IsSet("strategy") {
		spec.Strategy = c.String("strategy")
	}
	for name, to := range map[string]*string{"hold": &spec.Hold, "for": &spec.For} {
		if c.IsSet(name) {
			*to = c.Duration(name).String()
		}
	}
	if c.IsSet("p99") {
		spec.P99MS = float64(c.Duration("p99")) / float64(time.Millisecond)
	}
	for name, to := range map[string]*float64{"error-rate": &spec.ErrorRate, "calibration": &spec.Calibration} {
		if c.IsSet(name) {
			*to = c.Float64(name)
		}
	}
	if c.IsSet("canary") {
		if spec.Canary, err = percents(c.String("canary")); err != nil {
			return spec, err
		}
	}
	if err := spec.Check("deploy"); err != nil {
		return spec, usagef("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	return spec, nil
}

func percents(list string) ([]int, error) {
	var steps []int
	for part := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return nil, usagef("--canary %q: want per cent of the traffic such as 10,50", list)
		}
		steps = append(steps, n)
	}
	return steps, nil
}

// followDeployment tells of a version on its way until it has arrived, or is on its
// way no more. One that is moved by hand has arrived when all its replicas are ready.
func (p *program) followDeployment(ctx context.Context, api *client.Client, model string, version int) (wire.DeploymentView, error) {
	var index uint64
	var gone time.Time
	told := ""
	for {
		d, next, err := api.Deployment(ctx, model, index, followEvery)
		switch {
		case ctx.Err() != nil:
			return d, ctx.Err()
		case err == nil:
			gone, index = time.Time{}, next
			if line := progressOf(d, version); line != told {
				p.talk("%s", line)
				told = line
			}
			if d.Next != version || !d.Auto && readyAll(d, version) {
				return d, nil
			}
		case !away(err) || !gone.IsZero() && time.Since(gone) > followAway:
			return d, err
		case gone.IsZero():
			gone = time.Now()
			p.talk("no coordinator answers; waiting")
		}
		if err := pause(ctx, followEvery/2); err != nil {
			return d, err
		}
	}
}

func progressOf(d wire.DeploymentView, version int) string {
	parts := []string{fmt.Sprintf("%s: %s", d.Status, trafficOf(d.Routes))}
	for _, v := range d.Versions {
		if v.Version == version {
			parts = append(parts, fmt.Sprintf("%d of %d replicas ready", v.Ready, v.Wanted))
			if v.Reason != "" {
				parts = append(parts, oneLine(v.Reason))
			}
		}
	}
	return strings.Join(parts, "; ")
}

func readyAll(d wire.DeploymentView, version int) bool {
	for _, v := range d.Versions {
		if v.Version == version {
			return v.Ready == v.Wanted
		}
	}
	return false
}

// deployEnd is an error where a version is on its way no more and has not arrived.
func deployEnd(d wire.DeploymentView, version int) error {
	if d.Next == version || len(d.Routes) == 1 && d.Routes[0].Version == version {
		return nil
	}
	return &exitError{code: exitJobFailed, text: "version " + strconv.Itoa(version) + " does not answer: " + either(d.Reason)}
}
