package cli

import (
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobStatusCommand() *cli.Command {
	stages := &cli.StringFlag{Name: "stages", Value: "200", Usage: "show `N` stages, those that matter first, or all"}
	return p.command("status", "JOB", "show a job, its stages and results", clientFlags(stages), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		j, err := api.JobStages(c.Context, c.Args().First(), c.String("stages"))
		if err != nil {
			return err
		}
		return p.printJob(j)
	})
}

// printJob writes a job as the flags ask; as JSON it is one line.
func (p *program) printJob(j wire.JobView) error {
	if p.format == "json" {
		return p.printJSON(j)
	}
	p.printf("%s  %s  %s\n", j.ID, j.Name, j.Status)
	if j.Reason != "" {
		p.printf("reason: %s\n", oneLine(j.Reason))
	}
	if j.Warning != "" {
		p.printf("warning: %s\n", oneLine(j.Warning))
	}
	p.printf("submitted %s", ago(j.Submitted, time.Now()))
	if j.Ended > 0 {
		p.printf(", took %s", span(time.Duration(j.Ended-j.Submitted)*time.Millisecond))
	}
	p.printf("\n\n")
	if j.Warning != "" {
		p.printf("warning: %s\n\n", oneLine(j.Warning))
	}
	if err := p.printStages(j.Stages); err != nil {
		return err
	}
	if j.LeftOut > 0 {
		p.printf("\n%s; %s are not shown, --stages all shows them\n", counts(j), grouped(int64(j.LeftOut)))
	}
	return p.printResult(j)
}

func (p *program) printStages(stages []wire.StageView) error {
	rows := make([][]string, len(stages))
	for k, s := range stages {
		took := "-"
		if s.Ended > 0 && s.Started > 0 {
			took = span(time.Duration(s.Ended-s.Started) * time.Millisecond)
		}
		rows[k] = []string{s.Name, string(s.Status), nodesOf(s), took, either(oneLine(reasonWithParts(s)))}
	}
	return p.printTable("STAGE | STATUS | WORKERS | TOOK | REASON", rows)
}

func nodesOf(s wire.StageView) string {
	var nodes []string
	for _, t := range s.TaskList {
		if t.Node != "" {
			nodes = append(nodes, t.Node)
		}
	}
	return either(strings.Join(nodes, ","))
}

// reasonWithParts is a stage's reason, and how far its trials or folds are.
func reasonWithParts(s wire.StageView) string {
	switch parts := partsLine(s); {
	case parts == "":
		return s.Reason
	case s.Reason == "":
		return parts
	default:
		return parts + "; " + s.Reason
	}
}
