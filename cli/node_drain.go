package cli

import (
	"github.com/urfave/cli/v2"
)

func (p *program) nodeDrainCommand() *cli.Command {
	return p.drainCommand("drain", "give a worker no more tasks and take back those it has", true)
}

func (p *program) nodeUndrainCommand() *cli.Command {
	return p.drainCommand("undrain", "put a drained worker back into service", false)
}

func (p *program) drainCommand(name, usage string, drain bool) *cli.Command {
	return p.command(name, "NODE", usage, clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		node, do := c.Args().First(), api.Undrain
		if drain {
			do = api.Drain
		}
		if err := do(c.Context, node); err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(map[string]any{"id": node, "draining": drain})
		}
		if !p.quiet {
			p.printf("%s: %s\n", node, name)
		}
		return nil
	})
}
