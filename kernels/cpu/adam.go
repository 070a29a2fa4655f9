package cpu

import (
	"slices"

	"cohort/kernels"
)

// Adam updates parameters theta and their moments m and v by the mean gradient.
// Lazy Adam leaves rows alone that the gradient lacks; else their gradient is
// zero.
func (e *Engine) Adam(theta, m, v []float32, grad *kernels.Gradient, a kernels.AdamStep, lazy bool) error {
	n := e.d.ParamCount()
	if grad.Shape != e.d.Shape || len(theta) != n || len(m) != n || len(v) != n {
		return errShape // assembly would write beyond them
	}
	e.call = call{lazy: lazy, adam: scalars(a), gradient: grad}
	for k, data := range [][]float32{theta, m, v} {
		e.call.state[k] = kernels.Params{Shape: e.d.Shape, Data: data}
	}
	return e.each(adam)
}

func scalars(a kernels.AdamStep) adamScalars {
	return adamScalars{
		beta1: a.Beta1, rest1: 1 - a.Beta1, beta2: a.Beta2, rest2: 1 - a.Beta2,
		minusRate: -a.Rate, root: a.Root, epsilon: a.Epsilon, minusDecay: -a.Decay,
	}
}

func adam(e *Engine, k int, _ *thread) error {
	c := &e.call
	g := c.gradient
	theta, m, v := &c.state[0], &c.state[1], &c.state[2]
	e.adamRows(k, theta.E(), m.E(), v.E(), g.E(), g.Rows, e.d.Rows())
	from, to := share(len(g.LSTM()), k, len(e.threads))
	e.ops.adam(theta.LSTM()[from:to], m.LSTM()[from:to], v.LSTM()[from:to], g.LSTM()[from:to], &c.adam)
	e.adamRows(k, theta.Wout(), m.Wout(), v.Wout(), g.Wout(), g.Asked, e.d.Skills)
	e.adamRows(k, theta.Bout(), m.Bout(), v.Bout(), g.Bout(), g.Asked, e.d.Skills)
	return nil
}

// adamRows updates thread k's share of n rows; grad has those of ids.
func (e *Engine) adamRows(k int, theta, m, v, grad []float32, ids []int32, n int) {
	width, s := len(theta)/n, &e.call.adam
	if e.call.lazy {
		first, last := share(len(ids), k, len(e.threads))
		for at := first; at < last; at++ {
			row := int(ids[at]) * width
			e.ops.adam(theta[row:row+width], m[row:row+width], v[row:row+width], grad[at*width:][:width], s)
		}
		return
	}
	first, last := share(n, k, len(e.threads))
	at, _ := slices.BinarySearch(ids, int32(first))
	for row := first; row < last; {
		end, g := row+1, grad
		if at < len(ids) && int(ids[at]) == row {
			for end < last && at+end-row < len(ids) && int(ids[at+end-row]) == end {
				end++
			}
			g = grad[at*width : (at+end-row)*width]
			at += end - row
		} else {
			for end < last && (at == len(ids) || int(ids[at]) != end) && (end+1-row)*width <= len(e.zeros) {
				end++
			}
			g = e.zeros[:(end-row)*width]
		}
		e.ops.adam(theta[row*width:end*width], m[row*width:end*width], v[row*width:end*width], g, s)
		row = end
	}
}
