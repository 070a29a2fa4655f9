package input

import (
	"fmt"
	"slices"
	"sort"

	"cohort/dataplane"
)

// Mapping reads answers as Inputs say.
type Mapping struct {
	in    *dataplane.Inputs
	items map[string]dataplane.Difficulty
	first []int32 // id of each plain skill's first level
}

// NewMapping makes the mapping of in; items are those of in.Items.
func NewMapping(in *dataplane.Inputs, items map[string]dataplane.Difficulty) *Mapping {
	m := &Mapping{in: in, items: items, first: make([]int32, len(in.Bounds)+1)}
	for k, bounds := range in.Bounds {
		m.first[k+1] = m.first[k] + int32(len(bounds)) + 1
	}
	return m
}

// Skill is the id of the pair of a plain skill and an item's level. An item that
// nobody has answered is as hard as the skill's mean.
func (m *Mapping) Skill(plain int32, item string) int32 {
	if !Takes(m.in, Difficulty) {
		return plain
	}
	return m.first[plain] + level(m.in.Bounds[plain], m.value(plain, item))
}

func (m *Mapping) value(plain int32, item string) float64 {
	return pulled(m.items[item], m.in.Means[plain], m.in.Pull)
}

// pulled is an item's difficulty after pull more answers at mean.
func pulled(d dataplane.Difficulty, mean, pull float64) float64 {
	n := float64(d.Answers)
	if n+pull == 0 {
		return mean
	}
	return (float64(n*d.Value) + float64(pull*mean)) / (n + pull)
}

// level is the number of bounds that v reaches.
func level(bounds []float64, v float64) int32 {
	return int32(sort.Search(len(bounds), func(k int) bool { return bounds[k] > v }))
}

// Pace is the bin of a response time.
func (m *Mapping) Pace(elapsed int32) uint8 {
	if elapsed <= 0 {
		return 0
	}
	return uint8(1 + sort.Search(len(m.in.Paces), func(k int) bool { return m.in.Paces[k] > elapsed }))
}

// Takes reports whether in, which may be nil, has an input.
func Takes(in *dataplane.Inputs, name string) bool {
	return in != nil && slices.Contains(in.Names, name)
}

// Kinds is the number of kinds of answers, see kernels.Shape; 0 without paces.
func Kinds(in *dataplane.Inputs) int {
	if !Takes(in, Elapsed) {
		return 0
	}
	return 2 * (len(in.Paces) + 2)
}

// Plain is the plain skill of each of a set's skills, and how many there are.
func Plain(in *dataplane.Inputs, skills int) (of []int32, plain int) {
	if !Takes(in, Difficulty) {
		for k := range skills {
			of = append(of, int32(k))
		}
		return of, skills
	}
	for k, bounds := range in.Bounds {
		for range len(bounds) + 1 {
			of = append(of, int32(k))
		}
	}
	return of, len(in.Plain)
}

// names lists the pairs in order of id; a skill of one level keeps its name.
func (m *Mapping) names() []string {
	var all []string
	for k, name := range m.in.Plain {
		if len(m.in.Bounds[k]) == 0 {
			all = append(all, name)
			continue
		}
		for l := range len(m.in.Bounds[k]) + 1 {
			all = append(all, fmt.Sprintf("%s|d%d", name, l+1))
		}
	}
	return all
}

// apply reads all of a anew.
func (m *Mapping) apply(a *Answers) {
	refines, paced := Takes(m.in, Difficulty), Takes(m.in, Elapsed)
	for s := range a.Students {
		h := &a.Students[s]
		if refines {
			for k, plain := range h.Skill {
				h.Skill[k] = m.Skill(plain, a.Items[h.Item[k]])
			}
		}
		if paced {
			h.Pace = make([]uint8, len(h.Skill))
			for k, ms := range h.Elapsed {
				h.Pace[k] = m.Pace(ms)
			}
		}
	}
	if refines {
		a.Skills = m.names()
	}
}
