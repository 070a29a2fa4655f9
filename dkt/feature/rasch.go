package feature

import (
	"context"
	"math"

	"cohort/kernels"
)

// Fit says how the items were fitted. Abilities have mean 0 by definition, which
// identifies the scale; its unit is the logit.
type Fit struct {
	Students       int     `json:"students"`
	Items          int     `json:"items"`
	Answers        int     `json:"answers"` // first attempts
	AbilitySD      float64 `json:"ability_sd"`
	DifficultyMean float64 `json:"difficulty_mean"` // of the prior of difficulties
	DifficultySD   float64 `json:"difficulty_sd"`
	Iterations     int     `json:"iterations"`
	Converged      bool    `json:"converged"`
}

// Constants of the fit (DESIGN.md says why).
const (
	nodes         = 13    // of the quadrature over a student's ability
	apart         = 0.75  // distance of nodes, posterior deviations
	maxIterations = 500   //
	tolerance     = 1e-6  // logits: no parameter moves more in the last iteration
	pseudo        = 10.0  // imaginary students and items of unit variance, which hold a small sample's deviations
	meanVariance  = 9.0   // of the prior of DifficultyMean, around 0
	longest       = 1.0   // a parameter's longest step
	rescale       = 1e100 // products beyond it are taken to logarithms
)

// rasch is the model P(right) = 1/(1 + exp(b − θ)): θ of a student from
// N(0, sigma²), integrated out; b of an item from N(mu, tau²), at its mode;
// sigma, mu and tau by (approximate) marginal likelihood.
type rasch struct {
	students       []respondent
	answers        []uint32
	b              []float64 // difficulties
	before         []float64 // b an iteration ago
	easy           []float64 // exp(−b)
	mode           []float64 // a student's most likely ability, where the last iteration found it
	sigma, mu, tau float64

	// Sums of an iteration over students, in their order.
	slope    []float64 // of the log likelihood by b
	complete []float64 // information of b were abilities known
	lost     []float64 // what of it is lost as they are not
	first    float64   // posterior moments of abilities
	second   float64
	reliable float64
}

func newRasch(c *Collector) *rasch {
	n := len(c.items)
	r := &rasch{
		students: c.students, answers: c.first, b: make([]float64, n), before: make([]float64, n), easy: make([]float64, n),
		mode: make([]float64, len(c.students)), sigma: 1, tau: 1,
		slope: make([]float64, n), complete: make([]float64, n), lost: make([]float64, n),
	}
	for k, i := range c.items { // a start: log odds of the first attempts, half an answer added to each side
		odds := (float64(i.students-i.firstRight) + 0.5) / (float64(i.firstRight) + 0.5)
		r.b[k] = kernels.Log(odds)
	}
	return r
}

// solve iterates until nothing moves.
func (r *rasch) solve(ctx context.Context, tell func(iteration int)) (f Fit, err error) {
	f = Fit{Students: len(r.students), Items: len(r.b), Answers: len(r.answers)}
	for len(r.b) > 0 && f.Iterations < maxIterations && !f.Converged {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		f.Iterations++
		r.expect()
		f.Converged = r.maximise(gain(f.Iterations)) < tolerance
		tell(f.Iterations)
	}
	f.AbilitySD, f.DifficultyMean, f.DifficultySD = r.sigma, r.mu, r.tau
	return f, nil
}

// gain is how much of a scoring step for a prior an iteration takes: whole ones
// first; shorter ones where few answers an item make whole ones swing.
func gain(iteration int) float64 {
	switch {
	case iteration <= 40:
		return 1
	case iteration <= 100:
		return 0.3
	}
	return 0.1
}

// expect makes the sums under the parameters as they stand.
func (r *rasch) expect() {
	for k, b := range r.b {
		r.easy[k] = kernels.Exp(-b)
		r.slope[k], r.complete[k], r.lost[k] = 0, 0, 0
	}
	r.first, r.second, r.reliable = 0, 0, 0
	for k, s := range r.students {
		r.student(k, r.answers[s.from:s.to])
	}
}

// student adds one student's part: the quadrature is centred on the mode of his
// posterior and scaled by its curvature.
func (r *rasch) student(k int, answers []uint32) {
	centre, scale := r.settle(r.mode[k], answers)
	r.mode[k] = centre
	var at, odds, weight [nodes]float64
	for q := range at {
		at[q] = centre + float64(scale*apart*float64(q-nodes/2))
		odds[q] = kernels.Exp(at[q])
	}
	r.posterior(answers, &at, &odds, &weight)
	mean, square := 0.0, 0.0
	for q, w := range weight {
		mean += float64(w * at[q])
		square += float64(float64(w*at[q]) * at[q])
	}
	r.first += mean
	r.second += square
	rho := 1 - (square-float64(mean*mean))/float64(r.sigma*r.sigma)
	r.reliable += float64(rho * rho)
	for _, a := range answers {
		i := a >> 1
		easy, p, pp := r.easy[i], 0.0, 0.0
		for q, o := range odds {
			e := float64(o * easy)
			v := e / (1 + e)
			wv := float64(weight[q] * v)
			p += wv
			pp += float64(wv * v)
		}
		r.slope[i] += p - float64(a&1)
		r.complete[i] += p - pp
		r.lost[i] += pp - float64(p*p)
	}
}

// settle finds the mode of a student's posterior by Newton's method, and its
// deviation by the curvature there. The posterior is log-concave.
func (r *rasch) settle(theta float64, answers []uint32) (mode, deviation float64) {
	precision := 1 / float64(r.sigma*r.sigma)
	for range 50 {
		slope, curve := -float64(theta*precision), precision
		odds := kernels.Exp(theta)
		for _, a := range answers {
			e := float64(odds * r.easy[a>>1])
			p := e / (1 + e)
			slope += float64(a&1) - p
			curve += p - float64(p*p)
		}
		step := bounded(slope/curve, longest)
		theta += step
		deviation = 1 / math.Sqrt(curve)
		if math.Abs(step) < 0.01*deviation { // the nodes need no better centre
			break
		}
	}
	return theta, deviation
}

// posterior makes the weights of the nodes.
func (r *rasch) posterior(answers []uint32, at, odds, weight *[nodes]float64) {
	var product, logs [nodes]float64
	for q := range product {
		product[q] = 1
	}
	right := 0.0
	for k, a := range answers {
		right += float64(a & 1)
		easy := r.easy[a>>1]
		for q := range product {
			product[q] = float64(product[q] * (1 + float64(odds[q]*easy)))
		}
		if k%4 == 3 && product[nodes-1] > rescale { // the largest
			for q := range product {
				logs[q] += kernels.Log(product[q])
				product[q] = 1
			}
		}
	}
	top := math.Inf(-1)
	variance := float64(r.sigma * r.sigma)
	for q, t := range at {
		weight[q] = float64(right*t) - float64(t*t)/(2*variance) - (logs[q] + kernels.Log(product[q]))
		if weight[q] > top {
			top = weight[q]
		}
	}
	sum := 0.0
	for q := range weight {
		weight[q] = kernels.Exp(weight[q] - top)
		sum += weight[q]
	}
	for q := range weight {
		weight[q] /= sum
	}
}

// maximise moves the parameters and answers the longest move.
func (r *rasch) maximise(gain float64) float64 {
	copy(r.before, r.b)
	sigma, tau, mu := r.sigma, r.tau, r.mu
	r.slide()
	pull := 1 / float64(r.tau*r.tau)
	for k, b := range r.b {
		r.b[k] += bounded((r.slope[k]-float64((b-r.mu)*pull))/(r.complete[k]+pull), longest)
	}
	r.prior(gain)
	moved := max(math.Abs(r.sigma-sigma), math.Abs(r.tau-tau), math.Abs(r.mu-mu))
	for k, b := range r.b {
		moved = max(moved, math.Abs(b-r.before[k]))
	}
	return moved
}

// slide moves abilities and difficulties together to where their priors like
// them best, which answers do not mind, and scales the prior of abilities.
func (r *rasch) slide() {
	n, precision := float64(len(r.students)), 1/float64(r.sigma*r.sigma)
	shift := (float64(r.first*precision) + r.mu/meanVariance) / (float64(n*precision) + 1/meanVariance)
	squares := r.second - float64(2*float64(shift*r.first)) + float64(n*float64(shift*shift))
	r.sigma += float64(r.sigma * r.rescore(r.sigma, squares, n, r.reliable))
	r.mu -= shift
	for k := range r.b {
		r.b[k] -= shift
	}
	for k := range r.mode {
		r.mode[k] -= shift
	}
}

// prior moves the prior of difficulties; each difficulty goes along as far as it
// hangs on the prior, lest it lag behind and the two swing.
func (r *rasch) prior(gain float64) {
	var off, spread, reliable, reliable2 float64
	for k, b := range r.b {
		d, rho := b-r.mu, r.reliability(k)
		off += d
		spread += float64(d*d) + r.variance(k)
		reliable += rho
		reliable2 += float64(rho * rho)
	}
	grow := float64(gain * r.rescore(r.tau, spread, float64(len(r.b)), reliable2))
	hold := float64(r.tau*r.tau) / meanVariance
	step := float64(gain * bounded((off-float64(r.mu*hold))/(reliable+hold), longest))
	for k, b := range r.b {
		loose := 1 - r.reliability(k)
		r.b[k] += float64(loose * (step + float64(2*grow*(b-r.mu))))
	}
	r.mu += step
	r.tau += float64(r.tau * grow)
}

// reliability is the share of item k's difficulty that its answers decide.
func (r *rasch) reliability(k int) float64 { return 1 - r.variance(k)/float64(r.tau*r.tau) }

// rescore is a step of Fisher scoring for the logarithm of a deviation: squares is the expected
// sum of n squares, reliable the sum of squared reliabilities.
func (r *rasch) rescore(deviation, squares, n, reliable float64) float64 {
	score := (squares+pseudo)/float64(deviation*deviation) - (n + pseudo)
	return bounded(score/(2*(reliable+pseudo)), 0.2)
}

// variance of item k's difficulty: the inverse of its information, abilities
// integrated out, other items fixed.
func (r *rasch) variance(k int) float64 {
	return 1 / (max(r.complete[k]-r.lost[k], 0) + 1/float64(r.tau*r.tau))
}

func bounded(x, most float64) float64 { return min(max(x, -most), most) }
