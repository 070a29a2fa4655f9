package lake

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/dataplane"
)

// Answers are a dataset's rows merged into answers, student by student.
type Answers struct {
	Dataset, Mask, MultiSkill string

	Skills   []string             // shortlex order; a history's skill ids index it
	Items    []string             // in the order that they occur in
	Students []dataplane.Answered // ascending
}

// answers is Answers on the way: skill ids are numbers of names.
type answers struct {
	skills, items names
	students      map[string]*dataplane.Answered
}

// ReadAnswers merges a dataset's rows into answers, by multiSkill.
func ReadAnswers(ctx context.Context, b Blobs, dataset, multiSkill string) (*Answers, error) {
	if multiSkill != Combine && multiSkill != Repeat && multiSkill != First {
		return nil, fmt.Errorf("multi_skill %q is unknown, want combine, repeat or first", multiSkill)
	}
	m, err := ReadManifest(ctx, b, dataset)
	if err != nil {
		return nil, err
	}
	all := &answers{students: map[string]*dataplane.Answered{}}
	var run []dataplane.Event // rows of one answer
	end := func() {
		if len(run) > 0 {
			all.add(run[0], mergeSkills(run, multiSkill))
		}
		run = run[:0]
	}
	err = ReadEvents(ctx, b, dataset, func(e dataplane.Event) error {
		if multiSkill == Repeat || !sameAnswer(run, e) {
			end()
		}
		run = append(run, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	end()
	return all.sorted(&Answers{Dataset: dataset, Mask: m.Mask, MultiSkill: multiSkill}), nil
}

// add takes an answer whose first row is e.
func (a *answers) add(e dataplane.Event, skill string) {
	h := a.students[e.Student]
	if h == nil {
		h = &dataplane.Answered{}
		h.Student = strings.Clone(e.Student) // not a piece of a batch
		a.students[h.Student] = h
	}
	right := uint8(0)
	if e.Correct {
		right = 1
	}
	h.Skill, h.Correct = append(h.Skill, int32(a.skills.number(skill))), append(h.Correct, right)
	h.Item, h.Elapsed = append(h.Item, int32(a.items.number(e.Item))), append(h.Elapsed, int32(e.Elapsed))
}

// sorted gives skills their ids, and students their order.
func (a *answers) sorted(to *Answers) *Answers {
	to.Items, to.Skills = a.items.texts, slices.Clone(a.skills.texts)
	slices.SortFunc(to.Skills, dataplane.Shortlex)
	ids := make([]int32, len(to.Skills))
	for k, name := range to.Skills {
		ids[a.skills.numbers[name]] = int32(k)
	}
	for _, student := range slices.Sorted(maps.Keys(a.students)) {
		h := *a.students[student]
		for k, n := range h.Skill {
			h.Skill[k] = ids[n]
		}
		to.Students = append(to.Students, h)
	}
	return to
}

// sameAnswer reports whether e is one more skill of the answer in run: the same
// student, item and answer, and a skill that the run has not. Without an item
// column nothing says that two rows are one answer.
func sameAnswer(run []dataplane.Event, e dataplane.Event) bool {
	if len(run) == 0 || e.Item == "" {
		return false
	}
	first := run[0]
	if first.Student != e.Student || first.Item != e.Item || first.Correct != e.Correct {
		return false
	}
	return !slices.ContainsFunc(run, func(r dataplane.Event) bool { return r.Skill == e.Skill })
}

func mergeSkills(run []dataplane.Event, multiSkill string) string {
	if multiSkill == First || len(run) == 1 {
		return run[0].Skill
	}
	set := map[string]bool{}
	for _, e := range run {
		set[e.Skill] = true
	}
	return strings.Join(sorted(set), "+")
}
