package schedule

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"

	"cohort/coordinator/wire"
)

// Names of stages, inputs and outputs of a model's life.
const (
	evaluate   = "evaluate"
	register   = "register"
	report     = "report"
	manifest   = "manifest"
	extraction = "extraction"
	features   = "features"
	cross      = "cross"
	production = "production"
)

// addLife adds what follows the training: a test alone where the model has no
// name; else its evaluation against the one in production, its registration and,
// where the file says so, its promotion. A backfill is of a time that is past: what
// it makes is registered and goes no further by itself.
func (b *builder) addLife(spec wire.Spec, run Run, split wire.Split, inputs map[string]string) {
	if spec.Register.Model == "" {
		b.addTo(testStage(b, evaluate, spec, split, inputs), "train")
		return
	}
	after := []string{"train"}
	if spec.CrossValidate.Folds > 0 {
		after = append(after, wire.CrossStage)
	}
	b.addTo(evaluateStage(b, spec, split, inputs), after...)
	b.addTo(registerStage(b, spec, split, inputs), evaluate, features)
	if spec.Register.Promote && !run.Backfill {
		b.addTo(promoteStage(b, spec), register)
	}
}

// evaluateStage tests as testStage does, beside the model in production.
func evaluateStage(b *builder, spec wire.Spec, split wire.Split, inputs map[string]string) wire.Stage {
	s := testStage(b, evaluate, spec, split, inputs)
	s.Kind = wire.StageEvaluate
	s.Inputs[dataset], s.Inputs[report] = "validate/"+dataset, "validate/"+report
	s.Inputs[production] = wire.ModelInput + spec.Register.Model
	if spec.CrossValidate.Folds > 0 {
		s.Inputs[cross] = wire.CrossStage + "/" + cross
	}
	s.Settings = b.settings(wire.EvaluateSettings{
		TestSettings: testSettings(spec, split),
		Name:         spec.Register.Model, Gates: spec.Gates,
	})
	return s
}

func registerStage(b *builder, spec wire.Spec, split wire.Split, inputs map[string]string) wire.Stage {
	text, err := spec.Text()
	b.err = errors.Join(b.err, err)
	sum := sha256.Sum256([]byte(text))
	from := map[string]string{
		weights: "train/" + weights, dataset: "validate/" + dataset, extraction: "extract/" + extraction, features: features + "/" + features,
	}
	maps.Copy(from, inputs)
	return wire.Stage{
		Name: register, Kind: wire.StageRegister, Inputs: from,
		Settings: b.settings(wire.RegisterSettings{
			TrainSettings: trainSettings(spec, split),
			Name:          spec.Register.Model, MultiSkill: spec.Data.MultiSkill, JobSpec: hex.EncodeToString(sum[:]), Evaluation: evaluate,
		}),
	}
}

func promoteStage(b *builder, spec wire.Spec) wire.Stage {
	set := wire.PromoteSettings{Name: spec.Register.Model, Gates: spec.Gates}
	if spec.Deploys() {
		set.Deploy = &spec.Deploy
	}
	return wire.Stage{
		Name: spec.PromoteStage(), Kind: wire.StagePromote,
		Inputs:   map[string]string{manifest: register + "/" + manifest, "evaluation": evaluate + "/" + report},
		Settings: b.settings(set),
	}
}
