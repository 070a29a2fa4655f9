package cli

import (
	"github.com/urfave/cli/v2"

	"cohort/bench"
)

func (p *program) benchSchedulerCommand() *cli.Command {
	flags := benchFlags(
		&cli.IntFlag{Name: "stages", Value: 10_000, Usage: "`N` stages of a graph"},
		&cli.IntFlag{Name: "submits", Value: 20, Usage: "`N` training jobs submitted one after another"},
	)
	c := p.command("scheduler", "", "graphs of many stages, and from submit to the first training step", flags, p.benchScheduler)
	c.Description = `A coordinator that syncs its log and two workers in this process. A wide graph is
joined by one stage, a deep one is of 100 chains; while they run, lists and status
are asked for and timed. Submits are of a pipeline whose data is staged already.
` + benchFormat
	return c
}

func (p *program) benchScheduler(c *cli.Context) error {
	if c.Int("stages") < 101 || c.Int("submits") < 1 {
		return usagef("--stages is at least 101, --submits at least 1")
	}
	s, err := bench.NewScheduler(c.Context, c.Int("submits"))
	if err != nil {
		return err
	}
	defer s.Close()
	return p.benchRun(c, s.Scenarios(c.Int("stages")))
}
