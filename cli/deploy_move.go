package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) deployPromoteCommand() *cli.Command {
	flags := clientFlags(
		&cli.UintFlag{Name: "percent", Value: 100, Usage: "`PERCENT` of the traffic; the version that answers keeps the rest"},
		&cli.BoolFlag{Name: "force", Usage: "pass over gates: an admin's, with --reason"},
		reasonFlag(), deployCheckFlag(),
	)
	c := p.command("promote", "MODEL", "give the traffic to the version that is on its way, now", flags, p.deployPromote)
	c.Description = `With all of the traffic the version goes into production, in the same write: it must
pass its gates (exit code 3), compared with what is in production now (5). A part of
it ends what moves by itself: the rest is then moved by hand too.`
	return c
}

func (p *program) deployPromote(c *cli.Context) error {
	model, percent := c.Args().First(), int(c.Uint("percent"))
	if percent < 1 || percent > 100 {
		return usagef("--percent %d: want 1 to 100", percent)
	}
	if err := needReason(c); err != nil {
		return err
	}
	api, d, err := p.deployment(c)
	if err != nil {
		return err
	}
	q := wire.TrafficRequest{Force: c.Bool("force"), Reason: c.String("reason"), CheckIndex: seen(c, d)}
	move := api.PromoteDeployment
	if percent < 100 {
		move = api.MoveTraffic
		if q.Routes, err = partOf(d, percent); err != nil {
			return err
		}
	}
	out, err := move(c.Context, model, q)
	if err != nil {
		return err
	}
	return p.modelChanged(out, "%s@%d has %d %% of the traffic", model, d.Next, percent)
}

// seen is the index that a command is for: what its user saw last, so that of two
// at once the second is told.
func seen(c *cli.Context, d wire.DeploymentView) uint64 {
	if c.IsSet("check-index") {
		return uint64(c.Uint("check-index"))
	}
	return d.ModifyIndex
}

// partOf gives a part of the traffic to the version on its way.
func partOf(d wire.DeploymentView, percent int) ([]wire.Route, error) {
	for _, r := range d.Routes {
		if r.Version != d.Next && d.Next != 0 {
			return []wire.Route{{Version: r.Version, Percent: 100 - percent}, {Version: d.Next, Percent: percent}}, nil
		}
	}
	return nil, &exitError{code: exitConflict, text: fmt.Sprintf("model %s has no version on its way beside one that answers", d.Model)}
}

func (p *program) deployRollbackCommand() *cli.Command {
	c := p.command("rollback", "MODEL", "give all traffic back to the version before, now", clientFlags(reasonFlag(), deployCheckFlag()), func(c *cli.Context) error {
		model := c.Args().First()
		api, d, err := p.deployment(c)
		if err != nil {
			return err
		}
		out, err := api.RollBackDeployment(c.Context, model, wire.TrafficRequest{Reason: c.String("reason"), CheckIndex: seen(c, d)})
		if err != nil {
			return err
		}
		if d, _, err = api.Deployment(c.Context, model, 0, 0); err != nil {
			return err
		}
		return p.modelChanged(out, "%s: %s", model, trafficOf(d.Routes))
	})
	c.Description = `The version before goes back into production too; gates are not asked again. A version
that is still on its way is taken off it. The replicas that lost their traffic end
after a minute.`
	return c
}

func (p *program) deployStopCommand() *cli.Command {
	c := p.command("stop", "MODEL", "end the replicas of a model, or of a version", clientFlags(reasonFlag(), deployCheckFlag()), func(c *cli.Context) error {
		name, version, err := splitRef(c.Args().First())
		if err != nil {
			return err
		}
		api, err := p.client(c)
		if err != nil {
			return err
		}
		q := wire.UndeployRequest{Reason: c.String("reason"), CheckIndex: uint64(c.Uint("check-index"))}
		if version != "" {
			v, err := api.Version(c.Context, name, version)
			if err != nil {
				return err
			}
			q.Version = v.Version
		}
		out, err := api.StopDeployment(c.Context, name, q)
		if err != nil {
			return err
		}
		return p.modelChanged(out, "%s stopped", c.Args().First())
	})
	c.Description = "MODEL is NAME, for all that serves it, or NAME@VERSION, which must have no traffic."
	return c
}
