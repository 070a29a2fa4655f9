package train

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"cohort/coordinator/wire"
	"cohort/dkt/metric"
	"cohort/dkt/sequence"
)

const (
	newAnswers = 10   // a student is new before so many answers
	rareShare  = 0.05 // of the test answers, at most, are of rare skills
)

// measure fills in what both models come to, on all answers and by segment, and
// answers the candidate's measures.
func (c *comparison) measure(e *wire.Evaluation) (metric.Binary, error) {
	p := c.paired
	of, err := metric.Compute(p.Candidate, p.Right)
	if err != nil {
		return of, fmt.Errorf("test: %w", err)
	}
	against, err := metric.Compute(p.Baseline, p.Right)
	if err != nil {
		return of, fmt.Errorf("test of the baseline: %w", err)
	}
	e.Of, e.Against = wire.Measures(of), wire.Measures(against)
	g, err := p.Bootstrap(c.s.Train.Seed, resamples)
	switch {
	case errors.Is(err, metric.ErrFewResamples):
		c.env.Logger.Warn("the gain has no bounds, so that it may be chance", "reason", err)
	case err != nil:
		return of, fmt.Errorf("compare: %w", err)
	}
	e.Gain, e.GainLow, e.GainHigh = g.Gain, g.Low, g.High
	for _, part := range []struct {
		name string
		in   []bool
		none string
	}{
		{"new students", c.newStudents(), fmt.Sprintf("no answer is among a student's first %d", newAnswers)},
		{"rare skills", c.rareSkills(), fmt.Sprintf("no skill has less than %g %% of the test answers", 100*rareShare)},
	} {
		e.Segments = append(e.Segments, c.segment(part.name, part.in, part.none))
	}
	return of, nil
}

// segment measures both models on a part of the answers. One that cannot be
// measured says why.
func (c *comparison) segment(name string, in []bool, none string) wire.Segment {
	s := wire.Segment{Name: name}
	of, err := metric.Part(c.paired.Candidate, c.paired.Right, in)
	if err == nil {
		var against metric.Binary
		if against, err = metric.Part(c.paired.Baseline, c.paired.Right, in); err == nil {
			s.Candidate, s.Baseline = wire.Measures(of), wire.Measures(against)
			return s
		}
	}
	if s.Note = err.Error(); errors.Is(err, metric.ErrEmpty) {
		s.Note = none
	}
	return s
}

// newStudents are the answers that follow only a few of the same student.
func (c *comparison) newStudents() []bool {
	in := make([]bool, len(c.places))
	for k, at := range c.places {
		in[k] = at.Position < newAnswers
	}
	return in
}

// rareSkills are the answers of the skills with the fewest training answers, as
// many skills as have a small share of the test answers together.
func (c *comparison) rareSkills() []bool {
	skills := len(c.data.skills)
	trained, tested := c.asked(sequence.Train), c.asked(sequence.Test)
	order := make([]int, skills)
	for k := range order {
		order[k] = k
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(trained[a], trained[b]), cmp.Compare(a, b)) })
	rare := make([]bool, skills)
	sum := int64(0)
	for _, k := range order {
		if sum += tested[k]; float64(sum) > rareShare*float64(len(c.places)) {
			break
		}
		rare[k] = true
	}
	in := make([]bool, 0, len(c.places))
	for _, q := range c.test.Seqs {
		for _, ask := range q.Ask {
			in = append(in, rare[int(ask)%skills])
		}
	}
	return in
}

// asked counts a part's predicted answers of each skill.
func (c *comparison) asked(part sequence.Part) []int64 {
	n := make([]int64, len(c.data.skills))
	for _, q := range c.data.parts[part].Seqs {
		for _, ask := range q.Ask {
			n[int(ask)%len(n)]++
		}
	}
	return n
}
