package input

import (
	"math"
	"slices"
	"sort"

	"cohort/dataplane"
	"cohort/kernels"
)

// Mapping reads answers as Inputs say.
type Mapping struct {
	in    *dataplane.Inputs
	items map[string]dataplane.Difficulty
}

// NewMapping makes the mapping of in; items are those that in.Items names.
func NewMapping(in *dataplane.Inputs, items map[string]dataplane.Difficulty) *Mapping {
	return &Mapping{in, items}
}

// Level is that of an item of a skill. An item that nobody has answered is as
// hard as the skill's mean.
func (m *Mapping) Level(skill int32, item string) uint8 {
	return level(m.in.Levels, pulled(m.items[item], m.in.Means[skill], m.in.Pull))
}

// pulled is how much harder than mean an item is, after pull more answers at it,
// in whole grains: the rounding of a mean tells no items apart.
func pulled(d dataplane.Difficulty, mean, pull float64) float64 {
	const grain = 1.0 / 1024
	n := float64(d.Answers)
	if n == 0 {
		return 0
	}
	return float64(math.Floor(float64(n*(d.Value-mean))/((n+pull)*grain)+0.5) * grain)
}

// level is the number of bounds that v reaches.
func level(bounds []float64, v float64) uint8 {
	return uint8(sort.Search(len(bounds), func(k int) bool { return bounds[k] > v }))
}

// Pace is that of a response time; 0 is unknown.
func (m *Mapping) Pace(elapsed int32) uint8 {
	if elapsed <= 0 {
		return 0
	}
	return uint8(1 + sort.Search(len(m.in.Paces), func(k int) bool { return m.in.Paces[k] > elapsed }))
}

// takes reports whether in, nil for a plain model, has an input.
func takes(in *dataplane.Inputs, name string) bool {
	return in != nil && slices.Contains(in.Names, name)
}

// Vocabulary is what sequences are made of: so many skills, and in's levels and
// paces; in is nil for a plain model.
func Vocabulary(skills int, in *dataplane.Inputs) kernels.Vocabulary {
	v := kernels.Vocabulary{Skills: skills}
	if takes(in, Difficulty) {
		v.Levels = len(in.Levels) + 1
	}
	if takes(in, Elapsed) {
		v.Paces = len(in.Paces) + 2
	}
	return v
}
