package input

import (
	"slices"

	"cohort/dataplane"
	"cohort/kernels"
)

// fitLevels fits items, where no table of them is given, and the bounds of each
// skill: quantiles of what its own training answers met, so that no level is rare.
func (f *Fitted) fitLevels(a *Answers, o Options) error {
	if !slices.ContainsFunc(a.Items, func(item string) bool { return item != "" }) {
		return &MissingError{Difficulty, "the events name no items: set data.columns.item"}
	}
	f.Items = table(a, o)
	met := make([][]int32, len(a.Skills)) // items of each skill's training answers
	for h := range o.training(a) {
		for k, skill := range h.Skill {
			met[skill] = append(met[skill], h.Item[k])
		}
	}
	in := f.Inputs
	in.Plain, in.Pull = a.Skills, o.Pull
	for _, items := range met {
		mean := 0.0
		for _, item := range items {
			mean += f.Items[a.Items[item]].Value
		}
		mean /= float64(max(len(items), 1))
		values := make([]float64, len(items))
		for k, item := range items {
			values[k] = pulled(f.Items[a.Items[item]], mean, o.Pull)
		}
		in.Means = append(in.Means, mean)
		in.Bounds = append(in.Bounds, bounds(values, min(o.Levels, len(items)/max(o.Least, 1))))
	}
	return nil
}

// table is the difficulty of each item that occurs.
func table(a *Answers, o Options) map[string]dataplane.Difficulty {
	all := map[string]dataplane.Difficulty{}
	if o.Difficulty == nil {
		right, answers := make([]int64, len(a.Items)), make([]int64, len(a.Items))
		for h := range o.training(a) {
			for k, item := range h.Item {
				right[item] += int64(h.Correct[k])
				answers[item]++
			}
		}
		for k, name := range a.Items {
			if answers[k] > 0 {
				all[name] = dataplane.Difficulty{Value: logit(answers[k]-right[k], answers[k]), Answers: answers[k]}
			}
		}
		return all
	}
	for _, name := range a.Items {
		if value, answers, ok := o.Difficulty(name); ok {
			all[name] = dataplane.Difficulty{Value: value, Answers: answers}
		}
	}
	return all
}

// logit is that of wrong of answers, half an answer added on each side.
func logit(wrong, answers int64) float64 {
	return kernels.Log((float64(wrong) + 0.5) / (float64(answers-wrong) + 0.5))
}

// training visits the training students.
func (o Options) training(a *Answers) func(yield func(*dataplane.Answered) bool) {
	return func(yield func(*dataplane.Answered) bool) {
		for k := range a.Students {
			if o.Trains(a.Students[k].Student) && !yield(&a.Students[k]) {
				return
			}
		}
	}
}

// fitPaces sets the bounds of paces: quantiles of the training answers' known
// response times.
func (f *Fitted) fitPaces(a *Answers, o Options) error {
	var known []int32
	for h := range o.training(a) {
		for _, ms := range h.Elapsed {
			if ms > 0 {
				known = append(known, ms)
			}
		}
	}
	if len(known) == 0 {
		return &MissingError{Elapsed, "no training answer has a response time: set data.columns.elapsed"}
	}
	f.Inputs.Paces = bounds(known, o.Paces)
	return nil
}

// bounds cuts values into parts of equal size as far as ties allow; each part
// holds what is at or above its bound. It sorts values.
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
