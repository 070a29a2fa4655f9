package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func (p *program) deployCommand() *cli.Command {
	return &cli.Command{
		Name: "deploy", Usage: "models that serve: replicas and traffic", HideHelp: true,
		Subcommands: []*cli.Command{
			p.deployListCommand(), p.deployStatusCommand(), p.deployStartCommand(),
			p.deployPromoteCommand(), p.deployRollbackCommand(), p.deployStopCommand(),
		},
	}
}

func deployCheckFlag() cli.Flag {
	return &cli.UintFlag{Name: "check-index", Usage: "refuse when the deployment's modify_index is not `N` any more"}
}

func (p *program) deployListCommand() *cli.Command {
	return p.command("list", "", "list deployments", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		all, err := api.Deployments(c.Context)
		if err != nil {
			return err
		}
		now := time.Now()
		return printList(p, all, func(d wire.DeploymentView) string { return d.Model },
			"MODEL | STATUS | TRAFFIC | ON ITS WAY | MOVED | REASON", func(d wire.DeploymentView) []string {
				return []string{d.Model, string(d.Status), trafficOf(d.Routes), numbered(d.Next), ago(d.Moved, now), either(oneLine(d.Reason))}
			})
	})
}

// deployment is that of the model that a command's first argument names, and the
// client that found it.
func (p *program) deployment(c *cli.Context) (*client.Client, wire.DeploymentView, error) {
	api, err := p.client(c)
	if err != nil {
		return nil, wire.DeploymentView{}, err
	}
	d, _, err := api.Deployment(c.Context, c.Args().First(), 0, 0)
	return api, d, err
}

func (p *program) deployStatusCommand() *cli.Command {
	c := p.command("status", "MODEL", "show a deployment and what its versions do", clientFlags(), func(c *cli.Context) error {
		_, d, err := p.deployment(c)
		if err != nil {
			return err
		}
		return p.printDeployment(d)
	})
	c.Description = `REQUESTS, ERRORS and P99 are of the last ten seconds; CALIBRATION is the difference
between mean P(correct) and share right of the last thousand answers, at most, for
which the version had said something before they came in.`
	return c
}

// trafficOf is "90 % @1, 10 % @2".
func trafficOf(routes []wire.Route) string {
	parts := make([]string, len(routes))
	for k, r := range routes {
		parts[k] = fmt.Sprintf("%d %% @%d", r.Percent, r.Version)
	}
	return either(strings.Join(parts, ", "))
}

func (p *program) printDeployment(d wire.DeploymentView) error {
	switch {
	case p.format == "json":
		return p.printJSON(d)
	case p.quiet:
		p.printf("%s\n", d.Status)
		return nil
	}
	p.printf("%s  %s", d.Model, d.Status)
	if d.Reason != "" {
		p.printf("  %s", oneLine(d.Reason))
	}
	p.printf("\n")
	if len(d.Versions) == 0 {
		return nil
	}
	rows := make([][]string, len(d.Versions))
	for k, v := range d.Versions {
		rows[k] = append([]string{
			fmt.Sprintf("%s@%d", d.Model, v.Version), fmt.Sprintf("%d %%", v.Percent), fmt.Sprintf("%d/%d", v.Ready, v.Wanted),
		}, liveOf(v.Live)...)
		rows[k] = append(rows[k], either(oneLine(noteOf(d, v))))
	}
	return p.printTable("VERSION | TRAFFIC | READY | REQUESTS | ERRORS | P99 | CALIBRATION | NOTE", rows)
}

// liveOf is what a version did of late: requests, error rate, p99 and calibration
// error, dashes where it answered nothing.
func liveOf(s *wire.LiveStats) []string {
	cells := []string{"-", "-", "-", "-"}
	if s != nil && s.Requests > 0 {
		cells = []string{fmt.Sprint(s.Requests), fmt.Sprintf("%.2f %%", 100*s.ErrorRate()), fmt.Sprintf("%.1f ms", s.P99MS), "-"}
	}
	if s != nil && s.Answers > 0 {
		cells[3] = fmt.Sprintf("%.3f of %d", s.Calibration(), s.Answers)
	}
	return cells
}

// noteOf says what a version is there for, and why not all of it serves.
func noteOf(d wire.DeploymentView, v wire.DeployedVersion) string {
	role := ""
	switch v.Version {
	case d.Next:
		role = "on its way"
	case d.Previous:
		role = "kept for a rollback"
	}
	if role != "" && v.Reason != "" {
		return role + ": " + v.Reason
	}
	return role + v.Reason
}
