package quality

// unit is a student as the statistics see one.
type unit struct {
	rate, activity uint8 // cells
	skills         []binAnswers
}

// binAnswers are weighed answers of one bin, or of one rare skill of it.
type binAnswers struct {
	n, right uint32 // a student's are at most heaviest<<16
	rare     uint32 // number among the rare skills, or notRare
	bin      uint8
}

func units(all []answers, b binning) []unit {
	out := make([]unit, len(all))
	for k, a := range all {
		u := unit{rate: rateCell(a.right, a.n), activity: activityCell(a.n)}
		var place [maxBins + 1]int // of bins, from 1
		for _, s := range a.skills {
			to := binAnswers{uint32(weigh(s.n, a.n)), uint32(weigh(s.right, a.n)), b.rare[s.skill], b.bin[s.skill]}
			if at := &place[to.bin]; to.rare != notRare || *at == 0 {
				u.skills = append(u.skills, to)
				if to.rare == notRare {
					*at = len(u.skills)
				}
			} else {
				u.skills[*at-1].n += to.n
				u.skills[*at-1].right += to.right
			}
		}
		out[k] = u
	}
	return out
}

// sums are of one side, all whole numbers: the order of students leaves no trace.
type sums struct {
	students int64
	rate     [rateCells]int64
	activity [activityCells]int64
	n, right [maxBins + 1]int64
	all, hit int64 // over bins
}

func (s *sums) add(u *unit) {
	s.rate[u.rate]++
	s.activity[u.activity]++
	for k := range u.skills {
		a := &u.skills[k]
		s.n[a.bin] += int64(a.n)
		s.right[a.bin] += int64(a.right)
	}
}

// meeting says who of a replicate's accepted side has met a rare skill.
type meeting struct {
	mark uint32 // of the replicate in which anybody has
	only *unit  // the one student who has; nil: several
}

// note notes a student's rare skills.
func (u *unit) note(met []meeting, mark uint32) {
	for k := range u.skills {
		m := &met[u.skills[k].rare]
		if m.mark != mark {
			*m = meeting{mark, u}
		} else if m.only != u {
			m.only = nil
		}
	}
}

// addNew is add where a rare skill goes to unseenBin if nobody has met it but the
// student: one who is drawn for both sides stands for one that is on neither.
func (s *sums) addNew(u *unit, met []meeting, mark uint32) {
	s.rate[u.rate]++
	s.activity[u.activity]++
	for k := range u.skills {
		a := &u.skills[k]
		bin := a.bin
		if a.rare != notRare {
			if m := &met[a.rare]; m.mark != mark || m.only == u {
				bin = unseenBin
			}
		}
		s.n[bin] += int64(a.n)
		s.right[bin] += int64(a.right)
	}
}

// close sums the bins of n students.
func (s *sums) close(n int) {
	s.students = int64(n)
	for k := range s.n {
		s.all += s.n[k]
		s.hit += s.right[k]
	}
}

func sumOf(all []unit) *sums {
	s := new(sums)
	for k := range all {
		s.add(&all[k])
	}
	s.close(len(all))
	return s
}

// answerRate is the share right of the weighed answers.
func (s *sums) answerRate() float64 { return share(s.hit, s.all) }
