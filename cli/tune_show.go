package cli

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) tuneShowCommand() *cli.Command {
	c := p.command("show", "JOB", "show the best settings of a job's study, and what mattered", clientFlags(), p.tuneShow)
	c.Description = "IMPORTANCE is the share of the variance between trials that goes with a setting, once the study has ended."
	return c
}

func (p *program) tuneShow(c *cli.Context) error {
	s, err := p.study(c)
	if err != nil {
		return err
	}
	if p.format == "json" {
		s.Table = nil
		return p.printJSON(s)
	}
	p.printf("%s  %s  %s\n", s.Job, s.Name, s.Status)
	if s.Reason != "" {
		p.printf("reason: %s\n", oneLine(s.Reason))
	}
	p.printf("sampler %s, %d of %d trials ended, %d failed\n", s.Sampler, s.Ended, s.Trials, s.Failed)
	if s.Best == nil {
		return nil
	}
	p.printf("best is trial %d with a validation AUC of %.4f after %d epochs\n\n", s.Best.Number, s.Best.Value, s.Best.Epochs)
	names := slices.SortedFunc(maps.Keys(s.Best.Params), func(a, b string) int {
		return cmp.Or(cmp.Compare(s.Importance[b], s.Importance[a]), cmp.Compare(a, b))
	})
	rows := make([][]string, len(names))
	for k, name := range names {
		importance := "-"
		if x, ok := s.Importance[name]; ok {
			importance = fmt.Sprintf("%.3f", x)
		}
		rows[k] = []string{name, string(s.Best.Params[name]), importance}
	}
	return p.printTable("SETTING | BEST | IMPORTANCE", rows)
}

func (p *program) tuneTrialsCommand() *cli.Command {
	c := p.command("trials", "JOB", "list the trials of a job's study", clientFlags(), p.tuneTrials)
	c.Description = "The best trial is marked with *. RUNG is the furthest that a trial got to, VALUE its validation AUC there."
	return c
}

func (p *program) tuneTrials(c *cli.Context) error {
	s, err := p.study(c)
	if err != nil {
		return err
	}
	return printList(p, s.Table, func(t wire.TrialView) string { return fmt.Sprint(t.Number) },
		" | TRIAL | STATUS | RUNG | EPOCHS | VALUE | TOOK | SETTINGS | REASON", trialRow)
}

func trialRow(t wire.TrialView) []string {
	mark, value, took := "", "-", "-"
	if t.Best {
		mark = "*"
	}
	if t.Value != nil {
		value = fmt.Sprintf("%.4f", *t.Value)
	}
	if t.Ended > 0 && t.Started > 0 {
		took = span(time.Duration(t.Ended-t.Started) * time.Millisecond)
	}
	return []string{
		mark, fmt.Sprint(t.Number), string(t.Status), fmt.Sprint(t.Rung), fmt.Sprint(t.Epochs), value, took, chosen(t.Params), either(oneLine(t.Reason)),
	}
}
