package cli

import (
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
)

// result is what a finished training job says of itself; absent parts are nil
// or zero.
type result struct {
	Valid     *wire.Measures
	Test      *wire.Measures
	Baselines map[string]wire.Measures
	Weights   string
	Rate      float64
	Epochs    int
	Best      int
	life
}

// life is what became of a pipeline's model.
type life struct {
	Model    string           // registered under this name
	Version  int              // that it is
	Promoted *bool            // nil: nobody asked for it
	Why      string           // it was promoted, or not
	Found    *wire.Evaluation // beside the model in production; Baseline is not filled in
}

func resultOf(j wire.JobView) (result, error) {
	var r result
	for key, into := range map[string]any{
		"valid": &r.Valid, "test": &r.Test, "baselines": &r.Baselines, "weights_sha256": &r.Weights,
		"answers_per_second": &r.Rate, "epochs": &r.Epochs, "best_epoch": &r.Best,
		"model": &r.Model, "version": &r.Version, "promoted": &r.Promoted, "why": &r.Why, "evaluation": &r.Found,
	} {
		if raw := j.Result[key]; raw != nil {
			if err := json.Unmarshal(raw, into); err != nil {
				return r, fmt.Errorf("read result %s of job %s: %w", key, j.ID, err)
			}
		}
	}
	return r, nil
}

// printResult writes the table of metrics, DKT beside its baselines, and what
// the training took.
func (p *program) printResult(j wire.JobView) error {
	r, err := resultOf(j)
	if err != nil {
		return err
	}
	if r.Test != nil {
		p.printf("\nheld-out students, %s answers predicted\n", grouped(r.Test.Answers))
		rows := [][]string{measured("DKT", *r.Test)}
		for _, b := range []struct{ key, name string }{{"logistic", "logistic"}, {"skill_mean", "skill mean"}} {
			if m, ok := r.Baselines[b.key]; ok {
				rows = append(rows, measured(b.name, m))
			}
		}
		if e := r.Found; e != nil && e.BaselineWeights != "" {
			rows = append(rows, measured("in production", e.Against))
		}
		if err := p.printTable("MODEL | AUC | ACCURACY | F1 | LOG LOSS | CALIBRATION ERROR", rows); err != nil {
			return err
		}
	}
	if r.Weights != "" {
		p.printf("\nweights  sha256:%s\n", r.Weights)
	}
	if r.Rate > 0 {
		p.printf("training %s answers/s, %d epochs, the best was %d\n", grouped(int64(r.Rate)), r.Epochs, r.Best)
	}
	if err := p.printSearch(j); err != nil {
		return err
	}
	p.printLife(r.life)
	return nil
}

// printLife says which version the model is, and whether it goes into production.
func (p *program) printLife(l life) {
	if l.Version == 0 {
		return
	}
	p.printf("model    %s@%d", l.Model, l.Version)
	against := "the skill mean"
	if l.Found != nil && l.Found.BaselineWeights != "" {
		against = "the one in production"
	}
	switch e := l.Found; {
	case e != nil && e.Candidate == e.BaselineWeights:
		p.printf(", whose weights are in production")
	case l.Promoted != nil && !*l.Promoted:
		p.printf(" is not promoted: %s", oneLine(l.Why))
	case e != nil:
		p.printf(", AUC %+.2f %% against %s (95 %%: %+.2f to %+.2f %%)", 100*e.Gain, against, 100*e.GainLow, 100*e.GainHigh)
	}
	p.printf("\n")
}

// measured is a row of the table of models.
func measured(name string, m wire.Measures) []string {
	f := func(x float64) string { return fmt.Sprintf("%.4f", x) }
	return []string{name, f(m.AUC), f(m.Accuracy), f(m.F1), f(m.LogLoss), f(m.Calibration)}
}
