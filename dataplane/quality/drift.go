package quality

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Drift is how a dataset differs from the last accepted one.
type Drift struct {
	Compared   string      `json:"compared"`             // what with what
	Why        string      `json:"why,omitempty"`        // nothing is compared, and why
	Accepted   Side        `json:"accepted"`             // the students compared
	Candidate  Side        `json:"candidate"`            //
	Statistics []Statistic `json:"statistics,omitempty"` //
	Moved      []Moved     `json:"moved,omitempty"`      // skills whose share of the answers changed most
	Seed       uint32      `json:"seed"`
	Replicates int         `json:"replicates"`
}

// Side is what is compared of one dataset: a sample of its students, in which
// nobody counts for more than 32 answers.
type Side struct {
	Students   int     `json:"students"`
	Answers    int64   `json:"answers"`
	AnswerRate float64 `json:"answer_rate"` // share right
}

// Statistic is one measure of drift. Bound is what it passes by chance, with
// all others together, in 5 of 1000 comparisons.
type Statistic struct {
	Gate  string  `json:"gate"` // answer_rate | population
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Bound float64 `json:"bound"`
	Alarm bool    `json:"alarm,omitempty"`
	Why   string  `json:"why,omitempty"` // not tested, and why
}

// Moved is a skill and its share of the answers, and of those the right ones.
type Moved struct {
	Skill    string     `json:"skill"`
	Accepted [2]float64 `json:"accepted"`
	Now      [2]float64 `json:"now"`
}

// The gates that statistics belong to.
const (
	gateRate       = "answer_rate"
	gatePopulation = "population"
)

// statisticNames are a person's, by statistic.
func statisticNames() [numStatistics][2]string {
	return [numStatistics][2]string{
		rateMean:   {gateRate, "difference of the share right"},
		rateKS:     {gateRate, "KS of the students' proportion right"},
		ratePSI:    {gateRate, "PSI of the students by proportion right"},
		skillRate:  {gateRate, "PSI of right and wrong within skills"},
		activityKS: {gatePopulation, "KS of the students' number of answers"},
		skillPSI:   {gatePopulation, "PSI of the answers by skill"},
	}
}

// Compare measures a dataset against the last accepted one. Where nothing has
// changed, any statistic alarms in at most 1 of 100 comparisons.
func Compare(accepted, candidate *Profile) *Drift {
	p := pair(accepted, candidate)
	d := &Drift{Compared: p.how, Seed: driftSeed, Replicates: replicates}
	if len(p.ref) < minStudents || len(p.cand) < minStudents {
		d.Why = fmt.Sprintf("%s, and %d accepted ones, are too few to compare: it takes %d",
			plural(len(p.cand), "student"), len(p.ref), minStudents)
		return d
	}
	f, ref, cand := p.units(accepted.Skills, candidate.Skills)
	a, c := sumOf(ref), sumOf(cand)
	d.Accepted, d.Candidate = side(p.ref, a), side(p.cand, c)
	tested := [numStatistics]bool{}
	for k := range tested {
		tested[k] = k != activityKS || !p.grown
	}
	value, bound := f.measure(c, a), f.bounds(ref, len(cand), tested)
	for k, name := range statisticNames() {
		s := Statistic{Gate: name[0], Name: name[1], Value: value[k], Bound: bound[k], Alarm: tested[k] && value[k] > bound[k]}
		if !tested[k] {
			s.Why = "most students are in both datasets: they have answered on"
		}
		d.Statistics = append(d.Statistics, s)
	}
	d.Moved = moved(p, accepted.Skills, candidate.Skills)
	return d
}

// units gives the students of both sides, and how they are measured; the names
// are of the skills of the two profiles.
func (p *pairing) units(accepted, candidate []Skill) (f *frame, ref, cand []unit) {
	bins := newBinning(p.ref, len(accepted))
	ref, cand = units(p.ref, bins), units(p.cand, bins.translate(accepted, candidate))
	f = &frame{bins: bins.bins, rares: bins.rares}
	f.tenth, f.tenths = tenths(ref)
	return f, ref, cand
}

func side(all []answers, s *sums) Side {
	out := Side{Students: len(all), AnswerRate: round4(s.answerRate())}
	for _, a := range all {
		out.Answers += a.n
	}
	return out
}

// mostMoved is how many skills are told.
const mostMoved = 5

// moved finds the skills whose share of the answers changed most.
func moved(p pairing, ref, cand []Skill) []Moved {
	was, is := shares(p.ref, ref), shares(p.cand, cand)
	var all []Moved
	seen := map[string]bool{}
	for _, names := range [][]Skill{ref, cand} {
		for _, s := range names {
			if was[s.Name] != is[s.Name] && !seen[s.Name] {
				seen[s.Name] = true
				all = append(all, Moved{s.Name, was[s.Name], is[s.Name]})
			}
		}
	}
	change := func(m Moved) float64 { return math.Abs(m.Now[0] - m.Accepted[0]) }
	slices.SortStableFunc(all, func(a, b Moved) int { return cmp.Compare(change(b), change(a)) })
	return all[:min(len(all), mostMoved)]
}

// shares is each skill's share of the weighed answers, and of those right.
func shares(all []answers, names []Skill) map[string][2]float64 {
	n, right := make([]int64, len(names)), make([]int64, len(names))
	var sum int64
	for _, a := range all {
		for _, s := range a.skills {
			w := weigh(s.n, a.n)
			n[s.skill] += w
			right[s.skill] += weigh(s.right, a.n)
			sum += w
		}
	}
	out := map[string][2]float64{}
	for k, s := range names {
		if n[k] > 0 {
			out[s.Name] = [2]float64{round4(share(n[k], sum)), round4(share(right[k], n[k]))}
		}
	}
	return out
}
