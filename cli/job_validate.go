package cli

import (
	"github.com/urfave/cli/v2"
)

func (p *program) jobValidateCommand() *cli.Command {
	c := p.command("validate", "FILE", "check a job file and the files that it names", []cli.Flag{setFlag()}, p.jobValidate)
	c.Description = jobFileHelp
	return c
}

func (p *program) jobValidate(c *cli.Context) error {
	spec, dir, err := p.readSpec(c)
	if err != nil {
		return err
	}
	for _, f := range clientFiles(&spec) {
		if _, err := locate(dir, *f.path, f.key); err != nil {
			return err
		}
	}
	if p.format == "json" {
		return p.printJSON(spec)
	}
	p.talk("%s is valid", c.Args().First())
	return nil
}
