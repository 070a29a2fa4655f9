package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) featureDiffCommand() *cli.Command {
	c := p.command("diff", "A B", "compare two feature sets", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		d, err := api.FeatureDiff(c.Context, c.Args().Get(0), c.Args().Get(1))
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(d)
		}
		return p.printFeatureDiff(d)
	})
	c.Description = "A and B are IDs of sets, or pipelines' names: their newest sets."
	return c
}

func (p *program) printFeatureDiff(d wire.FeatureDiff) error {
	var tables, columns [][]string
	for _, t := range d.Tables {
		tables = append(tables, []string{t.Name, grouped(t.Added), grouped(t.Removed), grouped(t.Changed), grouped(t.Same)})
		for _, c := range t.Columns {
			mean := "-"
			if c.MeanDifference != nil {
				mean = fmt.Sprintf("%+.5g", *c.MeanDifference)
			}
			if c.Only != "" {
				mean = "only in " + c.Only
			}
			columns = append(columns, []string{t.Name, c.Name, grouped(c.Changed), mean})
		}
	}
	if err := p.printTable("TABLE | ADDED | REMOVED | CHANGED | SAME", tables); err != nil || len(columns) == 0 {
		return err
	}
	p.printf("\n")
	return p.printTable("TABLE | COLUMN | CHANGED | MEAN DIFFERENCE (B − A)", columns)
}
