package wire

import "slices"

// Standing is where a model's versions stand, as their history tells it.
type Standing struct {
	Stages map[int]ModelStage // of each version that is not deleted
	// Past are the versions that production can go back through; the last one is
	// in production.
	Past []int
}

// Replay tells where versions stand after the changes, which are in the order of
// their index.
func Replay(changes []ModelChange) Standing {
	s := Standing{Stages: map[int]ModelStage{}}
	for _, c := range changes {
		s.step(c)
	}
	return s
}

func (s *Standing) step(c ModelChange) {
	switch {
	case c.What == ChangeDeleted:
		delete(s.Stages, c.Version)
		s.Past = slices.Compact(slices.DeleteFunc(s.Past, func(v int) bool { return v == c.Version }))
		return
	case c.To == "":
		return
	case c.To == Production && c.What == ChangeRolledBack:
		for len(s.Past) > 0 && s.Production() != c.Version {
			s.leave(Production, Archived)
			s.Past = s.Past[:len(s.Past)-1]
		}
	case c.To == Production:
		s.leave(Production, Archived)
		s.Past = append(s.Past, c.Version)
	case c.To == Staging:
		s.leave(Staging, Development)
	}
	s.Stages[c.Version] = c.To
}

// leave moves who is in a stage to another.
func (s *Standing) leave(from, to ModelStage) {
	for v, stage := range s.Stages {
		if stage == from {
			s.Stages[v] = to
		}
	}
}

// Production is the version in production; 0: none.
func (s *Standing) Production() int { return s.back(1) }

// Previous is the version that a rollback goes to; 0: none.
func (s *Standing) Previous() int { return s.back(2) }

func (s *Standing) back(n int) int {
	if len(s.Past) < n {
		return 0
	}
	return s.Past[len(s.Past)-n]
}

// Staging is the version in staging; 0: none.
func (s *Standing) Staging() int {
	for v, stage := range s.Stages {
		if stage == Staging {
			return v // there is one at most
		}
	}
	return 0
}
