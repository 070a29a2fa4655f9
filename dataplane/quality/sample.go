package quality

import (
	"cmp"
	"slices"
)

// maxSample is the most students that a sample holds. It bounds the profile, the
// time of a comparison, and how small a change is worth an alarm.
const maxSample = 4096

// recentDays is how far back a profile keeps days apart: six weeks.
const recentDays = 42

// wholeDay stands for a student's whole history.
const wholeDay = -1

// A Sample is of students: those with the least hashes, up to maxSample.
type Sample struct {
	Of       int64     // students that it was drawn from
	Students []student // by hash
}

// student is what a profile keeps of one.
type student struct {
	hash  uint64 // of the masked id
	cells []cell // by day, then skill
}

// cell counts the answers of a student on a day and a skill. Days count back
// from the time of the run; a sample of whole histories has wholeDay alone.
type cell struct {
	day      int32
	skill    uint32 // index of the profile's skills
	n, right uint32
}

// sampler draws a sample of students that come one after another. It holds at
// most twice the sample, whatever comes.
type sampler struct {
	of    int64
	kept  []student
	limit uint64 // hashes at or above it are out, once full
	full  bool

	open  bool // the student at hand has an event
	hash  uint64
	cells []cell
	day   int32
	at    map[uint32]int // by skill, index of cells, of the day at hand
}

// begin ends a student and opens the next.
func (s *sampler) begin(hash uint64) {
	s.end()
	s.hash = hash
}

// add counts an answer. A student's days come in order, latest last.
func (s *sampler) add(day int32, skill uint32, right bool) {
	if !s.open {
		s.open = true
		s.of++
		s.cells, s.day = s.cells[:0], day
		clear(s.at)
	}
	if s.full && s.hash >= s.limit {
		return
	}
	if s.at == nil {
		s.at = map[uint32]int{}
	}
	if day != s.day {
		s.day = day
		clear(s.at)
	}
	k, ok := s.at[skill]
	if !ok {
		k = len(s.cells)
		s.at[skill] = k
		s.cells = append(s.cells, cell{day: day, skill: skill})
	}
	s.cells[k].n++
	if right {
		s.cells[k].right++
	}
}

// end takes the student at hand into the sample.
func (s *sampler) end() {
	if !s.open {
		return
	}
	s.open = false
	if s.full && s.hash >= s.limit {
		return
	}
	s.kept = append(s.kept, student{s.hash, slices.Clone(s.cells)})
	if len(s.kept) == 2*maxSample {
		s.cut()
	}
}

// cut keeps the least hashes.
func (s *sampler) cut() {
	slices.SortFunc(s.kept, func(a, b student) int { return cmp.Compare(a.hash, b.hash) })
	if len(s.kept) > maxSample {
		s.limit, s.full = s.kept[maxSample].hash, true
		clear(s.kept[maxSample:])
		s.kept = s.kept[:maxSample]
	}
}

// sample ends the sampling; to gives skills their numbers.
func (s *sampler) sample(to []uint32) Sample {
	s.end()
	s.cut()
	for k := range s.kept {
		s.kept[k].cells = renumber(s.kept[k].cells, to)
	}
	return Sample{Of: s.of, Students: s.kept}
}
