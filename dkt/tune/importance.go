package tune

import (
	"cmp"
	"math"
	"slices"
)

// Importance is, of each setting, the share of the variance of values that it
// explains by itself, 0 to 1: the first order of a functional analysis of
// variance, less what chance would explain (ε² of Kelley 1935). Numbers are cut
// into √n parts of as many trials; equal ones lie in one part. Values are those
// of the first rung, where all trials can be compared; failed ones have no part.
// Settings that a sampler moved together share what they explain.
func (s Study) Importance(results []Result) map[string]float64 {
	w := s.walk(results)
	out := map[string]float64{}
	var value []float64
	var points [][]float64
	for n, p := range w.points {
		if r, ok := w.results[place{n, 0}]; ok && !r.fails() {
			value, points = append(value, r.Value), append(points, p)
		}
	}
	for k, d := range w.domains {
		at := make([]float64, len(points))
		for i, p := range points {
			at[i] = p[k]
		}
		out[d.Name] = explained(value, parts(at, d.choice()))
	}
	return out
}

// parts gives each of the numbers the part that it lies in.
func parts(at []float64, choice bool) []int {
	order := make([]int, len(at))
	for k := range order {
		order[k] = k
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at[a], at[b]) })
	out := make([]int, len(at))
	count := max(int(math.Sqrt(float64(len(at)))), 1)
	for rank, k := range order {
		switch {
		case rank > 0 && at[k] == at[order[rank-1]]:
			out[k] = out[order[rank-1]]
		case choice && rank > 0:
			out[k] = out[order[rank-1]] + 1
		case !choice:
			out[k] = rank * count / len(at)
		}
	}
	return out
}

// explained is the share of the variance between parts, less (parts − 1) times
// the mean square within them.
func explained(value []float64, part []int) float64 {
	if len(value) == 0 {
		return 0
	}
	count, sum := map[int]int{}, map[int]float64{}
	mean := 0.0
	for k, v := range value {
		count[part[k]]++
		sum[part[k]] += v
		mean += v
	}
	mean /= float64(len(value))
	within, all := 0.0, 0.0
	for k, v := range value {
		p := part[k]
		in, of := v-sum[p]/float64(count[p]), v-mean
		within += float64(in * in)
		all += float64(of * of)
	}
	free := len(value) - len(count)
	if free == 0 || !(all > 0) {
		return 0
	}
	noise := float64(float64(len(count)-1) * (within / float64(free)))
	return max((all-within-noise)/all, 0)
}
