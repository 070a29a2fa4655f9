package cli

import (
	"slices"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) modelPromoteCommand() *cli.Command {
	flags := clientFlags(
		&cli.StringFlag{Name: "stage", Value: string(wire.Production), Usage: "`STAGE` to move it to: production, staging, development or archived"},
		&cli.BoolFlag{Name: "force", Usage: "pass over gates: an admin's, with --reason"},
		reasonFlag(), modelCheckFlag(),
	)
	c := p.command("promote", "MODEL", "put a version into production, or into another stage", flags, p.promoteModel)
	c.Description = `MODEL is NAME@VERSION; NAME alone is its latest version. Into production goes only
what passes its gates (exit code 3), compared with what is in production now
(exit code 5). The version before is archived; rollback puts it back.`
	return c
}

func reasonFlag() cli.Flag {
	return &cli.StringFlag{Name: "reason", Usage: "`WHY`, for the history"}
}

// needReason wants a reason of who passes over gates.
func needReason(c *cli.Context) error {
	if c.Bool("force") && c.String("reason") == "" {
		return usagef("--force needs --reason, which the history keeps")
	}
	return nil
}

func (p *program) promoteModel(c *cli.Context) error {
	stage := wire.ModelStage(c.String("stage"))
	if !slices.Contains([]wire.ModelStage{wire.Production, wire.Staging, wire.Development, wire.Archived}, stage) {
		return usagef("--stage %q is unknown; known: production, staging, development, archived", stage)
	}
	if err := needReason(c); err != nil {
		return err
	}
	api, v, err := p.version(c, wire.Latest)
	if err != nil {
		return err
	}
	out, err := api.Promote(c.Context, wire.Promote{
		Model: v.Model, Version: v.Version, Stage: stage, Force: c.Bool("force"), Reason: c.String("reason"), CheckIndex: uint64(c.Uint("check-index")),
	})
	if err != nil {
		return err
	}
	if err := p.modelChanged(out, "%s is in %s", refOf(&v.ModelVersion), stage); err != nil {
		return err
	}
	if stage == wire.Production {
		p.talkTraffic(c, api, &v.ModelVersion)
	}
	return nil
}

// talkTraffic says so where a version that went into production has no traffic:
// the registry moves none, a deployment does.
func (p *program) talkTraffic(c *cli.Context, api *client.Client, v *wire.ModelVersion) {
	d, _, err := api.Deployment(c.Context, v.Model, 0, 0)
	if err != nil || len(d.Routes) == 0 || d.Share(v.Version) > 0 {
		return
	}
	p.talk("traffic stays with version %d; to move it: cohort deploy start%s %s", d.Base(), p.addrFlag(c), refOf(v))
}

func (p *program) modelRollbackCommand() *cli.Command {
	c := p.command("rollback", "MODEL", "put a version back into production that was there before", clientFlags(reasonFlag(), modelCheckFlag()), p.rollBackModel)
	c.Description = "MODEL is NAME, for the version that was there before, or NAME@VERSION. Gates are not asked again."
	return c
}

func (p *program) rollBackModel(c *cli.Context) error {
	name, version, err := splitRef(c.Args().First())
	if err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	q := wire.Promote{Model: name, Rollback: true, Reason: c.String("reason"), CheckIndex: uint64(c.Uint("check-index"))}
	if version != "" {
		v, err := api.Version(c.Context, name, version)
		if err != nil {
			return err
		}
		q.Version = v.Version
	}
	out, err := api.Promote(c.Context, q)
	if err != nil {
		return err
	}
	v, err := api.Version(c.Context, name, string(wire.Production))
	if err != nil {
		return err
	}
	if err := p.modelChanged(out, "%s is in production", refOf(&v.ModelVersion)); err != nil {
		return err
	}
	p.talkTraffic(c, api, &v.ModelVersion)
	return nil
}
