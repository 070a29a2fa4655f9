package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/cli/local"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// interruptGrace is how long Ctrl-C may take to end the demo.
const interruptGrace = 1500 * time.Millisecond

// demoName is what the demo's jobs are called, or begin with; an unfinished one that
// an earlier demo left in the folder is stopped.
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
		&cli.StringFlag{Name: "http", Value: "127.0.0.1:0", Usage: "`HOST:PORT` of the API and the gateway; port 0 is a free one"},
		&cli.BoolFlag{Name: "once", Usage: "end after the answers, also in a terminal"},
		&cli.BoolFlag{Name: "stay", Usage: "serve until Ctrl-C or SIGTERM, also without a terminal"},
		setFlag(),
		logFlag("error"),
	)
	c := p.command("demo", "", "a cluster in one process turns an event log into a model that answers requests", append(flags, columnFlags()...), p.demo)
	c.Description = `Starts a coordinator and workers on loopback and hands them one pipeline over the
API: extract, validate, features, shard, a small study (tune), training, folds of a
cross-validation, evaluation, registration, and the deployment of what passes its
gates. Prints the model beside two baselines on held-out students, asks the gateway
two requests and prints them, as curl, with their answers.

In a terminal it then serves until Ctrl-C, for an hour at most; without one, with
--once, -q or -o json, and where CI is set, it ends. Standard input, output and error
must all be the terminal. A container run with -t but not -i looks the same: there the
hour ends it, or --once. --stay serves without end, wherever it runs.

Simulated learners are held to the gates of any job: AUC 0.75, accuracy 0.70, 1 %
above the baseline. With --events the model need only be 1 % above the per-skill
mean, and there are no study and no folds; --set gates.auc=0.75, --set tune.trials=4
and --set cross_validate.folds=3 bring them back. A model that takes --inputs is not
deployed: replicas serve models of skill and correctness alone.

With --data-dir, what has not changed since the last time is not run again, and a
model is compared with the one that is in production there. The columns default to
those of the ASSISTments 2009 log.

Exit code: 0 answered, or no better than what is in production; 3 refused by a gate.`
	return c
}

func (p *program) demo(c *cli.Context) error {
	if c.Bool("once") && c.Bool("stay") {
		return usagef("--once and --stay exclude each other")
	}
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
	var staying atomic.Bool
	err = promptly(c.Context, interruptGrace, func(ctx context.Context) error {
		return p.demoIn(ctx, c, dir, spec, log, &staying)
	})
	if staying.Load() && c.Err() != nil {
		return nil // it was asked to end
	}
	return err
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

// demoIn runs the demo in a folder. staying is set once it does nothing but serve.
func (p *program) demoIn(ctx context.Context, c *cli.Context, dir string, spec wire.Spec, log *slog.Logger, staying *atomic.Bool) error {
	for _, f := range clientFiles(&spec) {
		if _, e := locate("", *f.path, f.key); e != nil && c.IsSet("events") {
			return e
		}
	}
	workers := c.Int("workers")
	p.talk("starting a coordinator and %d workers on loopback, data in %s", workers, dir)
	cluster, err := local.Start(ctx, local.Config{
		Workers: workers, DataDir: dir, HTTP: c.String("http"), Kernels: c.String("kernels"), Version: versionText(), Logger: log,
	})
	if err != nil {
		return err
	}
	defer func() { //nolint:contextcheck // bounded by itself
		if e := cluster.Close(); e != nil {
			log.Error("stop", "error", e) // all that counts is on disk
		}
	}()
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
	p.talk("gates    %s", gatesLine(spec.Gates))
	id, err := p.submit(ctx, api, spec, "")
	if err != nil {
		return err
	}
	d := demonstration{program: p, api: api, url: cluster.URL(), model: spec.Register.Model, deploys: spec.Deploys()}
	if err := d.run(ctx, id); err != nil || !p.stays(c) || d.version == 0 {
		return err
	}
	staying.Store(true)
	return d.stay(ctx, c.Bool("stay"))
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
		if j.Name != demoName && !strings.HasPrefix(j.Name, demoName+"-") || j.Kind != "pipeline" || j.Status.Final() {
			continue
		}
		if _, err := api.Stop(ctx, j.ID, wire.StopRequest{Reason: "its demo was interrupted"}); err != nil {
			return err
		}
	}
	return nil
}
