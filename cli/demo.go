package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/cli/local"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// interruptGrace is how long Ctrl-C may take to end the demo.
const interruptGrace = 1500 * time.Millisecond

// demoName is what the demo's jobs are called; an unfinished one that an
// earlier demo left in the folder is stopped.
const demoName = "demo"

func (p *program) demoCommand() *cli.Command {
	flags := append(clusterFlags(),
		&cli.StringFlag{Name: "events", Usage: "CSV `FILE` of answers, gzip or not (default: simulated learners)"},
		&cli.StringFlag{Name: "split", Usage: "`FILE:COLUMN` with each student's fold (default: by student, 20 % test, 20 % valid)"},
		&cli.IntFlag{Name: "fold", Value: 1, Usage: "fold `N` tests, the next of --folds validates; without --split the seed of the shares"},
		&cli.IntFlag{Name: "folds", Value: 5, Usage: "`N` folds of --split"},
		&cli.IntFlag{Name: "epochs", Usage: "at most `N` epochs"},
		&cli.IntFlag{Name: "shards", Value: 16, Usage: "`N` shards; moves no bit"},
		&cli.StringFlag{Name: "inputs", Usage: "`NAMES` that the model takes beside skill and answer: difficulty, elapsed"},
		&cli.UintFlag{Name: "seed", Value: 42, Usage: "`SEED` of the model"},
		&cli.StringFlag{Name: "data-dir", Usage: "`FOLDER` to keep (default: one that is removed at the end)"},
		logFlag("error"),
	)
	c := p.command("demo", "", "a cluster in one process turns an event log into a tested model", append(flags, columnFlags()...), p.demo)
	c.Description = `Starts a coordinator and workers on loopback and hands them one pipeline over the
API: extract, validate, features, train, evaluate. Prints the model beside two
baselines on held-out students. With --data-dir, what has not changed since the
last time is not run again.
The columns default to those of the ASSISTments 2009 log.`
	return c
}

func (p *program) demo(c *cli.Context) error {
	spec, err := demoSpec(c)
	if err != nil {
		return err
	}
	log, err := p.logger(c)
	if err != nil {
		return err
	}
	dir, remove, err := demoFolder(c.String("data-dir"))
	if err != nil {
		return err
	}
	defer remove()
	return promptly(c.Context, interruptGrace, func(ctx context.Context) error {
		return p.demoIn(ctx, c, dir, spec, log)
	})
}

// promptly runs f and leaves it behind when ctx has ended and f goes on for
// longer than grace: the process is about to end.
func promptly(ctx context.Context, grace time.Duration, f func(context.Context) error) error {
	done := make(chan error, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- fmt.Errorf("internal error: %v: this is a bug", r)
			}
		}()
		done <- f(ctx)
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return errors.Join(ctx.Err(), err)
	case <-time.After(grace):
		return ctx.Err()
	}
}

// demoFolder is the folder named, or a new one that remove takes away.
func demoFolder(dir string) (path string, remove func(), err error) {
	if dir != "" {
		return dir, func() {}, nil
	}
	if dir, err = os.MkdirTemp("", "cohort-demo-"); err != nil {
		return "", nil, fmt.Errorf("make a folder for the demo: %w", err)
	}
	return dir, func() { os.RemoveAll(dir) }, nil //nolint:errcheck // a left-over folder under the temporary one harms nobody
}

// demoSpec is the demo's job, its events still to be simulated when
// data.events is empty of meaning.
func demoSpec(c *cli.Context) (wire.Spec, error) {
	s := wire.DefaultSpec()
	s.Name, s.Kind = demoName, "pipeline"
	s.Data.Events, s.Data.Columns, s.Data.Shards = c.String("events"), columnsOf(c), c.Int("shards")
	s.Train.Workers, s.Train.Seed = c.Int("workers"), uint32(c.Uint("seed"))
	s.Split.Seed = uint32(max(0, c.Int("fold")))
	if s.Data.Events == "" {
		if c.IsSet("split") {
			return s, usagef("--split needs --events")
		}
		s = simulated(s)
	}
	if split := c.String("split"); split != "" {
		if err := foldSplit(&s.Split, split, c.Int("fold"), c.Int("folds")); err != nil {
			return s, err
		}
	}
	if c.IsSet("epochs") {
		s.Train.Epochs = c.Int("epochs")
	}
	s.Train.Kernels = c.String("kernels")
	s.Model.Inputs = strings.FieldsFunc(c.String("inputs"), func(r rune) bool { return r == ',' })
	checkedSpec, err := checked(s)
	if err != nil {
		return s, asUsage(err)
	}
	return checkedSpec, nil
}

// simulated fits the job to the simulated learners: a smaller model on smaller
// batches, so that the demo is short.
func simulated(s wire.Spec) wire.Spec {
	s.Data.Events = "simulated.csv"
	s.Data.Columns = wire.DefaultColumns()
	s.Model.Embed, s.Model.Hidden = 64, 64
	s.Train.Batch, s.Train.Epochs, s.Train.Patience, s.Train.LR = 32, 40, 4, 0.003
	return s
}

// foldSplit reads FILE:COLUMN.
func foldSplit(s *wire.SplitSpec, text string, fold, folds int) error {
	k := strings.LastIndexByte(text, ':')
	if k <= 0 || k == len(text)-1 {
		return usagef("--split %q: want FILE:COLUMN", text)
	}
	if folds < 3 {
		return usagef("--folds is %d; want 3 or more: one tests, one validates, the rest train", folds)
	}
	if fold < 1 || fold > folds {
		return usagef("--fold is %d; want 1 to %d", fold, folds)
	}
	s.File, s.Column = text[:k], text[k+1:]
	s.Test, s.Valid, s.Seed = float64(fold), float64(fold%folds+1), 0
	return nil
}

// asUsage turns faults of a job made of flags into a usage error: there is no
// file to point at.
func asUsage(err error) error {
	var spec *wire.SpecError
	if !errors.As(err, &spec) {
		return err
	}
	var faults []string
	for _, f := range spec.Faults {
		faults = append(faults, f.Text)
	}
	return usagef("%s", strings.Join(faults, "; "))
}

// demoIn runs the demo in a folder.
func (p *program) demoIn(ctx context.Context, c *cli.Context, dir string, spec wire.Spec, log *slog.Logger) (err error) {
	for _, f := range clientFiles(&spec) {
		if _, e := locate("", *f.path, f.key); e != nil && c.IsSet("events") {
			return e
		}
	}
	workers := c.Int("workers")
	p.talk("starting a coordinator and %d workers on loopback, data in %s", workers, dir)
	cluster, err := local.Start(ctx, local.Config{
		Workers: workers, DataDir: dir, Kernels: c.String("kernels"), Version: versionText(), Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }() //nolint:contextcheck // bounded by itself
	if !c.IsSet("events") {
		if err := p.simulateInto(ctx, dir, &spec); err != nil {
			return err
		}
	}
	if err := cluster.Ready(ctx); err != nil {
		return err
	}
	api := p.connect(cluster.URL())
	if err := stopLeftOvers(ctx, api); err != nil {
		return err
	}
	id, err := p.submit(ctx, api, spec, "")
	if err != nil {
		return err
	}
	return p.followToEnd(ctx, api, id)
}

func (p *program) simulateInto(ctx context.Context, dir string, spec *wire.Spec) error {
	path := filepath.Join(dir, spec.Data.Events)
	stats, err := simulateFile(ctx, path, simulate.DefaultConfig())
	if err != nil {
		return err
	}
	spec.Data.Events = path
	p.talk("simulated %s answers of %s learners on %s skills", grouped(stats.Answers), grouped(stats.Students), grouped(stats.Skills))
	return nil
}

// stopLeftOvers ends what an interrupted demo left in a kept folder, so that
// it takes no worker from this one.
func stopLeftOvers(ctx context.Context, api *client.Client) error {
	jobs, err := api.Jobs(ctx)
	if err != nil {
		return err
	}
	for _, j := range jobs {
		if j.Name != demoName || j.Status.Final() {
			continue
		}
		if _, err := api.Stop(ctx, j.ID, wire.StopRequest{Reason: "its demo was interrupted"}); err != nil {
			return err
		}
	}
	return nil
}
