package cli

import (
	"fmt"
	"io"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/quality"
)

// longestReport bounds a report, bytes.
const longestReport = 16 << 20

func (p *program) jobReportCommand() *cli.Command {
	c := p.command("report", "JOB", "show how the job's dataset was judged", clientFlags(), p.jobReport)
	c.Description = "The report of the job's validate stage: every gate, its number and its bound."
	return c
}

func (p *program) jobReport(c *cli.Context) error {
	api, err := p.client(c)
	if err != nil {
		return err
	}
	j, err := api.JobStages(c.Context, c.Args().First(), "all")
	if err != nil {
		return err
	}
	for _, s := range j.Stages {
		if s.Kind == wire.StageValidate && s.Outputs["report"] != "" {
			return p.printReport(c, api, s.Outputs["report"])
		}
	}
	return &exitError{code: exitNotFound, text: fmt.Sprintf("job %s has no report: it has validated nothing yet", j.ID)}
}

func (p *program) printReport(c *cli.Context, api *client.Client, hash string) error {
	rc, err := api.Blobs().Get(c.Context, hash)
	if err != nil {
		return err
	}
	defer rc.Close() //nolint:errcheck // read only
	data, err := io.ReadAll(io.LimitReader(rc, longestReport))
	if err != nil {
		return fmt.Errorf("read report: %w", err)
	}
	r, err := quality.DecodeReport(data)
	if err != nil {
		return err
	}
	if p.format == "json" {
		return p.printJSON(r)
	}
	return r.WriteText(p.out)
}
