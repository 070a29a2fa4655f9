package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) tuneCommand() *cli.Command {
	return &cli.Command{
		Name: "tune", Usage: "studies: searches of a job's settings", HideHelp: true,
		Subcommands: []*cli.Command{
			p.tuneListCommand(), p.tuneShowCommand(), p.tuneTrialsCommand(), p.tuneExtendCommand(), p.tuneResumeCommand(),
		},
	}
}

func (p *program) tuneListCommand() *cli.Command {
	limit := &cli.UintFlag{Name: "limit", Value: 20, Usage: "most `N` studies that are listed; 0 is all"}
	c := p.command("list", "", "list studies, the newest first", clientFlags(limit), p.tuneList)
	c.Description = "A job of kind pipeline whose file has a tune section has a study. VALUE is the best validation AUC so far."
	return c
}

func (p *program) tuneList(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	all, err := api.Studies(c.Context, int(c.Uint("limit")))
	if err != nil {
		return err
	}
	now := time.Now()
	return printList(p, all, func(s wire.StudyView) string { return s.Job },
		"JOB | NAME | STATUS | SUBMITTED | SAMPLER | TRIALS | FAILED | VALUE | BEST SETTINGS", func(s wire.StudyView) []string {
			value, settings := "-", "-"
			if s.Best != nil {
				value, settings = fmt.Sprintf("%.4f", s.Best.Value), chosen(s.Best.Params)
			}
			return []string{
				s.Job, s.Name, string(s.Status), ago(s.Submitted, now), s.Sampler,
				fmt.Sprintf("%d/%d", s.Ended, s.Trials), fmt.Sprint(s.Failed), value, settings,
			}
		})
}

// chosen are settings in a line: model.hidden=64 train.lr=0.002.
func chosen(params map[string]json.RawMessage) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(params)) {
		parts = append(parts, name+"="+plainValue(params[name]))
	}
	return oneLine(strings.Join(parts, " "))
}

// plainValue is a JSON value as a job file has it; of numbers, four digits.
func plainValue(v json.RawMessage) string {
	var x any
	if json.Unmarshal(v, &x) != nil {
		return string(v)
	}
	if f, ok := x.(float64); ok {
		return fmt.Sprintf("%.4g", f)
	}
	return fmt.Sprint(x)
}

// study reads the study of the job that a command names.
func (p *program) study(c *cli.Context) (wire.StudyView, error) {
	api, err := p.client(c)
	if err != nil {
		return wire.StudyView{}, err
	}
	return api.Study(c.Context, c.Args().First())
}

// partsLine is how far the trials or folds of a stage are, empty where it has none.
func partsLine(s wire.StageView) string {
	if len(s.Parts) == 0 {
		return ""
	}
	total, word := partsOf(s)
	line := fmt.Sprintf("%d/%d %s", partsEnded(s), total, word)
	if n := s.Parts[wire.Running]; n > 0 {
		line += fmt.Sprintf(", %d running", n)
	}
	if n := s.Parts[wire.Failed]; n > 0 {
		line += fmt.Sprintf(", %d failed", n)
	}
	if s.Best != nil {
		line += fmt.Sprintf(", best %.4f", *s.Best)
	}
	return line
}

// partsOf is how many trials or folds a stage is to have, and what they are called.
func partsOf(s wire.StageView) (total int, word string) {
	var set struct {
		Tune  struct{ Trials int }
		Folds int
	}
	switch err := json.Unmarshal(s.Settings, &set); {
	case err == nil && s.Kind == wire.StageTune:
		return set.Tune.Trials, "trials"
	case err == nil && s.Kind == wire.StageCross:
		return set.Folds, "folds"
	}
	for _, n := range s.Parts {
		total += n
	}
	return total, "parts"
}

func partsEnded(s wire.StageView) int {
	return s.Parts[wire.Done] + s.Parts[wire.Failed] + s.Parts[wire.Stopped]
}

// printSearch says what a job's study and cross-validation came to.
func (p *program) printSearch(j wire.JobView) error {
	var tuned wire.Tuned
	var folds wire.Crossed
	for key, into := range map[string]any{"tune": &tuned, "cross": &folds} {
		if raw := j.Result[key]; raw != nil {
			if err := json.Unmarshal(raw, into); err != nil {
				return fmt.Errorf("read result %s of job %s: %w", key, j.ID, err)
			}
		}
	}
	if tuned.Best != nil {
		p.printf("study    trial %d is the best, validation AUC %.4f: %s\n", tuned.Number, tuned.Value, chosen(tuned.Best))
	}
	if len(folds.AUC) > 0 {
		p.printf("folds    %d, mean AUC %.4f, spread %.1f %%\n", len(folds.AUC), folds.Mean, 100*folds.Spread)
	}
	return nil
}
