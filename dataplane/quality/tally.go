package quality

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"cohort/dataplane"
)

// tally counts events under one way to look at their times.
type tally struct {
	limits   limits
	causes   [numCauses]int64
	events   int64 // kept, as all below
	right    int64
	students int64
	first    int64
	last     int64
	farthest int64 // time of the quarantined event farthest beyond the run
	empty    [numOptional]int64
	skills   []skillCount // by number
	whole    sampler
	recent   *sampler // nil where times are no clock
	open     bool     // the student at hand has an event kept
}

type skillCount struct{ events, right int64 }

// Optional fields, whose values may be empty in an event.
const (
	optItem = iota
	optID
	optElapsed
	numOptional
)

func newTally(l limits, clock bool) *tally {
	t := &tally{limits: l}
	if clock {
		t.recent = &sampler{}
	}
	return t
}

// add takes an event; first says that its student is another one than before.
func (t *tally) add(first bool, e *dataplane.Event, skill uint32, c cause) {
	t.causes[c]++
	if first {
		t.open = false
	}
	if c != causeNone {
		if c == causeSkew || c == causeLate {
			t.farthest = max(t.farthest, e.Time)
		}
		return
	}
	if !t.open {
		t.open = true
		t.begin(e.Student)
	}
	t.count(e, skill)
	t.whole.add(wholeDay, skill, e.Correct)
	if t.recent == nil {
		return
	}
	if d := max(0, (t.limits.at-e.Time)/day); e.Time > t.limits.at-recentDays*day {
		t.recent.add(int32(d), skill, e.Correct)
	}
}

// begin opens a student.
func (t *tally) begin(student string) {
	t.students++
	h := studentHash(student)
	t.whole.begin(h)
	if t.recent != nil {
		t.recent.begin(h)
	}
}

func (t *tally) count(e *dataplane.Event, skill uint32) {
	if t.events == 0 || e.Time < t.first {
		t.first = e.Time
	}
	if t.events == 0 || e.Time > t.last {
		t.last = e.Time
	}
	t.events++
	for int(skill) >= len(t.skills) {
		t.skills = append(t.skills, skillCount{})
	}
	t.skills[skill].events++
	if e.Correct {
		t.right++
		t.skills[skill].right++
	}
	for k, empty := range [numOptional]bool{e.Item == "", e.ID == "", e.Elapsed == 0} {
		if empty {
			t.empty[k]++
		}
	}
}

// quarantined lists the causes met.
func (t *tally) quarantined() []Quarantined {
	all := []Quarantined{}
	for c := causeNone + 1; c < numCauses; c++ {
		if n := t.causes[c]; n > 0 {
			all = append(all, Quarantined{c.String(), n})
		}
	}
	return all
}

// sum counts the events of some causes.
func (t *tally) sum(causes ...cause) (n int64) {
	for _, c := range causes {
		n += t.causes[c]
	}
	return n
}

// studentHash draws a sample of students that is the same wherever they stand.
// It is not the hash that deals them to parts and shards.
func studentHash(student string) uint64 {
	sum := sha256.Sum256([]byte(student))
	return binary.LittleEndian.Uint64(sum[8:16])
}

// profile is the tally's, skills named and in order.
func (t *tally) profile(at int64, clock bool, texts []string) *Profile {
	p := &Profile{
		Version: profileVersion, At: at, Clock: clock, First: t.first, Last: t.last,
		Events: t.events, Students: t.students, Right: t.right, Skills: []Skill{},
	}
	var order []uint32
	for k, n := range t.skills {
		if n.events > 0 {
			order = append(order, uint32(k))
		}
	}
	slices.SortFunc(order, func(a, b uint32) int { return dataplane.Shortlex(texts[a], texts[b]) })
	to := make([]uint32, len(t.skills))
	for k, s := range order {
		to[s] = uint32(k)
		p.Skills = append(p.Skills, Skill{texts[s], t.skills[s].events, t.skills[s].right})
	}
	p.Whole = t.whole.sample(to)
	if t.recent != nil {
		p.Recent = t.recent.sample(to)
	}
	return p
}

// renumber gives cells the profile's numbers of skills, and its order.
func renumber(cells []cell, to []uint32) []cell {
	for k := range cells {
		cells[k].skill = to[cells[k].skill]
	}
	slices.SortFunc(cells, func(a, b cell) int {
		return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.skill, b.skill))
	})
	return cells
}
