package input

import (
	"slices"

	"cohort/dataplane"
	"cohort/kernels"
)

// Proportion is the logit of each item's share of wrong answers, half an answer
// added on either side.
func Proportion(a Answers, trains func(student string) bool) map[string]dataplane.Difficulty {
	right, answers := make([]int64, len(a.Items)), make([]int64, len(a.Items))
	for h := range a.of(trains) {
		for k, item := range h.Item {
			right[item] += int64(h.Correct[k])
			answers[item]++
		}
	}
	all := map[string]dataplane.Difficulty{}
	for k, name := range a.Items {
		if n := answers[k]; n > 0 {
			value := kernels.Log((float64(n-right[k]) + 0.5) / (float64(right[k]) + 0.5))
			all[name] = dataplane.Difficulty{Value: value, Answers: n}
		}
	}
	return all
}

// of visits the students that trains names.
func (a Answers) of(trains func(student string) bool) func(yield func(*dataplane.Answered) bool) {
	return func(yield func(*dataplane.Answered) bool) {
		for k := range a.Students {
			if trains(a.Students[k].Student) && !yield(&a.Students[k]) {
				return
			}
		}
	}
}

// view is how hard items and skills seem to some students.
type view struct {
	items map[string]dataplane.Difficulty
	means []float64 // of each skill: over its answers, of their items
}

func (o Options) view(a Answers, skills int, trains func(student string) bool) view {
	v := view{items: o.Fit(a, trains), means: make([]float64, skills)}
	count := make([]int64, skills)
	sum, all := 0.0, int64(0)
	for h := range a.of(trains) {
		for k, skill := range h.Skill {
			value := v.items[a.Items[h.Item[k]]].Value
			v.means[skill] += value
			count[skill]++
			sum += value
			all++
		}
	}
	for k, n := range count {
		if n > 0 {
			v.means[k] /= float64(n)
		} else {
			v.means[k] = sum / float64(max(all, 1))
		}
	}
	return v
}

// addLevels fits the difficulties that a training student meets without his part
// of the students, all others' with all who train. Bounds are quantiles of what
// training answers meet.
func (f *Fitted) addLevels(a Answers, skills int, o Options) error {
	if !slices.ContainsFunc(a.Items, func(item string) bool { return item != "" }) {
		return &MissingError{Difficulty, "the events name no items: set data.columns.item"}
	}
	whole := o.view(a, skills, o.Trains)
	parts := make([]view, max(o.Folds, 1))
	for k := range parts {
		parts[k] = o.view(a, skills, func(student string) bool {
			return o.Trains(student) && (len(parts) == 1 || dataplane.StudentShard(student, len(parts)) != k)
		})
	}
	values := make([][]float64, len(a.Students))
	var met []float64
	for s, h := range a.Students {
		v, trains := whole, o.Trains(h.Student)
		if trains {
			v = parts[dataplane.StudentShard(h.Student, len(parts))]
		}
		for k, skill := range h.Skill {
			values[s] = append(values[s], pulled(v.items[a.Items[h.Item[k]]], v.means[skill], o.Pull))
		}
		if trains {
			met = append(met, values[s]...)
		}
	}
	f.Items = whole.items
	f.Inputs.Means, f.Inputs.Pull, f.Inputs.Levels = whole.means, o.Pull, bounds(met, o.Levels)
	for s := range a.Students {
		h := &a.Students[s]
		h.Level = make([]uint8, len(h.Skill))
		for k, v := range values[s] {
			h.Level[k] = level(f.Inputs.Levels, v)
		}
	}
	return nil
}

// bounds cuts values, which it sorts, into parts of equal size as far as ties
// allow; a value at a bound belongs above it.
func bounds[T int32 | float64](values []T, parts int) []T {
	cuts := []T{}
	if len(values) == 0 {
		return cuts
	}
	slices.Sort(values)
	last := values[0]
	for k := 1; k < parts; k++ {
		if v := values[k*len(values)/parts]; v > last {
			cuts, last = append(cuts, v), v
		}
	}
	return cuts
}
