package train

import (
	"context"
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/quality"
	"cohort/dkt"
	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// resamples are of the bootstrap that bounds a gain.
const resamples = 1000

// evaluated is an evaluation's result.
type evaluated struct {
	tested
	Evaluation *wire.Evaluation `json:"evaluation"`
}

// report is an evaluation's report, a blob.
type report struct {
	Evaluation  *wire.Evaluation `json:"evaluation"`
	Calibration struct {
		Candidate []metric.Bin `json:"candidate"`
		Baseline  []metric.Bin `json:"baseline"`
	} `json:"calibration"`
}

// Evaluate compares a candidate with the model in production, or with the
// per-skill mean where there is none, on the students of the test part.
func Evaluate(ctx context.Context, env Env, a wire.Assignment) (r wire.TaskResult, err error) {
	s, err := settings[wire.EvaluateSettings](a.Stage)
	if err != nil {
		return r, err
	}
	in := a.Stage.Inputs
	if s.TestSettings, err = tunedTest(ctx, env, in, s.TestSettings); err != nil {
		return r, err
	}
	data, err := load(ctx, env, in, s.Split, s.Window)
	if err != nil {
		return r, err
	}
	e := &wire.Evaluation{
		ID: a.Stage.Job + "/" + a.Stage.Name, Job: a.Stage.Job, Model: s.Name, Candidate: in["weights"], BaselineWeights: in["production"],
		Dataset: data.set.Dataset, Shards: in["shards"], Split: s.Split, Gates: []wire.GateResult{},
	}
	if err := around(ctx, env, in, e); err != nil {
		return r, err
	}
	c := &comparison{env: env, a: a, s: s, data: data, test: data.parts[sequence.Test]}
	if err := c.predict(ctx); err != nil {
		return r, err
	}
	out := evaluated{Evaluation: e}
	if out.Test, err = c.measure(e); err != nil {
		return r, err
	}
	if s.Baselines {
		env.Progress(wire.Progress{Message: "fitting the baselines"})
		if out.Baselines, err = baselines(data, s.Train.Seed); err != nil {
			return r, err
		}
	}
	if err := c.report(ctx, e); err != nil {
		return r, err
	}
	r.Outputs, r.Evaluation = map[string]string{"report": e.Report}, e
	r.Result, err = json.Marshal(out)
	env.Logger.Info("evaluated", "auc", e.Of.AUC, "against", e.Against.AUC, "gain", e.Gain, "gain_low", e.GainLow, "gain_high", e.GainHigh, "answers", e.Of.Answers)
	return r, err
}

// around fills in what earlier stages found: the folds' spread and what the data
// checks said.
func around(ctx context.Context, env Env, in map[string]string, e *wire.Evaluation) error {
	if hash := in["cross"]; hash != "" {
		text, err := lake.Read(ctx, env.Blobs, hash)
		if err != nil {
			return fmt.Errorf("cross-validation: %w", err)
		}
		var cross wire.Crossed
		if err := json.Unmarshal(text, &cross); err != nil {
			return fmt.Errorf("cross-validation %s: %w", hash, err)
		}
		e.Folds, e.Spread = cross.AUC, cross.Spread
	}
	hash := in["report"]
	if hash == "" {
		return nil
	}
	text, err := lake.Read(ctx, env.Blobs, hash)
	if err != nil {
		return fmt.Errorf("report of the data checks: %w", err)
	}
	found, err := quality.DecodeReport(text)
	if err != nil {
		return fmt.Errorf("report of the data checks: %w", err)
	}
	if e.Quality = found.Failure; found.OK {
		e.Quality = wire.QualityPassed
	}
	return nil
}

// comparison are two models' predictions of the same answers.
type comparison struct {
	env  Env
	a    wire.Assignment
	s    wire.EvaluateSettings
	data *corpus
	test *sequence.Set

	paired metric.Paired
	places []sequence.Place
}

// predict computes both models' logits.
func (c *comparison) predict(ctx context.Context) error {
	c.places = c.test.Places(c.s.Window)
	c.paired.Right = c.test.Right()
	for _, at := range c.places {
		c.paired.Student = append(c.paired.Student, at.Student)
	}
	p, err := weights(ctx, c.env, c.a.Stage.Inputs["weights"], c.data)
	if err != nil {
		return err
	}
	c.env.Progress(wire.Progress{Message: "testing"})
	if c.paired.Candidate, err = c.logits(c.s.Model, p, c.test); err != nil {
		return fmt.Errorf("test: %w", err)
	}
	c.env.Progress(wire.Progress{Message: "testing what it is compared with"})
	c.paired.Baseline, err = c.baseline(ctx)
	return err
}

// lstm is the cell of a model that names none.
const lstm = "lstm"

// cellOf is a model's cell as weights files hold it: none of an lstm.
func cellOf(m wire.ModelSpec) string {
	if m.Cell == lstm {
		return ""
	}
	return m.Cell
}

// logits are those of a model of a network.
func (c *comparison) logits(m wire.ModelSpec, p *kernels.Params, set *sequence.Set) ([]float32, error) {
	e, err := engine(c.env, c.a, p.Shape, m, c.s.Train.Kernels)
	if err != nil {
		return nil, err
	}
	defer e.Close()              //nolint:errcheck // nothing to lose
	return dkt.Logits(e, p, set) //nolint:wrapcheck // the caller says of which model
}

// report stores the evaluation with the calibration tables.
func (c *comparison) report(ctx context.Context, e *wire.Evaluation) error {
	out := report{Evaluation: e}
	out.Calibration.Candidate = metric.Calibration(c.paired.Candidate, c.paired.Right)
	out.Calibration.Baseline = metric.Calibration(c.paired.Baseline, c.paired.Right)
	text, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode evaluation: %w", err)
	}
	if e.Report, err = lake.Write(ctx, c.env.Blobs, text); err != nil {
		return fmt.Errorf("store evaluation: %w", err)
	}
	return nil
}
