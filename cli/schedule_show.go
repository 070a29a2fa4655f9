package cli

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) scheduleShowCommand() *cli.Command {
	return p.command("show", "NAME", "show a schedule, its firings and its backfills", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		s, err := api.Schedule(c.Context, c.Args().First())
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(s)
		}
		return p.printSchedule(s)
	})
}

func (p *program) printSchedule(s wire.ScheduleView) error {
	p.printf("%s  %s  %s\n", s.Name, s.When.Cron, s.When.Zone)
	p.printf("next: %s\n", nextOf(s))
	p.printf("catchup %s, overlap %s", s.When.Catchup, s.When.Overlap)
	if s.When.FinishBy != "" {
		p.printf(", finish by %s", s.When.FinishBy)
	}
	p.printf("\n")
	if err := p.printFirings(s); err != nil || len(s.Backfills) == 0 {
		return err
	}
	rows := make([][]string, len(s.Backfills))
	for k, b := range s.Backfills {
		rows[k] = []string{
			b.ID, string(b.Status), fmt.Sprintf("%s to %s", zoned(b.From, b.Zone), zoned(b.To, b.Zone)),
			fmt.Sprint(b.Done), fmt.Sprint(b.Failed), fmt.Sprint(b.Running), fmt.Sprint(b.Left), either(oneLine(b.Reason)),
		}
	}
	p.printf("\n")
	return p.printTable("BACKFILL | STATUS | RANGE | DONE | FAILED | RUNNING | LEFT | REASON", rows)
}

// printFirings lists the firings, the newest first.
func (p *program) printFirings(s wire.ScheduleView) error {
	if len(s.History) == 0 {
		return nil
	}
	rows := make([][]string, 0, len(s.History))
	for _, f := range slices.Backward(s.History) {
		status, note := string(f.State), f.Reason
		if f.State == wire.FiringStarted {
			status, note = string(f.Status), f.Problem
		}
		if f.Warning != "" {
			note = "warning: " + f.Warning
		}
		rows = append(rows, []string{zoned(f.At, s.When.Zone), f.By, either(f.Job), either(status), either(oneLine(note))})
	}
	p.printf("\n")
	return p.printTable("FOR | BY | JOB | STATUS | REASON", rows)
}
