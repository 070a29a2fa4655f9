package baseline

import (
	"math"

	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// Dense features, after the one weight that each skill has of its own.
const (
	bias       = iota
	skillRight // log(1 + earlier rights on the asked skill)
	skillWrong
	allRight // log(1 + earlier rights on any skill): the student
	allWrong
	features
)

const (
	passes = 12
	step   = 0.3  // AdaGrad's rate
	ridge  = 1e-6 // weight decay an answer
)

// A model is a logistic regression fitted by AdaGrad (Duchi et al. 2011).
type model struct {
	weight, squares []float64 // [skills + features]
	skills          int
}

// Logistic fits skill, counts and student on train, in the order that seed
// gives, and measures on test.
func Logistic(train, test *sequence.Set, skills int, seed uint32) (metric.Binary, error) {
	n := skills + features
	m := &model{weight: make([]float64, n), squares: make([]float64, n), skills: skills}
	c := newCounts(skills)
	for pass := range uint32(passes) {
		for _, at := range train.Order(seed, pass) {
			s := train.Seqs[at]
			c.walk(s, func(t int, x *[features]float64) { m.fit(s.Ask[t], x, float64(s.Right[t])) })
		}
	}
	return score(test, func(s kernels.Sequence, z []float32) {
		c.walk(s, func(t int, x *[features]float64) { z[t] = float32(m.logit(s.Ask[t], x)) })
	})
}

func (m *model) logit(skill int32, x *[features]float64) float64 {
	z := m.weight[skill]
	for k, v := range x {
		z += float64(m.weight[m.skills+k] * v)
	}
	return z
}

func (m *model) fit(skill int32, x *[features]float64, y float64) {
	slope := 1/(1+kernels.Exp(-m.logit(skill, x))) - y
	m.move(int(skill), slope)
	for k, v := range x {
		m.move(m.skills+k, float64(slope*v))
	}
}

func (m *model) move(at int, slope float64) {
	slope += float64(ridge * m.weight[at])
	m.squares[at] += float64(slope * slope)
	if m.squares[at] > 0 {
		m.weight[at] -= float64(step*slope) / math.Sqrt(m.squares[at])
	}
}

// counts walks a sequence with the rights and wrongs so far.
type counts struct {
	right, wrong []int
	logs         []float64 // log(1 + n)
}

func newCounts(skills int) *counts {
	return &counts{right: make([]int, skills), wrong: make([]int, skills)}
}

// log1 is log(1 + n), from a table that grows.
func (c *counts) log1(n int) float64 {
	for len(c.logs) <= n {
		c.logs = append(c.logs, kernels.Log(float64(len(c.logs)+1)))
	}
	return c.logs[n]
}

// walk calls visit for each predicted answer of s with its dense features.
func (c *counts) walk(s kernels.Sequence, visit func(t int, x *[features]float64)) {
	clear(c.right)
	clear(c.wrong)
	skills := int32(len(c.right))
	right, wrong := 0, 0
	for t, in := range s.In {
		if in >= skills {
			c.right[in-skills]++
			right++
		} else {
			c.wrong[in]++
			wrong++
		}
		k := s.Ask[t]
		visit(t, &[features]float64{
			bias:       1,
			skillRight: c.log1(c.right[k]), skillWrong: c.log1(c.wrong[k]),
			allRight: c.log1(right), allWrong: c.log1(wrong),
		})
	}
}
