package cli

import (
	"context"
	"io"
	"runtime"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/bench"
	"cohort/dkt/simulate"
)

func (p *program) benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", Usage: "how fast this machine trains, beside its own limits", HideHelp: true,
		Subcommands: []*cli.Command{p.benchKernelsCommand(), p.benchTrainCommand(), p.benchDataCommand(), p.benchSchedulerCommand(), p.benchServeCommand(), p.benchPeersCommand()},
	}
}

const benchFormat = `Prints a line for each repetition in Go's benchmark format (benchstat reads it);
with -o json one object of medians and ranges. Peak and memory bandwidth are
this run's own.`

func benchFlags(more ...cli.Flag) []cli.Flag {
	return append(more,
		&cli.IntFlag{Name: "count", Value: 5, Usage: "`N` repetitions, interleaved"},
		&cli.IntFlag{Name: "threads", Value: runtime.GOMAXPROCS(0), Usage: "`N` threads"},
	)
}

func hiddenFlag() cli.Flag {
	return &cli.StringFlag{Name: "hidden", Value: "100,200,256", Usage: "`SIZES` of the LSTM, with commas"}
}

func (p *program) benchKernelsCommand() *cli.Command {
	c := p.command("kernels", "", "the phases of a training step, each kernel path", benchFlags(hiddenFlag()), p.benchKernels)
	c.Description = "Dense batches of 64 sequences of 200 steps on 124 skills.\n" + benchFormat
	return c
}

func (p *program) benchKernels(c *cli.Context) error {
	sizes, err := hiddenSizes(c)
	if err != nil {
		return err
	}
	var loads []bench.Load
	for _, h := range sizes {
		loads = append(loads, bench.Dense(h))
	}
	scenarios, done, err := bench.Kernels(loads, c.Int("threads"))
	if err != nil {
		return err
	}
	defer done()
	return p.benchRun(c, scenarios)
}

func (p *program) benchTrainCommand() *cli.Command {
	flags := benchFlags(hiddenFlag(),
		&cli.StringFlag{Name: "events", Usage: "also an epoch of this event log, a CSV `FILE` with the ASSISTments columns"},
		&cli.StringFlag{Name: "split", Usage: "`FILE:COLUMN` with each student's fold (default: by student)"},
		&cli.IntFlag{Name: "fold", Value: 1, Usage: "fold `N` tests, the next of five validates"},
		&cli.IntFlag{Name: "skills", Value: 124, Usage: "`N` skills of the simulated epochs"},
		&cli.BoolFlag{Name: "direct", Usage: "the table itself is trained (model.embed: direct)"},
		&cli.BoolFlag{Name: "lazy", Usage: "lazy Adam (train.lazy)"},
		&cli.IntFlag{Name: "sequences", Value: 512, Usage: "`N` sequences of a simulated epoch"},
	)
	c := p.command("train", "", "an epoch of training, with optimiser and validation", flags, p.benchTrain)
	c.Description = "Epochs of dense and of ragged sequences, and where their time goes.\n" + benchFormat
	return c
}

func (p *program) benchTrain(c *cli.Context) error {
	sizes, err := hiddenSizes(c)
	if err != nil {
		return err
	}
	if c.Int("skills") < 1 || c.Int("sequences") < 5 {
		return usagef("--skills is at least 1, --sequences at least 5")
	}
	var epochs []bench.Epoch
	for _, h := range sizes {
		for _, l := range []bench.Load{bench.Dense(h), bench.Ragged(h)} {
			l.Shape.Skills = c.Int("skills")
			if c.Bool("direct") {
				l.Shape.Embed = 0
			}
			e, err := bench.NewEpoch(l, c.Int("sequences"))
			if err != nil {
				return err
			}
			epochs = append(epochs, e)
		}
		if c.String("events") == "" {
			continue
		}
		e, err := bench.NewLogEpoch(c.Context, logOf(c), h)
		if err != nil {
			return err
		}
		epochs = append(epochs, e)
	}
	for k := range epochs {
		epochs[k].Config.Lazy = c.Bool("lazy")
	}
	scenarios, done, err := bench.Train(epochs, c.Int("threads"))
	if err != nil {
		return err
	}
	defer done()
	return p.benchRun(c, scenarios)
}

// logOf reads --events and --split.
func logOf(c *cli.Context) bench.Log {
	l := bench.Log{Events: c.String("events"), Folds: c.String("split"), Fold: c.Int("fold"), Window: 200}
	if at := strings.LastIndexByte(l.Folds, ':'); at >= 0 {
		l.Folds, l.Column = l.Folds[:at], l.Folds[at+1:]
	}
	return l
}

func (p *program) benchDataCommand() *cli.Command {
	d := simulate.DefaultConfig()
	flags := benchFlags(
		&cli.IntFlag{Name: "students", Value: d.Students, Usage: "`N` learners"},
		&cli.IntFlag{Name: "skills", Value: d.Skills, Usage: "`N` skills"},
		&cli.IntFlag{Name: "answers", Value: d.Answers, Usage: "`N` answers a learner, on average"},
	)
	c := p.command("data", "", "an event log's way to the workers: CSV, Parquet, shards", flags, p.benchData)
	c.Description = benchFormat
	return c
}

func (p *program) benchData(c *cli.Context) error {
	config := simulate.DefaultConfig()
	config.Students, config.Skills, config.Answers = c.Int("students"), c.Int("skills"), c.Int("answers")
	if err := config.Validate(); err != nil {
		return usagef("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	scenarios, err := bench.Data(config)
	if err != nil {
		return err
	}
	return p.benchRun(c, scenarios)
}

// benchRun prints lines as they come, or the report at the end.
func (p *program) benchRun(c *cli.Context, scenarios []bench.Scenario) error {
	if c.Int("count") < 1 || c.Int("threads") < 1 {
		return usagef("--count and --threads are at least 1")
	}
	lines := io.Writer(p.out)
	if p.format == "json" {
		lines = io.Discard
	}
	var report *bench.Report
	err := promptly(c.Context, interruptGrace, func(ctx context.Context) (err error) {
		report, err = bench.Run(ctx, scenarios, c.Int("count"), lines)
		return err
	})
	if err != nil || p.format != "json" {
		return err
	}
	return p.printJSON(report)
}

func hiddenSizes(c *cli.Context) (sizes []int, err error) {
	for text := range strings.SplitSeq(c.String("hidden"), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 || n > 4096 {
			return nil, usagef("--hidden %q: want sizes from 1 to 4096, with commas", c.String("hidden"))
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}
