// Package baseline holds the simple predictors that a DKT model must beat on
// the same predicted answers: the mean of each skill, and a logistic regression
// on skill and counts of earlier rights and wrongs in the manner of performance
// factors analysis (Pavlik, Cen and Koedinger 2009), with the learner's counts
// over all skills beside those of the asked one.
package baseline

import (
	"errors"

	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// ErrEmpty says that a set has no predicted answer.
var ErrEmpty = errors.New("baseline: no predicted answers")

// SkillMean predicts each skill's share of right answers in train, pulled
// towards the overall share by a few imaginary answers, and is measured on test.
func SkillMean(train, test *sequence.Set, skills int) (metric.Binary, error) {
	z, err := SkillMeanLogits(train, test, skills)
	if err != nil {
		return metric.Binary{}, err
	}
	return metric.Compute(z, test.Right())
}

// SkillMeanLogits are SkillMean's of test's predicted answers.
func SkillMeanLogits(train, test *sequence.Set, skills int) ([]float32, error) {
	const imaginary = 5
	right, asked := make([]float64, skills), make([]float64, skills)
	var allRight, all float64
	for _, s := range train.Seqs {
		for t, k := range s.Ask {
			y := float64(s.Right[t])
			right[k] += y
			asked[k]++
			allRight += y
			all++
		}
	}
	if all == 0 {
		return nil, ErrEmpty
	}
	prior := (allRight + 0.5) / (all + 1)
	return logits(test, func(s kernels.Sequence, z []float32) {
		for t, k := range s.Ask {
			p := (right[k] + float64(imaginary*prior)) / (asked[k] + imaginary)
			z[t] = float32(kernels.Log(p / (1 - p)))
		}
	})
}

// score measures logits that predict fills in for each sequence of the set.
func score(set *sequence.Set, predict func(s kernels.Sequence, z []float32)) (metric.Binary, error) {
	z, err := logits(set, predict)
	if err != nil {
		return metric.Binary{}, err
	}
	return metric.Compute(z, set.Right())
}

// logits has predict fill in those of each sequence of the set.
func logits(set *sequence.Set, predict func(s kernels.Sequence, z []float32)) ([]float32, error) {
	var z []float32
	for _, s := range set.Seqs {
		at := len(z)
		z = append(z, make([]float32, len(s.Ask))...)
		predict(s, z[at:])
	}
	if len(z) == 0 {
		return nil, ErrEmpty
	}
	return z, nil
}
