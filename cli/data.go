package cli

import (
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) dataCommand() *cli.Command {
	return &cli.Command{
		Name: "data", Usage: "event logs in the lake, and simulated ones", HideHelp: true,
		Subcommands: []*cli.Command{p.dataImportCommand(), p.dataListCommand(), p.dataShowCommand(), p.dataSimulateCommand()},
	}
}

func (p *program) dataListCommand() *cli.Command {
	return p.command("list", "", "list datasets", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		sets, err := api.Datasets(c.Context)
		if err != nil {
			return err
		}
		now := time.Now()
		return printList(p, sets, func(d wire.Dataset) string { return d.ID },
			"ID | NAME | ANSWERS | STUDENTS | SKILLS | MADE", func(d wire.Dataset) []string {
				return []string{d.ID, d.Name, grouped(d.Events), grouped(d.Students), grouped(d.Skills), ago(d.Created, now)}
			})
	})
}

func (p *program) dataShowCommand() *cli.Command {
	return p.command("show", "DATASET", "show a dataset", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		d, err := api.Dataset(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(d)
		}
		return p.printTable("KEY | VALUE", [][]string{
			{"id", d.ID},
			{"name", d.Name},
			{"answers", grouped(d.Events)},
			{"students", grouped(d.Students)},
			{"skills", grouped(d.Skills)},
			{"mask key", d.Mask},
			{"made", fmt.Sprintf("%s (%s)", time.UnixMilli(d.Created).UTC().Format(time.RFC3339), ago(d.Created, time.Now()))},
			{"use", "data: {events: dataset:" + d.ID + "}"},
		})
	})
}
