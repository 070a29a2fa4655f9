package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

// modelShown is what model show tells as JSON.
type modelShown struct {
	wire.VersionView
	Lineage wire.ModelManifest `json:"lineage"`
}

func (p *program) modelShowCommand() *cli.Command {
	c := p.command("show", "MODEL", "show a version, what it comes from and what its evaluation found", clientFlags(), func(c *cli.Context) error {
		api, err := p.client(c)
		if err != nil {
			return err
		}
		s, err := shown(c.Context, api, c.Args().First())
		if err != nil {
			return err
		}
		if p.format == "json" {
			return p.printJSON(s)
		}
		return p.printModel(s)
	})
	c.Description = refHelp
	return c
}

// shown reads a version with its manifest.
func shown(ctx context.Context, api *client.Client, ref string) (s modelShown, err error) {
	if s.VersionView, err = lookUp(ctx, api, ref, current()...); err != nil {
		return s, err
	}
	s.Lineage, err = manifestOf(ctx, api, &s.ModelVersion)
	return s, err
}

func manifestOf(ctx context.Context, api *client.Client, v *wire.ModelVersion) (m wire.ModelManifest, err error) {
	text, err := readBlob(ctx, api, "manifest", v.Manifest)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return m, fmt.Errorf("manifest %s: %w", v.Manifest, err)
	}
	return m, nil
}

func (p *program) printModel(s modelShown) error {
	v, m := s.ModelVersion, s.Lineage
	err := p.printTable("KEY | VALUE", [][]string{
		{"version", refOf(&v)},
		{"stage", string(v.Stage)},
		{"made", time.UnixMilli(v.Created).UTC().Format(time.RFC3339)},
		{"job", either(v.Job)},
		{"network", fmt.Sprintf("%s, %d hidden, %d layers, engine %s, inputs %s", m.Spec.Cell, m.Spec.Hidden, m.Spec.Layers, either(m.Engine), either(strings.Join(m.Spec.Inputs, ", ")))},
		{"training", fmt.Sprintf("%s, rate %g, batch %d, seed %d", m.Train.Optimizer, m.Train.LR, m.Train.Batch, m.Train.Seed)},
		{"skills", fmt.Sprintf("%s, window %d", grouped(len(m.Skills)), m.Window)},
		{"weights", v.Weights},
		{"weights_sha256", v.WeightsHash},
		{"manifest", v.Manifest},
		{"signed by", either(v.Key)},
		{"extraction", either(m.Extraction)},
		{"dataset", either(m.Dataset)},
		{"shards", either(m.Shards)},
		{"features", either(m.Features)},
		{"folds", either(m.Folds)},
		{"job file", either(m.JobSpec)},
		{"binary", either(m.Binary)},
		{"evaluation", either(v.Evaluation)},
		{"notes", either(oneLine(v.Notes))},
	})
	if err != nil || s.Found == nil {
		return err
	}
	p.printf("\n")
	return p.printEvaluation(*s.Found)
}

// printEvaluation shows measures beside the baseline's, and what the gates say.
func (p *program) printEvaluation(e wire.Evaluation) error {
	baseline := "PER-SKILL MEAN"
	if e.Baseline > 0 {
		baseline = fmt.Sprintf("VERSION %d", e.Baseline)
	}
	rows := measures("all", e.Of, e.Against)
	for _, s := range e.Segments {
		if s.Note != "" {
			rows = append(rows, []string{s.Name, oneLine(s.Note), "", ""})
			continue
		}
		rows = append(rows, measures(s.Name, s.Candidate, s.Baseline)...)
	}
	if err := p.printTable("ANSWERS | MEASURE | THIS VERSION | "+baseline, rows); err != nil {
		return err
	}
	p.printf("\nAUC %+.2f %% (95 %%: %+.2f to %+.2f %%)\n", 100*e.Gain, 100*e.GainLow, 100*e.GainHigh)
	if len(e.Gates) == 0 {
		return nil
	}
	gates := make([][]string, len(e.Gates))
	for k, g := range e.Gates {
		gates[k] = []string{g.Name, passes(g.Pass), oneLine(g.Text)}
	}
	p.printf("\n")
	return p.printTable("GATE | PASSES | WHY", gates)
}

func passes(ok bool) string {
	if ok {
		return "yes"
	}
	return "NO"
}

func measures(name string, a, b wire.Measures) [][]string {
	f := func(x float64) string { return fmt.Sprintf("%.4f", x) }
	return [][]string{
		{name, "AUC", f(a.AUC), f(b.AUC)},
		{grouped(a.Answers), "accuracy", f(a.Accuracy), f(b.Accuracy)},
		{"", "F1", f(a.F1), f(b.F1)},
		{"", "log loss", f(a.LogLoss), f(b.LogLoss)},
		{"", "calibration error", f(a.Calibration), f(b.Calibration)},
	}
}
