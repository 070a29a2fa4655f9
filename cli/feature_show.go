package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) featureShowCommand() *cli.Command {
	c := p.command("show", "SET", "show a feature set and its tables", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		f, err := api.Feature(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(f)
		}
		return p.printFeatureSet(f)
	})
	c.Description = "SET is a set's ID, or a pipeline's name: its newest set."
	return c
}

func (p *program) printFeatureSet(f wire.FeatureSetView) error {
	clock := "yes"
	if !f.Clock {
		clock = "no: times only order answers; sessions, days and times since are not applicable"
	}
	fit := fmt.Sprintf("%s training students, %d iterations, ability deviation %.3f, difficulty %.3f ± %.3f",
		grouped(f.FitStudents), f.FitIterations, f.AbilitySD, f.DifficultyMean, f.DifficultySD)
	if !f.FitConverged {
		fit += ", not converged"
	}
	err := p.printTable("KEY | VALUE", [][]string{
		{"id", f.ID},
		{"pipeline", f.Name},
		{"job", either(f.Job)},
		{"dataset", f.Dataset},
		{"cut", cutOf(f.Cut)},
		{"answers seen", grouped(f.Events)},
		{"students", grouped(f.Students)},
		{"recent", fmt.Sprintf("the last %d answers", f.Recent)},
		{"session gap", time.Duration(f.GapSeconds * float64(time.Second)).String()},
		{"clock", clock},
		{"item fit", fit},
		{"mask key", f.Mask},
		{"version", fmt.Sprint(f.Code)},
	})
	if err != nil {
		return err
	}
	p.printf("\n")
	var rows [][]string
	for _, t := range f.Tables {
		var columns []string
		for _, c := range t.Columns {
			columns = append(columns, c.Name)
		}
		rows = append(rows, []string{t.Name, grouped(t.Rows), sized(t.Bytes), strings.Join(t.Keys, ", "), strings.Join(columns[len(t.Keys):], ", ")})
	}
	return p.printTable("TABLE | ROWS | SIZE | KEYS | COLUMNS", rows)
}
