package metric

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"cohort/kernels"
)

// Paired are two models' logits of the same answers.
type Paired struct {
	Candidate, Baseline []float32
	Right               []uint8 // 0 or 1
	Student             []int32 // who answered: 0 to the number of students − 1
}

// Gain is how much better the candidate's AUC is than the baseline's, as a share
// of the baseline's. Low and High bound it with 95 % confidence.
type Gain struct {
	Gain, Low, High float64
	Resamples       int // that the bounds come from: those with both classes
}

// ErrFewResamples says that most resamples held right or wrong answers alone, so
// that nothing bounds the gain.
var ErrFewResamples = errors.New("too few students answer both rightly and wrongly to bound the gain")

// Bootstrap bounds the gain by the percentiles of a bootstrap that draws whole
// students, since a student's answers hang together, and gives both models the
// same draw. The draws follow from seed alone.
func (p Paired) Bootstrap(seed uint32, resamples int) (Gain, error) {
	students, err := p.students()
	if err != nil {
		return Gain{}, err
	}
	m := match{newRanking(p.Candidate, p), newRanking(p.Baseline, p)}
	counts := make([]int32, students)
	for k := range counts {
		counts[k] = 1
	}
	var g Gain
	var ok bool
	if g.Gain, ok = m.gain(counts); !ok {
		return g, ErrOneClass
	}
	gains := make([]float64, 0, resamples)
	for k := range resamples {
		draw(counts, seed, uint32(k))
		if gain, ok := m.gain(counts); ok {
			gains = append(gains, gain)
		}
	}
	if g.Resamples = len(gains); g.Resamples == 0 || g.Resamples < resamples/2 {
		return g, ErrFewResamples
	}
	slices.Sort(gains)
	g.Low, g.High = quantile(gains, 0.025), quantile(gains, 0.975)
	return g, nil
}

// students checks the lengths and answers how many students there are.
func (p Paired) students() (int, error) {
	n := len(p.Right)
	if len(p.Candidate) != n || len(p.Baseline) != n || len(p.Student) != n {
		return 0, fmt.Errorf("%d and %d logits for %d answers of %d students", len(p.Candidate), len(p.Baseline), n, len(p.Student))
	}
	if n == 0 {
		return 0, ErrEmpty
	}
	for k := range n {
		if p.Candidate[k] != p.Candidate[k] || p.Baseline[k] != p.Baseline[k] {
			return 0, fmt.Errorf("a logit of answer %d is not a number", k)
		}
	}
	if low := slices.Min(p.Student); low < 0 {
		return 0, fmt.Errorf("student %d", low)
	}
	return int(slices.Max(p.Student)) + 1, nil
}

// match ranks the same answers by the candidate and by the baseline.
type match struct{ candidate, baseline ranking }

// gain is not ok where one class is missing, or the baseline ranks every pair
// wrongly.
func (m match) gain(counts []int32) (gain float64, ok bool) {
	better, ok := m.candidate.auc(counts)
	worse, _ := m.baseline.auc(counts)
	if !ok || worse == 0 {
		return 0, false
	}
	return (better - worse) / worse, true
}

// ranking are answers in the order of a model's logits, once for all resamples:
// 4·student + 2 at the last of equal logits + 1 where right.
type ranking []uint32

func newRanking(z []float32, p Paired) ranking {
	order := make([]int32, len(z))
	for k := range order {
		order[k] = int32(k)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Or(cmp.Compare(z[a], z[b]), cmp.Compare(a, b)) })
	r := make(ranking, len(z))
	for at, k := range order {
		r[at] = uint32(p.Student[k]) << 2
		if at+1 == len(order) || z[order[at+1]] != z[k] {
			r[at] |= 2
		}
		if p.Right[k] != 0 {
			r[at] |= 1
		}
	}
	return r
}

// auc is that of answers which count as often as their student: one pass, in
// integers. It is not ok where one class is missing.
func (r ranking) auc(counts []int32) (auc float64, ok bool) {
	var twice, rights, wrongs, tieRight, tieWrong int64
	for _, code := range r {
		n := int64(counts[code>>2])
		right := n & -int64(code&1)
		tieRight += right
		tieWrong += n - right
		if code&2 != 0 {
			twice += tieRight * (2*wrongs + tieWrong)
			rights += tieRight
			wrongs += tieWrong
			tieRight, tieWrong = 0, 0
		}
	}
	if rights == 0 || wrongs == 0 {
		return 0, false
	}
	return float64(twice) / float64(2*rights*wrongs), true
}

// draw fills counts with how often each student is drawn: as many draws as there
// are students, with replacement.
func draw(counts []int32, seed, resample uint32) {
	clear(counts)
	n := uint64(len(counts))
	var words [4]uint32
	for k := range counts {
		if k%4 == 0 {
			words = kernels.Philox([2]uint32{seed, kernels.PurposeResample}, [4]uint32{resample, uint32(k / 4), 0, 0})
		}
		counts[uint64(words[k%4])*n>>32]++
	}
}

// quantile lies between the two nearest of sorted values.
func quantile(sorted []float64, q float64) float64 {
	at := float64(q * float64(len(sorted)-1))
	low := math.Floor(at)
	k := int(low)
	if k+1 == len(sorted) {
		return sorted[k]
	}
	return sorted[k] + float64((at-low)*float64(sorted[k+1]-sorted[k]))
}
