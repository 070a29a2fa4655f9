package tune

import (
	"cmp"
	"slices"

	"cohort/kernels"
)

// A parzen is a mixture of distributions about observed values of one setting,
// the prior among them with the weight of one recent observation.
type parzen interface {
	draw(c *stream) float64    // a value of the domain
	density(x float64) float64 // above 0
}

// newParzen is of values in the order of their trials.
func newParzen(d domain, observed []float64) parzen {
	if d.choice() {
		return newCounts(len(d.Values), observed)
	}
	return newNormals(d, observed)
}

// weights are those of n observations and the prior, with sum 1: all alike, but
// of more than 25 the older ones count ever less.
func weights(n int) []float64 {
	w := make([]float64, n+1)
	for k := range w {
		w[k] = 1
	}
	old, least := max(n-25, 0), 1/float64(max(n, 1))
	for k := range old {
		w[k] = least + float64((1-least)*float64(float64(k)/float64(max(old-1, 1))))
	}
	sum := 0.0
	for _, x := range w {
		sum += x
	}
	for k := range w {
		w[k] /= sum
	}
	return w
}

// pick is the place in weights, whose sum is 1, of a draw.
func pick(w []float64, c *stream) int {
	u := c.uniform()
	for k, x := range w[:len(w)-1] {
		if u -= x; u < 0 {
			return k
		}
	}
	return len(w) - 1
}

// counts is a mixture over choices: an observation is most of its own, and a
// little of each.
type counts []float64

func newCounts(choices int, observed []float64) counts {
	w := weights(len(observed))
	p := make(counts, choices)
	little := 1 / float64(len(observed)+1)
	whole := 1 + float64(float64(choices)*little)
	for k, x := range observed {
		for j := range p {
			p[j] += float64(w[k] * (little / whole))
		}
		p[int(x)] += w[k] / whole
	}
	for j := range p {
		p[j] += w[len(observed)] / float64(choices)
	}
	return p
}

func (p counts) draw(c *stream) float64    { return float64(pick(p, c)) }
func (p counts) density(x float64) float64 { return p[int(x)] }

// normals is a mixture of normal distributions that are cut off at the ends of
// the domain.
type normals struct {
	d         domain
	mean      []float64
	deviation []float64
	weight    []float64
	scale     []float64 // weight / (mass between the ends), and of a density / deviation
}

func newNormals(d domain, observed []float64) *normals {
	n := &normals{d: d, weight: weights(len(observed))}
	for _, x := range observed {
		n.mean = append(n.mean, d.scaled(x))
	}
	n.mean = append(n.mean, 0.5*(d.from+d.to))
	n.deviation = deviations(n.mean, d.from, d.to)
	for k, w := range n.weight {
		s := w / mass(n.mean[k], n.deviation[k], d.from, d.to)
		if !d.discrete() {
			s /= n.deviation[k]
		}
		n.scale = append(n.scale, s)
	}
	return n
}

// deviations are the larger distances of means to their neighbours, the last
// mean being the prior's, whose deviation is the domain's width. The outermost
// means have one neighbour. Few observations make wide distributions.
func deviations(mean []float64, from, to float64) []float64 {
	last := len(mean) - 1
	order := make([]int, len(mean))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(mean[a], mean[b]) })
	width := to - from
	least := width / min(100, float64(len(mean)+1))
	out := make([]float64, len(mean))
	for at, k := range order {
		wide := 0.0
		if at > 0 {
			wide = mean[k] - mean[order[at-1]]
		}
		if at < last {
			wide = max(wide, mean[order[at+1]]-mean[k])
		}
		out[k] = min(max(wide, least), width)
	}
	out[last] = width
	return out
}

func (n *normals) draw(c *stream) float64 {
	k := pick(n.weight, c)
	return n.d.value(c.normal(n.mean[k], n.deviation[k], n.d.from, n.d.to))
}

// density of a discrete domain is a probability, of any other one a density
// without the factor √(2π).
func (n *normals) density(x float64) float64 {
	sum, at := 0.0, n.d.scaled(x)
	half := float64(n.d.Step / 2)
	for k, s := range n.scale {
		if n.d.discrete() {
			sum += float64(s * mass(n.mean[k], n.deviation[k], x-half, x+half))
			continue
		}
		z := (at - n.mean[k]) / n.deviation[k]
		sum += float64(s * kernels.Exp(-float64(0.5*float64(z*z))))
	}
	return sum
}
