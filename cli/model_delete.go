package cli

import (
	"context"
	"errors"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) modelDeleteCommand() *cli.Command {
	flags := clientFlags(
		&cli.IntFlag{Name: "keep", Value: -1, Usage: "forget all but the newest `N` of the versions that nothing needs"},
		reasonFlag(),
	)
	c := p.command("delete", "MODEL", "forget a version, or all old ones", flags, p.deleteModel)
	c.Description = `MODEL is NAME@VERSION; with --keep, NAME. What is in production or staging, has an
alias, or is what a rollback goes to stays. Its history stays, and its number is
not given again.`
	return c
}

func (p *program) deleteModel(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	ref := c.Args().First()
	if keep := c.Int("keep"); keep >= 0 {
		return p.retain(c.Context, api, ref, keep, c.String("reason"))
	} else if c.IsSet("keep") {
		return usagef("--keep is %d; want 0 or more", keep)
	}
	v, err := exact(c.Context, api, ref)
	if err != nil {
		return err
	}
	out, err := api.DeleteVersion(c.Context, wire.DeleteVersion{Model: v.Model, Version: v.Version, Reason: c.String("reason")})
	if err != nil {
		return err
	}
	return p.modelChanged(out, "%s deleted", refOf(&v.ModelVersion))
}

// retain forgets the older of the versions that nothing needs. One that is needed
// by the time it is asked for stays.
func (p *program) retain(ctx context.Context, api *client.Client, name string, keep int, reason string) error {
	if _, version, err := splitRef(name); err != nil || version != "" {
		return usagef("%q: with --keep, want NAME", name)
	}
	m, _, err := api.Model(ctx, name, 0, 0)
	if err != nil {
		return err
	}
	deleted := []wire.ModelVersion{}
	for _, v := range deletable(m, keep) {
		_, err := api.DeleteVersion(ctx, wire.DeleteVersion{Model: v.Model, Version: v.Version, Reason: reason})
		if reply, ok := errors.AsType[*wire.Error](err); ok && (reply.Code == wire.CodeConflict || reply.Code == wire.CodeNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		deleted = append(deleted, v)
	}
	return printList(p, deleted, func(v wire.ModelVersion) string { return refOf(&v) },
		"DELETED | STAGE | AUC", func(v wire.ModelVersion) []string { return []string{refOf(&v), string(v.Stage), versionAUC(&v)} })
}

// deletable are the versions that nothing needs, oldest first, without the newest
// of them.
func deletable(m wire.ModelView, keep int) []wire.ModelVersion {
	var free []wire.ModelVersion
	for _, v := range m.List {
		idle := v.Stage == wire.Development || v.Stage == wire.Archived
		if idle && v.Version != m.Previous && aliasesOf(m.Model, v.Version) == "" {
			free = append(free, v)
		}
	}
	return free[:max(0, len(free)-keep)]
}
