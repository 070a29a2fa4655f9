package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"github.com/urfave/cli/v2"

	"cohort/bench"
	"cohort/dkt/simulate"
)

func (p *program) benchPeersCommand() *cli.Command {
	flags := []cli.Flag{
		&cli.StringFlag{Name: "programs", Value: "bench/peers", Usage: "`FOLDER` with dkt.py and the compiled onednn"},
		&cli.StringFlag{Name: "events", Usage: "event log, a CSV `FILE` with the ASSISTments columns (default: simulated learners)"},
		&cli.StringFlag{Name: "split", Usage: "`FILE:COLUMN` with each student's fold (default: by student)"},
		&cli.IntFlag{Name: "fold", Value: 1, Usage: "fold `N` tests, the next of five validates"},
		&cli.IntFlag{Name: "hidden", Value: 200, Usage: "`N` units of the LSTM"},
		&cli.IntFlag{Name: "count", Value: 5, Usage: "`N` rounds, everybody in turn"},
		&cli.IntFlag{Name: "threads", Value: runtime.GOMAXPROCS(0), Usage: "`N` threads each"},
	}
	c := p.command("peers", "", "race PyTorch and oneDNN on the same batches", flags, p.benchPeers)
	c.Description = `From the same weights, over the same batches: a dense step (64 sequences of 200),
forward and backward, and an epoch with loading, optimiser and validation. The
losses must agree. ` + "`make bench-peers`" + ` installs and compiles what it needs.`
	return c
}

func (p *program) benchPeers(c *cli.Context) error {
	if c.Int("count") < 1 || c.Int("threads") < 1 || c.Int("hidden") < 1 {
		return usagef("--count, --threads and --hidden are at least 1")
	}
	l := logOf(c)
	if l.Events == "" {
		dir, err := os.MkdirTemp("", "cohort-race-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // temporary
		l.Events = filepath.Join(dir, "events.csv")
		if _, err := simulateFile(c.Context, l.Events, simulate.DefaultConfig()); err != nil {
			return err
		}
	}
	race, err := bench.NewRace(c.Context, l, c.Int("hidden"), c.Int("threads"), bench.Peers(c.String("programs")))
	if err != nil {
		return err
	}
	lines := io.Writer(p.out)
	if p.format == "json" {
		lines = io.Discard
	}
	machine, all, err := race.Run(c.Context, c.Int("count"), lines)
	if err != nil {
		return errors.Join(err, c.Err())
	}
	if p.format == "json" {
		return p.printJSON(map[string]any{"machine": machine, "races": all})
	}
	var rows [][]string
	for _, v := range all {
		rows = append(rows, []string{
			v.Event, v.Peer, v.Code, grouped(int64(v.Own.Median)), grouped(int64(v.Rates.Median)), fmt.Sprintf("%.1f", v.Ratio.Median),
			fmt.Sprintf("%.1f to %.1f", v.Ratio.Min, v.Ratio.Max), fmt.Sprintf("%.1f", v.Best), fmt.Sprintf("%.5f", v.Want), fmt.Sprintf("%.5f", v.Loss),
		})
	}
	p.printf("\n")
	return p.printTable("EVENT | AGAINST | VERSION | COHORT/S | THEIRS/S | RATIO | RANGE | BEST | COHORT LOSS | LOSS", rows)
}
