package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"cohort/coordinator/wire"
)

// expandPipeline makes the chain extract → validate → features, shard → train →
// evaluate, and what the file adds to it. Features are made beside the training. A
// model with a name is registered, and promoted where the file says so.
func expandPipeline(spec wire.Spec, run Run) ([]wire.Stage, error) {
	b := builder{}
	b.addTo(extractStage(&b, spec, run))
	b.addTo(validateStage(&b, spec, run), "extract")
	split, inputs := splitOf(spec, "extract")
	b.addTo(featuresStage(&b, spec, run, split), "validate")
	data := map[string]string{dataset: "validate/" + dataset}
	if from := inputs[folds]; from != "" {
		data[folds] = from
	}
	b.addTo(shardStage(&b, spec, split, data), "validate")
	after := b.addStudy(spec, split, inputs)
	b.addTo(trainStage(&b, spec, split, inputs), after)
	b.addLife(spec, run, split, inputs)
	b.addFolds(spec, split, data, inputs, after)
	for _, n := range graphNodes(spec) {
		s, err := graphStage(n)
		b.err = errors.Join(b.err, err)
		b.stages = append(b.stages, s)
	}
	if b.err != nil {
		return nil, b.err
	}
	for k := range b.stages {
		s := &b.stages[k]
		s.Fresh = spec.Fresh
		if s.Kind != wire.StageExec { // a command says by its inputs and outputs whether its results are kept
			s.Version = wire.StageVersion(s.Kind)
		}
		if run.Backfill {
			s.Line = ""
		}
	}
	return inOrder(b.stages)
}

// addTo adds a stage that waits for those named.
func (b *builder) addTo(s wire.Stage, after ...string) {
	if s.After = after; after == nil {
		s.After = []string{}
	}
	b.add(s)
}

// sourceRetries outlast an outage of about two minutes: back-off doubles to one.
const sourceRetries = 7

func extractStage(b *builder, spec wire.Spec, run Run) wire.Stage {
	from := importStage(spec)
	var in wire.ImportSettings
	b.err = errors.Join(b.err, json.Unmarshal(from.Settings, &in))
	s := wire.Stage{Name: "extract", Kind: wire.StageExtract, Inputs: from.Inputs}
	set := wire.ExtractSettings{ImportSettings: in, Source: spec.Source}
	// Bounds that move with the runs are kept when the dataset is checked: events
	// outside are read all the same, so that the next run goes on from this one.
	if set.Source.To == wire.Run {
		set.Source.To = ""
	}
	if _, moves := wire.BeforeRun(set.Source.From); moves {
		set.Source.From = ""
	}
	s.Settings = b.settings(set)
	if spec.Source.Kind == "" {
		return s
	}
	delete(s.Inputs, events)
	s.Retries = sourceRetries
	sum := sha256.Sum256(append([]byte{byte(wire.StageVersion(s.Kind))}, s.Settings...))
	s.Line = "extract/" + spec.Name + "/" + hex.EncodeToString(sum[:8])
	if !spec.Fresh && !run.Backfill {
		s.Inputs["base"] = "~extraction"
	}
	return s
}

func validateStage(b *builder, spec wire.Spec, run Run) wire.Stage {
	set := wire.ValidateSettings{Name: spec.Name, Spec: spec.Validate, Columns: spec.Data.Columns}
	bound(&set, spec, run)
	s := wire.Stage{
		Name: "validate", Kind: wire.StageValidate, Line: "validate/" + spec.Name,
		Inputs: map[string]string{"extraction": "extract/extraction"}, Settings: b.settings(set),
	}
	if spec.Validate.Drift && !run.Backfill {
		s.Inputs["reference"] = "^profile"
	}
	return s
}

// bound sets the bounds that move with the runs.
func bound(set *wire.ValidateSettings, spec wire.Spec, run Run) {
	if span, moves := wire.BeforeRun(spec.Source.From); moves {
		set.From = (run.At - span.Milliseconds()) * 1000
	}
	if run.Backfill || spec.Source.To == wire.Run {
		set.To = run.At * 1000
	}
}

func featuresStage(b *builder, spec wire.Spec, run Run, split wire.Split) wire.Stage {
	set := wire.FeaturesSettings{Name: spec.Name, Spec: spec.Features, Split: split}
	switch cut := spec.Features.Cut; {
	case cut == wire.Run:
		set.Cut = run.At * 1000
	case cut != "":
		t, err := wire.ParseBound(cut)
		b.err = errors.Join(b.err, err)
		set.Cut = t.UnixMicro()
	}
	s := wire.Stage{
		Name: "features", Kind: wire.StageFeatures, Line: "features/" + spec.Name,
		Inputs: map[string]string{dataset: "validate/" + dataset}, Settings: b.settings(set),
	}
	if !run.Backfill {
		s.Inputs["base"] = "~features"
	}
	if spec.Split.File != "" {
		s.Inputs[folds] = "extract/" + folds
	}
	return s
}

// splitOf is how students are split, and the inputs of stages that split them.
func splitOf(spec wire.Spec, from string) (wire.Split, map[string]string) {
	split := wire.Split{Column: spec.Split.Column, Test: spec.Split.Test, Valid: spec.Split.Valid, Seed: spec.Split.Seed}
	inputs := map[string]string{shards: "shard/" + shards}
	if spec.Split.File != "" {
		split.File = folds
		inputs[folds] = from + "/" + folds
	}
	return split, inputs
}
