package cpu

import "cohort/kernels"

// Adam updates theta and its moments m and v, all as long as grad or longer, by
// the mean gradient.
func (e *Engine) Adam(theta, m, v, grad []float32, a kernels.AdamStep) error {
	e.call = call{adam: scalars(a), theta: theta, m: m, v: v, g: grad}
	e.call.checkVectors()
	return e.each(adam)
}

// AdamRows updates the rows of ids only, of so many entries each: what lazy
// Adam does to the rows that occur.
func (e *Engine) AdamRows(theta, m, v, grad []float32, width int, ids []int32, a kernels.AdamStep) error {
	e.call = call{adam: scalars(a), theta: theta, m: m, v: v, g: grad, width: width, ids: ids}
	e.call.checkVectors()
	return e.each(adamRows)
}

// checkVectors panics where assembly would write beyond a vector.
func (c *call) checkVectors() {
	if min(len(c.theta), len(c.m), len(c.v)) < len(c.g) {
		panic("cpu: Adam's vectors are shorter than the gradient")
	}
}

func scalars(a kernels.AdamStep) adamScalars {
	return adamScalars{
		beta1: a.Beta1, rest1: 1 - a.Beta1, beta2: a.Beta2, rest2: 1 - a.Beta2,
		minusRate: -a.Rate, root: a.Root, epsilon: a.Epsilon, minusDecay: -a.Decay,
	}
}

func adam(e *Engine, k int, _ *thread) error {
	from, to := share(len(e.call.g), k, len(e.threads))
	e.adam(from, to)
	return nil
}

func adamRows(e *Engine, k int, _ *thread) error {
	c := &e.call
	first, last := share(len(c.ids), k, len(e.threads))
	for _, id := range c.ids[first:last] {
		e.adam(int(id)*c.width, (int(id)+1)*c.width)
	}
	return nil
}

func (e *Engine) adam(from, to int) {
	c := &e.call
	e.ops.adam(c.theta[from:to], c.m[from:to], c.v[from:to], c.g[from:to], &c.adam)
}
