// Package metric measures predicted answers. Ranks and decisions come from the
// logits, so they are exact: no rounding of a probability can make a tie.
package metric

import (
	"errors"
	"fmt"
	"slices"

	"cohort/kernels"
)

// Errors of Compute.
var (
	ErrEmpty    = errors.New("no predicted answers")
	ErrOneClass = errors.New("AUC is undefined: all answers are right, or all are wrong")
)

// Binary are the measures of a binary classifier.
type Binary struct {
	AUC         float64 `json:"auc"`               // area under the ROC curve, ties count half
	Accuracy    float64 `json:"accuracy"`          // share decided rightly, by z ≥ 0
	F1          float64 `json:"f1"`                // of the class "right"; 0 when nothing is found
	LogLoss     float64 `json:"log_loss"`          // mean binary cross-entropy, nats
	Calibration float64 `json:"calibration_error"` // expected calibration error, ten bins of equal width
	Answers     int64   `json:"answers"`
}

// Compute measures logits z against right, 0 or 1, of the same length.
func Compute(z []float32, right []uint8) (Binary, error) {
	if len(z) != len(right) {
		return Binary{}, fmt.Errorf("%d logits for %d answers", len(z), len(right))
	}
	if len(z) == 0 {
		return Binary{}, ErrEmpty
	}
	for k, v := range z {
		if v != v {
			return Binary{}, fmt.Errorf("the logit of answer %d is not a number", k)
		}
	}
	auc, err := AUC(z, right)
	if err != nil {
		return Binary{}, err
	}
	b := Binary{AUC: auc, Answers: int64(len(z))}
	b.decide(z, right)
	b.weigh(z, right)
	return b, nil
}

// AUC is the share of pairs of a right and a wrong answer that z ranks rightly.
// Twice the count of pairs is an exact integer; one division follows.
func AUC(z []float32, right []uint8) (float64, error) {
	order := make([]int32, len(z))
	for k := range order {
		order[k] = int32(k)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case z[a] < z[b]:
			return -1
		case z[a] > z[b]:
			return 1
		}
		return 0
	})
	var twice, rights, wrongs int64 // pairs, and what was seen below
	for at := 0; at < len(order); {
		var tieRight, tieWrong int64
		tie := z[order[at]]
		for ; at < len(order) && z[order[at]] == tie; at++ {
			if right[order[at]] != 0 {
				tieRight++
			} else {
				tieWrong++
			}
		}
		twice += tieRight * (2*wrongs + tieWrong)
		rights += tieRight
		wrongs += tieWrong
	}
	if rights == 0 || wrongs == 0 {
		return 0, ErrOneClass
	}
	return float64(twice) / float64(2*rights*wrongs), nil
}

// decide fills accuracy and F1.
func (b *Binary) decide(z []float32, right []uint8) {
	var hits, found, called, all int64
	for k, v := range z {
		said, is := v >= 0, right[k] != 0
		if said == is {
			hits++
		}
		if said && is {
			found++
		}
		if said {
			called++
		}
		if is {
			all++
		}
	}
	b.Accuracy = float64(hits) / float64(len(z))
	if called+all > 0 {
		b.F1 = float64(2*found) / float64(called+all)
	}
}

// weigh fills log loss and calibration error.
func (b *Binary) weigh(z []float32, right []uint8) {
	var bins tally
	var loss float64
	for k, v := range z {
		x, y := float64(v), float64(right[k])
		p, e := logistic(x)
		loss += kernels.Log1p(e) - float64(x*y)
		if x > 0 {
			loss += x
		}
		bins.add(p, y)
	}
	b.LogLoss = loss / float64(len(z))
	b.Calibration = bins.gap() / float64(len(z))
}
