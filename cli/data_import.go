package cli

import (
	"cmp"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) dataImportCommand() *cli.Command {
	flags := append(columnFlags(),
		&cli.StringFlag{Name: "name", Usage: "`NAME` of the dataset (default: the file's)"},
		&cli.StringFlag{Name: "mask-key", Usage: "key that masks student ids: `env:NAME` or file:PATH, read by the worker"},
	)
	c := p.command("import", "FILE", "import an event log into the lake", clientFlags(flags...), p.dataImport)
	c.Description = `FILE is a CSV file, gzip or not. The job that imports it is followed;
"cohort data list" then has the dataset's ID.`
	return c
}

// columnFlags name the columns of an event log.
func columnFlags() []cli.Flag {
	d := wire.DefaultColumns()
	return []cli.Flag{
		&cli.StringFlag{Name: "student", Value: d.Student, Usage: "`COLUMN` of the student"},
		&cli.StringFlag{Name: "item", Value: d.Item, Usage: "`COLUMN` of the item"},
		&cli.StringFlag{Name: "skill", Value: d.Skill, Usage: "`COLUMN` of the skill"},
		&cli.StringFlag{Name: "correct", Value: d.Correct.Column, Usage: "`COLUMN` of the answer, 0 or 1"},
		&cli.StringFlag{Name: "time", Value: d.Time, Usage: "`COLUMN` that orders a student's answers"},
	}
}

func columnsOf(c *cli.Context) wire.Columns {
	return wire.Columns{
		Student: c.String("student"), Item: c.String("item"), Skill: c.String("skill"),
		Correct: wire.Correct{Column: c.String("correct")}, Time: c.String("time"),
	}
}

func (p *program) dataImport(c *cli.Context) error {
	spec := wire.DefaultSpec()
	spec.Kind, spec.Name = "import", c.String("name")
	if spec.Name == "" {
		spec.Name = nameOf(c.Args().First())
	}
	spec.Data.Events, spec.Data.Columns = c.Args().First(), columnsOf(c)
	spec.Mask.Key = c.String("mask-key")
	spec, err := checked(spec)
	if err != nil {
		return err
	}
	api, err := p.client(c)
	if err != nil {
		return err
	}
	id, err := p.submit(c.Context, api, spec, "")
	if err != nil {
		return err
	}
	return p.followToEnd(c.Context, api, id)
}

// nameOf makes a job's name of a file's.
func nameOf(path string) string {
	base, _, _ := strings.Cut(filepath.Base(path), ".")
	name := strings.Trim(strings.Map(func(r rune) rune {
		if r < 128 && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '_') {
			return r
		}
		return '-'
	}, base), "-_")
	return cmp.Or(name[:min(len(name), 64)], "events")
}

// checked holds a specification made of flags, with set laid over it, to the rules
// of a job file.
func checked(spec wire.Spec, set ...string) (wire.Spec, error) {
	text, err := spec.Text()
	if err != nil {
		return spec, err
	}
	return wire.ParseSpec("flags", []byte(text), set...)
}
