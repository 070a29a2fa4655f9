package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) modelListCommand() *cli.Command {
	c := p.command("list", "[NAME]", "list models, or a model's versions", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		if name := c.Args().First(); name != "" {
			m, _, err := api.Model(c.Context, name, 0, 0)
			if err != nil {
				return err
			}
			return p.listVersions(m)
		}
		all, err := api.Models(c.Context)
		if err != nil {
			return err
		}
		return printList(p, all, func(m wire.Model) string { return m.Name },
			"NAME | VERSIONS | PRODUCTION | STAGING | PREVIOUS | ALIASES", func(m wire.Model) []string {
				return []string{m.Name, fmt.Sprint(m.Versions), numbered(m.Production), numbered(m.Staging), numbered(m.Previous), either(aliasesOf(m, 0))}
			})
	})
	c.Description = "VERSIONS counts the numbers given so far; a deleted version's is not given again."
	return c
}

// aliasesOf lists a model's aliases, or those of one version.
func aliasesOf(m wire.Model, version int) string {
	var all []string
	for _, a := range slices.Sorted(maps.Keys(m.Aliases)) {
		switch {
		case version == 0:
			all = append(all, fmt.Sprintf("%s=%d", a, m.Aliases[a]))
		case m.Aliases[a] == version:
			all = append(all, a)
		}
	}
	return strings.Join(all, " ")
}

// listVersions lists a model's versions, the newest first.
func (p *program) listVersions(m wire.ModelView) error {
	slices.Reverse(m.List)
	now := time.Now()
	return printList(p, m.List, func(v wire.ModelVersion) string { return refOf(&v) },
		"VERSION | STAGE | AUC | ENGINE | JOB | MADE | ALIASES | NOTES", func(v wire.ModelVersion) []string {
			return []string{
				refOf(&v), string(v.Stage), versionAUC(&v), either(v.Engine), either(v.Job), ago(v.Created, now),
				either(aliasesOf(m.Model, v.Version)), either(oneLine(v.Notes)),
			}
		})
}

func versionAUC(v *wire.ModelVersion) string {
	if v.Evaluation == "" {
		return "-"
	}
	return fmt.Sprintf("%.4f", v.AUC)
}
