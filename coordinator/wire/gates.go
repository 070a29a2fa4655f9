package wire

import (
	"fmt"
	"strings"
)

// QualityPassed is what Evaluation.Quality says of data that passed its checks.
const QualityPassed = "passed"

// CheckGates says of each gate that is not off whether an evaluation passes it.
// Improvement is over the baseline on the same students; the lower bound of its
// interval must be above 0, so that chance alone promotes nothing.
func CheckGates(g GatesSpec, e Evaluation) []GateResult {
	results := []GateResult{}
	if g.AUC != 0 {
		results = append(results, atLeast("auc", "AUC", e.Of.AUC, g.AUC))
	}
	if g.Accuracy != 0 {
		results = append(results, atLeast("accuracy", "accuracy", e.Of.Accuracy, g.Accuracy))
	}
	if g.Improvement != 0 {
		results = append(results, improvement(g.Improvement, e))
	}
	if g.FoldSpread != 0 {
		results = append(results, foldSpread(g.FoldSpread, e))
	}
	if g.Quality {
		results = append(results, quality(e))
	}
	return results
}

func atLeast(name, what string, value, bound float64) GateResult {
	r := GateResult{Name: name, Value: value, Bound: bound, Pass: value >= bound}
	r.Text = fmt.Sprintf("%s %.4f is below %.4g", what, value, bound)
	if r.Pass {
		r.Text = fmt.Sprintf("%s %.4f is at least %.4g", what, value, bound)
	}
	return r
}

// baselineOf names what a candidate was compared with.
func baselineOf(e Evaluation) string {
	if e.Baseline == 0 {
		return "the per-skill mean"
	}
	return fmt.Sprintf("version %d", e.Baseline)
}

func improvement(bound float64, e Evaluation) GateResult {
	r := GateResult{Name: "improvement", Value: e.Gain, Bound: bound, Pass: e.Gain >= bound && e.GainLow > 0}
	gain := fmt.Sprintf("AUC is %+.2f %% against %s (95 %%: %+.2f to %+.2f %%)", 100*e.Gain, baselineOf(e), 100*e.GainLow, 100*e.GainHigh)
	switch {
	case r.Pass:
		r.Text = fmt.Sprintf("%s, at least %+.4g %%", gain, 100*bound)
	case e.Gain >= bound:
		r.Text = gain + ": it may be chance, the interval is not above 0"
	default:
		r.Text = fmt.Sprintf("%s, want at least %+.4g %%", gain, 100*bound)
	}
	return r
}

func foldSpread(bound float64, e Evaluation) GateResult {
	r := GateResult{Name: "fold_spread", Value: e.Spread, Bound: bound, Pass: e.Spread <= bound}
	switch {
	case len(e.Folds) == 0:
		r.Value, r.Pass, r.Text = 0, true, "there was no cross-validation: the spread of folds does not apply"
	case r.Pass:
		r.Text = fmt.Sprintf("AUC spreads by %.2f %% over %d folds, at most %.4g %%", 100*e.Spread, len(e.Folds), 100*bound)
	default:
		r.Text = fmt.Sprintf("AUC spreads by %.2f %% over %d folds, want at most %.4g %%", 100*e.Spread, len(e.Folds), 100*bound)
	}
	return r
}

func quality(e Evaluation) GateResult {
	r := GateResult{Name: "quality", Bound: 1, Pass: e.Quality == QualityPassed}
	switch {
	case r.Pass:
		r.Value, r.Text = 1, "the data passed its checks"
	case e.Quality == "":
		r.Text = "nothing is known of the data's checks"
	default:
		r.Text = "the data did not pass its checks: " + e.Quality
	}
	return r
}

// FailedGates are the names and the joined texts of the gates that do not pass;
// empty: all pass.
func FailedGates(results []GateResult) (names, texts string) {
	var n, t []string
	for _, r := range results {
		if !r.Pass {
			n, t = append(n, r.Name), append(t, r.Text)
		}
	}
	return strings.Join(n, ", "), strings.Join(t, "; ")
}
