package metric

import (
	"math"

	"cohort/kernels"
)

// bins is how many parts of [0, 1] calibration is looked at in.
const bins = 10

// Bin are the answers whose P(right) lies in a part of [0, 1].
type Bin struct {
	Low       float64 `json:"low"`
	High      float64 `json:"high"`
	Predicted float64 `json:"predicted"` // mean P(right); 0 without answers
	Observed  float64 `json:"observed"`  // share right; 0 without answers
	Answers   int64   `json:"answers"`
}

// Calibration is the table of ten bins of equal width that the calibration error
// sums up. z and right have the same length.
func Calibration(z []float32, right []uint8) []Bin {
	var t tally
	for k, v := range z {
		p, _ := logistic(float64(v))
		t.add(p, float64(right[k]))
	}
	table := make([]Bin, bins)
	for k := range table {
		b := Bin{Low: float64(k) / bins, High: float64(k+1) / bins, Answers: int64(t.count[k])}
		if b.Answers > 0 {
			b.Predicted, b.Observed = t.said[k]/t.count[k], t.was[k]/t.count[k]
		}
		table[k] = b
	}
	return table
}

// logistic is P(right) of a logit, and exp(−|x|).
func logistic(x float64) (p, e float64) {
	e = kernels.Exp(-math.Abs(x))
	if x > 0 {
		return 1 / (1 + e), e
	}
	return e / (1 + e), e
}

// tally sums chances and outcomes by bin.
type tally struct{ said, was, count [bins]float64 }

func (t *tally) add(p, y float64) {
	bin := min(int(float64(p*bins)), bins-1)
	t.said[bin] += p
	t.was[bin] += y
	t.count[bin]++
}

// gap is the calibration error times the number of answers.
func (t *tally) gap() float64 {
	var gap float64
	for k := range t.count {
		gap += math.Abs(t.said[k] - t.was[k])
	}
	return gap
}
