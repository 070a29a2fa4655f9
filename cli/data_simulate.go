package cli

import (
	"bufio"
	"compress/gzip"
	"context"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/dkt/simulate"
)

func (p *program) dataSimulateCommand() *cli.Command {
	d := simulate.DefaultConfig()
	flags := []cli.Flag{
		&cli.IntFlag{Name: "students", Value: d.Students, Usage: "`N` learners"},
		&cli.IntFlag{Name: "skills", Value: d.Skills, Usage: "`N` skills"},
		&cli.IntFlag{Name: "answers", Value: d.Answers, Usage: "`N` answers a learner, on average"},
		&cli.UintFlag{Name: "seed", Value: uint(d.Seed), Usage: "`SEED`; the same one gives the same file"},
	}
	c := p.command("simulate", "[FILE]", "write an event log of simulated learners", flags, p.dataSimulate)
	c.Description = "Without FILE, or with -, the CSV goes to standard output. A name ending in .gz is compressed."
	return c
}

func (p *program) dataSimulate(c *cli.Context) error {
	config := simulate.Config{
		Students: c.Int("students"), Skills: c.Int("skills"), Answers: c.Int("answers"), Seed: uint32(c.Uint("seed")),
	}
	if err := config.Validate(); err != nil {
		return usagef("%s", strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	path := c.Args().First()
	if path == "" || path == "-" {
		_, err := simulate.WriteCSV(stoppableWriter{c.Context, p.out}, config)
		return err
	}
	stats, err := simulateFile(c.Context, path, config)
	if err != nil {
		return err
	}
	p.talk("%s: %s answers of %s learners on %s skills", path, grouped(stats.Answers), grouped(stats.Students), grouped(stats.Skills))
	if p.format == "json" {
		return p.printJSON(stats)
	}
	return nil
}

// simulateFile writes an event log; a file that could not be finished is
// taken away.
func simulateFile(ctx context.Context, path string, config simulate.Config) (stats simulate.Stats, err error) {
	f, err := os.Create(path)
	if err != nil {
		return stats, err
	}
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil {
			os.Remove(path) //nolint:errcheck // the first error counts
		}
	}()
	var w io.WriteCloser = bufferedFile{bufio.NewWriterSize(f, 1<<16)}
	if strings.HasSuffix(path, ".gz") {
		w = gzip.NewWriter(f)
	}
	stats, err = simulate.WriteCSV(stoppableWriter{ctx, w}, config)
	if err == nil {
		err = w.Close()
	}
	return stats, err
}

type bufferedFile struct{ *bufio.Writer }

func (b bufferedFile) Close() error { return b.Flush() }

// stoppableWriter ends writing when its context does.
type stoppableWriter struct {
	ctx context.Context //nolint:containedctx // a writer has no other way to be told
	w   io.Writer
}

func (s stoppableWriter) Write(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.w.Write(b)
}
