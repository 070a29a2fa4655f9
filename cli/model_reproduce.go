package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

// reproduction is what model reproduce tells as JSON.
type reproduction struct {
	Model      string `json:"model"`
	Version    int    `json:"version"`
	Reproduced bool   `json:"reproduced"`
	Weights    string `json:"weights_sha256"` // that was registered
	Job        string `json:"job"`            // that made it again
	Why        string `json:"why,omitempty"`  // it is not reproduced
}

func (p *program) modelReproduceCommand() *cli.Command {
	flags := clientFlags(detachFlag())
	c := p.command("reproduce", "MODEL", "train a version again from its record and compare the weights", flags, p.reproduceModel)
	c.Description = refHelp + `
The source is read again at the recorded positions, nothing that was kept is used,
and the training is run anew. Exit code: 0 the same weights, 1 something differs
(an altered event is named), 8 the job failed before that could be said.`
	return c
}

func (p *program) reproduceModel(c *cli.Context) error {
	api, v, err := p.version(c, current()...)
	if err != nil {
		return err
	}
	made, err := api.Reproduce(c.Context, v.Model, v.Version)
	if err != nil {
		return err
	}
	p.talkCommands(c, made.ID)
	if c.Bool("detach") {
		return p.printID(made)
	}
	j, err := p.follow(c.Context, api, made.ID)
	if err != nil {
		return err
	}
	r := reproduction{
		Model: v.Model, Version: v.Version, Weights: v.WeightsHash, Job: j.ID, Reproduced: j.Status == wire.Done, Why: j.Reason,
	}
	if p.format == "json" {
		if err := p.printJSON(r); err != nil {
			return err
		}
	} else if r.Reproduced && !p.quiet {
		p.printf("%s is reproduced: job %s came to the same weights, sha256:%s\n", refOf(&v.ModelVersion), j.ID, r.Weights)
	}
	return notReproduced(refOf(&v.ModelVersion), j)
}

// notReproduced tells what differs from what could not be compared.
func notReproduced(ref string, j wire.JobView) error {
	if j.Status == wire.Done {
		return nil
	}
	for _, s := range j.Stages {
		if s.Kind == wire.StageCompare && s.Status == wire.Failed && s.Cause == wire.CauseFatal {
			return fmt.Errorf("%s is not reproduced: %s", ref, s.Reason)
		}
	}
	return &exitError{code: exitJobFailed, text: fmt.Sprintf("%s could not be made again: job %s %s: %s", ref, j.ID, j.Status, j.Reason)}
}
