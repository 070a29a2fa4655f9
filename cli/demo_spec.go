package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/coordinator/wire"
)

// demoSpec is the demo's job, its events still to be simulated when
// data.events is empty of meaning.
func demoSpec(c *cli.Context) (wire.Spec, error) {
	s := wire.DefaultSpec()
	s.Name, s.Kind = demoName, "pipeline"
	s.Data.Events, s.Data.Columns, s.Data.Shards = c.String("events"), columnsOf(c), c.Int("shards")
	s.Train.Workers, s.Train.Seed = c.Int("workers"), uint32(c.Uint("seed"))
	s.Register, s.Deploy = wire.RegisterSpec{Model: demoName, Promote: true}, wire.DefaultDeploy()
	s.Split.Seed = uint32(max(0, c.Int("fold")))
	if s.Data.Events == "" {
		if c.IsSet("split") {
			return s, usagef("--split needs --events")
		}
		s = simulated(s)
	} else {
		s = logged(s)
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
	if s.Model.Inputs = strings.FieldsFunc(c.String("inputs"), func(r rune) bool { return r == ',' }); len(s.Model.Inputs) > 0 {
		s.Deploy = wire.DeploySpec{} // replicas serve models of skill and correctness alone
	}
	if s.Tune.Epochs = min(trialEpochs, s.Train.Epochs); s.Tune.Epochs <= s.Tune.Rungs[0] {
		s.Tune.Rungs = nil
	}
	checkedSpec, err := checked(s, c.StringSlice("set")...)
	if err != nil {
		return s, asUsage(err)
	}
	return checkedSpec, nil
}

// Sizes of the demo's study and cross-validation.
const (
	trialEpochs = 3
	crossFolds  = 3
)

// simulated fits the job to the simulated learners: a smaller model on smaller
// batches, so that the demo is short, and all that a pipeline may have.
func simulated(s wire.Spec) wire.Spec {
	s.Data.Events = "simulated.csv"
	s.Data.Columns = wire.DefaultColumns()
	s.Model.Embed, s.Model.Hidden = 64, 64
	s.Train.Batch, s.Train.Epochs, s.Train.Patience, s.Train.LR = 32, 40, 4, 0.003
	s.Gates = wire.DefaultGates()
	s.Tune = demoStudy(4)
	s.CrossValidate.Folds = crossFolds
	return s
}

// logged fits the job to a log of the user's. What a model can reach on it nobody
// knows: the gates ask that it beats the per-skill mean. A study and folds take
// their time, and --set adds them.
func logged(s wire.Spec) wire.Spec {
	s.Register.Model = nameOf(s.Data.Events)
	s.Name = demoName + "-" + s.Register.Model[:min(len(s.Register.Model), 50)] // another log is no drift of the last one
	s.Gates = wire.DefaultGates()
	s.Gates.AUC, s.Gates.Accuracy = 0, 0
	s.Tune = demoStudy(0)
	return s
}

// demoStudy searches two settings around what they are; of the trials half are
// ended after the first epoch.
func demoStudy(trials int) wire.TuneSpec {
	t := wire.DefaultTune()
	t.Trials, t.Sampler, t.Rungs, t.Reduction = trials, "grid", []int{1}, 2
	t.Space = map[string]wire.TuneDomain{
		"train.lr":      {Values: []any{0.001, 0.003}},
		"model.dropout": {Values: []any{0.1, 0.3}},
	}
	return t
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

// gatesLine says what a model must be before it serves.
func gatesLine(g wire.GatesSpec) string {
	var parts []string
	for _, b := range []struct {
		bound float64
		text  string
	}{
		{g.AUC, "AUC at least %.4g"},
		{g.Accuracy, "accuracy at least %.4g"},
		{100 * g.Improvement, "AUC %.4g %% above the baseline"},
		{100 * g.FoldSpread, "folds within %.4g %%"},
	} {
		if b.bound > 0 {
			parts = append(parts, fmt.Sprintf(b.text, b.bound))
		}
	}
	if g.Quality {
		parts = append(parts, "sound data")
	}
	return strings.Join(parts, ", ")
}
