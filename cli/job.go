package cli

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

func (p *program) jobCommand() *cli.Command {
	return &cli.Command{
		Name: "job", Usage: "submit jobs and see what becomes of them", HideHelp: true,
		Subcommands: []*cli.Command{
			p.jobInitCommand(), p.jobValidateCommand(), p.jobPlanCommand(), p.jobRunCommand(),
			p.jobListCommand(), p.jobHistoryCommand(), p.jobStatusCommand(), p.jobLogsCommand(), p.jobWaitCommand(), p.jobStopCommand(),
			p.jobRetryCommand(), p.jobReportCommand(),
		},
	}
}

const jobFileHelp = `FILE is a job file ("-" is standard input); "cohort job init" prints one.
Paths in it are looked for beside it, then in the working folder.
--set changes one key: --set train.epochs=2 --set split.test=3`

func setFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "set", Usage: "`KEY=VALUE` to lay over the job file (may be repeated)"}
}

// readSpec reads the job file of a command's first argument; dir is where its
// paths are looked for first.
func (p *program) readSpec(c *cli.Context) (spec wire.Spec, dir string, err error) {
	path := c.Args().First()
	var text []byte
	if path == "-" {
		path = "standard input"
		text, err = io.ReadAll(io.LimitReader(p.in, wire.MaxSpecBytes+1))
	} else {
		dir = filepath.Dir(path)
		text, err = readLimited(path)
	}
	if err != nil {
		return spec, "", fmt.Errorf("read job file: %w", err)
	}
	spec, err = wire.ParseSpec(path, text, c.StringSlice("set")...)
	return spec, dir, err
}

func readLimited(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	return io.ReadAll(io.LimitReader(f, wire.MaxSpecBytes+1))
}
