package quality

import (
	"math/bits"
)

// Cells of the two quantities that are compared over students.
const (
	rateCells     = 129 // of 1/128 of the proportion right; the last: all right
	activityCells = 256 // eighths of an octave of the number of answers
)

func rateCell(right, n int64) uint8 { return uint8(right * (rateCells - 1) / n) }

func activityCell(n int64) uint8 {
	if n < 16 {
		return uint8(n)
	}
	octave := min(bits.Len64(uint64(n)), 31)
	return uint8((octave-5)*8 + int(n>>(octave-4)&7) + 16)
}

// Skills are compared in bins, the first of which is of skills that the accepted
// side lacks. How the others are dealt to bins must not follow from how often
// they are answered there: bins chosen so would fit one side better than the
// other. Their place in the list of skills decides.
const (
	maxBins               = 32
	studentsOfABin        = 16
	unseenBin      uint8  = 0
	notRare        uint32 = 0
	// rareBelow is how many of the accepted side's students have met a skill that
	// may be missing from another sample of it: one that 16 have met is missing
	// from one in ten million.
	rareBelow = 16
)

// binning gives skills their bins, by index of a profile's skills.
type binning struct {
	bin   []uint8
	rare  []uint32 // number among the rare skills, from 1
	rares int      // how many of these
	bins  int      // the first one included
}

// newBinning deals the skills of the accepted side.
func newBinning(ref []answers, skills int) binning {
	b := binning{bin: make([]uint8, skills), rare: make([]uint32, skills)}
	students := make([]int, skills)
	for _, a := range ref {
		for _, s := range a.skills {
			students[s.skill]++
		}
	}
	bins := min(maxBins, max(4, len(ref)/studentsOfABin))
	met, rare := 0, notRare
	for k, n := range students {
		if n == 0 {
			continue
		}
		b.bin[k] = uint8(1 + met%bins)
		met++
		if n < rareBelow {
			rare++
			b.rare[k] = rare
		}
	}
	b.bins, b.rares = 1+min(met, bins), int(rare)
	return b
}

// translate gives another profile's skills the bins of those of the same name.
func (b binning) translate(from, to []Skill) binning {
	place := make(map[string]uint8, len(from))
	for k, s := range from {
		place[s.Name] = b.bin[k]
	}
	other := binning{bin: make([]uint8, len(to)), rare: make([]uint32, len(to)), bins: b.bins}
	for k, s := range to {
		other.bin[k] = place[s.Name] // none: unseenBin
	}
	return other
}

// tenths gives cells of the proportion right their part of ten that hold about
// equally many of the accepted side's students, numbered without gaps.
func tenths(ref []unit) (of [rateCells]uint8, n int) {
	var count [rateCells]int
	for _, u := range ref {
		count[u.rate]++
	}
	before, last := 0, -1
	for c := range count {
		tenth := min(10*(2*before+count[c])/(2*len(ref)), 9)
		if tenth != last {
			last = tenth
			n++
		}
		of[c] = uint8(n - 1)
		before += count[c]
	}
	return of, n
}

// A student counts for at most heaviest answers, so that a few who answer
// thousands of times do not make, or hide, a change.
const heaviest = 32

// weigh is the weight, in 2^-16 answers, of part answers of a student's n.
func weigh(part, n int64) int64 {
	if n <= heaviest {
		return part << 16
	}
	return part * (heaviest << 16) / n
}
