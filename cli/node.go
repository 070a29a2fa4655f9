package cli

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) nodeCommand() *cli.Command {
	return &cli.Command{
		Name: "node", Usage: "see workers, take them out of service", HideHelp: true,
		Subcommands: []*cli.Command{p.nodeListCommand(), p.nodeStatusCommand(), p.nodeDrainCommand(), p.nodeUndrainCommand()},
	}
}

func (p *program) nodeListCommand() *cli.Command {
	return p.command("list", "", "list workers", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		nodes, err := api.Nodes(c.Context)
		if err != nil {
			return err
		}
		return printList(p, nodes, func(n wire.NodeView) string { return n.ID },
			"ID | STATUS | ALIVE | CORES | MEMORY | KERNELS | TASKS | ADDRESS", func(n wire.NodeView) []string {
				return []string{
					n.ID, string(n.Status), fmt.Sprint(n.Alive), share(n.Used.Cores, n.Resources.Cores),
					sized(n.Resources.MemoryMB << 20), either(n.Kernels), fmt.Sprint(len(n.Tasks)), either(n.Addr),
				}
			})
	})
}

func share(used, all int) string { return fmt.Sprintf("%d/%d", used, all) }

func (p *program) nodeStatusCommand() *cli.Command {
	return p.command("status", "NODE", "show a worker and what it runs", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		n, err := api.Node(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(n)
		}
		return p.printTable("KEY | VALUE", [][]string{
			{"id", n.ID},
			{"status", string(n.Status)},
			{"reason", either(oneLine(n.Reason))},
			{"alive", fmt.Sprint(n.Alive)},
			{"cores used", share(n.Used.Cores, n.Resources.Cores)},
			{"memory", fmt.Sprintf("%s of %s", sized(n.Used.MemoryMB<<20), sized(n.Resources.MemoryMB<<20))},
			{"kernels", either(n.Kernels)},
			{"version", either(n.Version)},
			{"address", either(n.Addr)},
			{"tasks", either(strings.Join(n.Tasks, ", "))},
		})
	})
}
