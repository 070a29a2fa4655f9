package quality

import (
	"fmt"
	"math"
)

// minStudents is the least number of students, on either side, that a
// comparison is made with.
const minStudents = 50

// answers are what is compared of one student: the cells of the days compared,
// a skill once.
type answers struct {
	n, right int64
	skills   []skillAnswers
}

type skillAnswers struct {
	skill    uint32
	n, right int64
}

// days is a range of days back from a profile's time, to excluded.
type days struct{ from, to int32 }

// A pairing is what of two profiles is compared, and why that.
type pairing struct {
	ref, cand []answers
	how       string
	grown     bool // the students are mostly the same ones, with longer histories
}

// pair chooses. With a clock the days since the accepted dataset are held
// against as many days of that dataset, weekday by weekday: all else of the new
// dataset has been accepted before, and would hide what is new. Where that can't
// be, whole histories are held against whole histories.
func pair(ref, cand *Profile) pairing {
	why := "event times are no clock in both"
	if ref.Clock && cand.Clock {
		var p *pairing
		if p, why = recent(ref, cand); p != nil {
			return *p
		}
	}
	p := pairing{ref: within(&ref.Whole, days{wholeDay, 0}), cand: within(&cand.Whole, days{wholeDay, 0})}
	p.how = "whole histories with whole histories, since " + why
	if p.grown = 2*known(&ref.Whole, &cand.Whole) > 1; p.grown {
		p.how += "; most students are in both"
	}
	return p
}

// recent pairs days with days; nil and why not.
func recent(ref, cand *Profile) (*pairing, string) {
	const dayMilli = day / millisecond
	gap := (cand.At - ref.At) / dayMilli
	if gap < 1 {
		return nil, "the accepted dataset is not older by a day"
	}
	back := (gap+6)/7*7 - gap // days from the end of the days compared to the accepted dataset's run
	n := min(gap, recentDays-back)
	if ref.First > ref.At*millisecond-(back+n)*day {
		return nil, fmt.Sprintf("the accepted dataset holds less than the %s to compare with", plural(back+n, "day"))
	}
	p := &pairing{
		ref:  within(&ref.Recent, days{int32(back), int32(back + n)}),
		cand: within(&cand.Recent, days{0, int32(n)}),
	}
	if len(p.cand) < minStudents || len(p.ref) < minStudents {
		return nil, fmt.Sprintf("the last %s have %s, and those before %d: too few", plural(n, "day"), plural(len(p.cand), "student"), len(p.ref))
	}
	end := ref.At*millisecond - back*day
	p.how = fmt.Sprintf("the %s to %s with the %d to %s", plural(n, "day"), moment(cand.At*millisecond), n, moment(end))
	return p, ""
}

// within sums a sample's cells of some days, of the students who have any.
func within(s *Sample, d days) []answers {
	var all []answers
	place := map[uint32]int{}
	for _, v := range s.Students {
		var a answers
		clear(place)
		for _, c := range v.cells {
			if c.day < d.from || c.day >= d.to {
				continue
			}
			k, ok := place[c.skill]
			if !ok {
				k = len(a.skills)
				place[c.skill] = k
				a.skills = append(a.skills, skillAnswers{skill: c.skill})
			}
			a.skills[k].n += int64(c.n)
			a.skills[k].right += int64(c.right)
			a.n += int64(c.n)
			a.right += int64(c.right)
		}
		if a.n > 0 {
			all = append(all, a)
		}
	}
	return all
}

// known is the share of cand's students who are in ref, as far as the samples
// tell: a student with a hash below the last of a sample is in it or not there
// at all.
func known(ref, cand *Sample) float64 {
	upTo := uint64(math.MaxUint64)
	if n := len(ref.Students); n > 0 && ref.Of > int64(n) {
		upTo = ref.Students[n-1].hash
	}
	var both, all int64
	k := 0
	for _, v := range cand.Students {
		if v.hash > upTo {
			break
		}
		for k < len(ref.Students) && ref.Students[k].hash < v.hash {
			k++
		}
		all++
		if k < len(ref.Students) && ref.Students[k].hash == v.hash {
			both++
		}
	}
	return share(both, all)
}
