package tune

import (
	"cmp"
	"math"
	"slices"
)

// observation is what a trial had come to when another one was proposed. Rung is
// as far as it got.
type observation struct {
	Result
	point []float64 // its values, in the order of the space
}

// better orders results: those that ended, then those that got further, then by
// value, then by number.
func better(a, b Result) int {
	if x, y := a.fails(), b.fails(); x != y {
		if y {
			return -1
		}
		return 1
	}
	if !a.fails() {
		if c := cmp.Or(cmp.Compare(b.Rung, a.Rung), cmp.Compare(b.Value, a.Value)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.Number, b.Number)
}

func (r Result) fails() bool { return r.Failed || r.Value != r.Value }

// propose gives trial n its values from what is known of trials before it, in
// order of their numbers: those that were seen, then the points of those that
// were not.
func (s Study) propose(n int, domains []domain, seen []observation, unseen [][]float64) []float64 {
	if s.Sampler == TPE && n >= s.Startup && len(seen) > 0 {
		return s.proposeTPE(n, domains, seen, unseen)
	}
	point := make([]float64, len(domains))
	for k, d := range domains {
		c := newStream(s.Seed, n, d.Name)
		if d.choice() {
			point[k] = float64(c.below(len(d.Values)))
		} else {
			point[k] = d.value(c.between(d.from, d.to))
		}
	}
	return point
}

// candidates is the number of draws that TPE chooses from.
const candidates = 24

// proposeTPE parts what is known into the best tenth, 25 at most, and the rest,
// and draws each setting where the density of the former over that of the latter
// is largest. Points of trials that are not seen are of the rest, whatever comes of
// them (Optuna's constant liar), so that trials of the same time are not all alike.
func (s Study) proposeTPE(n int, domains []domain, seen []observation, unseen [][]float64) []float64 {
	below := min((len(seen)+9)/10, 25)
	order := slices.Clone(seen)
	slices.SortFunc(order, func(a, b observation) int { return better(a.Result, b.Result) })
	for _, part := range [][]observation{order[:below], order[below:]} {
		slices.SortFunc(part, func(a, b observation) int { return cmp.Compare(a.Number, b.Number) })
	}
	good, bad := points(order[:below]), append(points(order[below:]), unseen...)
	point := make([]float64, len(domains))
	for k, d := range domains {
		if d.count() == 1 {
			point[k] = d.at(0)
			continue
		}
		point[k] = choose(newParzen(d, column(good, k)), newParzen(d, column(bad, k)), newStream(s.Seed, n, d.Name))
	}
	return point
}

// choose is the first of the draws from good that are likeliest there and
// unlikeliest in bad.
func choose(good, bad parzen, c *stream) (chosen float64) {
	best := math.Inf(-1)
	tried := make([]float64, 0, candidates)
	for range candidates {
		x := good.draw(c)
		if slices.Contains(tried, x) { // settings of few values
			continue
		}
		tried = append(tried, x)
		if gain := good.density(x) / bad.density(x); gain > best {
			best, chosen = gain, x
		}
	}
	return chosen
}

func points(of []observation) [][]float64 {
	out := make([][]float64, len(of))
	for i, o := range of {
		out[i] = o.point
	}
	return out
}

func column(of [][]float64, k int) []float64 {
	out := make([]float64, len(of))
	for i, point := range of {
		out[i] = point[k]
	}
	return out
}
