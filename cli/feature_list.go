package cli

import (
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) featureListCommand() *cli.Command {
	all := &cli.BoolFlag{Name: "all", Usage: "earlier sets too, not only each pipeline's newest"}
	return p.command("list", "", "list feature sets", clientFlags(all), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		sets, err := api.Features(c.Context, c.Bool("all"))
		if err != nil {
			return err
		}
		now := time.Now()
		return printList(p, sets, func(f wire.FeatureSet) string { return f.ID },
			"ID | PIPELINE | STUDENTS | ITEMS | CUT | JOB | MADE", func(f wire.FeatureSet) []string {
				return []string{f.ID, f.Name, grouped(f.Students), grouped(f.Items), cutOf(f.Cut), either(f.Job), ago(f.Created, now)}
			})
	})
}
