package cli

import (
	"context"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

// exact finds the version that a reference names, which it must.
func exact(ctx context.Context, api *client.Client, ref string) (v wire.VersionView, err error) {
	_, version, err := splitRef(ref)
	if err != nil {
		return v, err
	}
	if version == "" {
		return v, usagef("%q names no version: want NAME@VERSION", ref)
	}
	return lookUp(ctx, api, ref)
}

func (p *program) modelNoteCommand() *cli.Command {
	c := p.command("note", "MODEL TEXT", "write a version's notes", clientFlags(modelCheckFlag()), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		v, err := exact(c.Context, api, c.Args().First())
		if err != nil {
			return err
		}
		text := c.Args().Get(1)
		out, err := api.SetNotes(c.Context, wire.SetModel{Model: v.Model, Version: v.Version, Notes: &text, CheckIndex: uint64(c.Uint("check-index"))})
		if err != nil {
			return err
		}
		return p.modelChanged(out, "%s noted", refOf(&v.ModelVersion))
	})
	c.Description = "MODEL is NAME@VERSION. TEXT takes the place of what was noted; the history keeps that."
	return c
}

func (p *program) modelAliasCommand() *cli.Command {
	drop := &cli.BoolFlag{Name: "drop", Usage: "take the alias away"}
	c := p.command("alias", "MODEL ALIAS", "give a version a name of its own", clientFlags(drop, modelCheckFlag()), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		q := wire.SetModel{Alias: c.Args().Get(1), Drop: c.Bool("drop"), CheckIndex: uint64(c.Uint("check-index"))}
		if q.Drop {
			if q.Model, _, err = splitRef(c.Args().First()); err != nil {
				return err
			}
		} else {
			v, err := exact(c.Context, api, c.Args().First())
			if err != nil {
				return err
			}
			q.Model, q.Version = v.Model, v.Version
		}
		out, err := api.SetAlias(c.Context, q)
		if err != nil {
			return err
		}
		if q.Drop {
			return p.modelChanged(out, "%s@%s dropped", q.Model, q.Alias)
		}
		return p.modelChanged(out, "%s@%s is %s@%d", q.Model, q.Alias, q.Model, q.Version)
	})
	c.Description = "MODEL is NAME@VERSION; with --drop, NAME. An alias that is there moves."
	return c
}
