package quality

import (
	"encoding/json"
	"errors"
	"fmt"

	"cohort/dataplane"
)

// Profile is what is kept of a dataset for comparisons: counts, and samples of
// its students. It names no student: a sample holds eight bytes of a hash of the
// masked id.
type Profile struct {
	Version  int     `json:"version"`
	At       int64   `json:"at"`    // the time that its run was for, Unix milliseconds
	Clock    bool    `json:"clock"` // event times are a clock's
	First    int64   `json:"first"` // event times, microseconds
	Last     int64   `json:"last"`
	Events   int64   `json:"events"`
	Students int64   `json:"students"`
	Right    int64   `json:"right"`
	Skills   []Skill `json:"skills"` // shortlex order
	Whole    Sample  `json:"whole"`  // whole histories
	Recent   Sample  `json:"recent"` // the days before the run, of students who were active then; empty without a clock
}

// Skill counts a skill's answers.
type Skill struct {
	Name   string `json:"name"`
	Events int64  `json:"events"`
	Right  int64  `json:"right"`
}

// profileVersion is raised when the same dataset has another profile.
const profileVersion = 1

// ErrProfile says that bytes are no profile of this version.
var ErrProfile = errors.New("no profile")

// Encode writes a profile as JSON; equal profiles have equal bytes.
func (p *Profile) Encode() ([]byte, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode profile: %w", err)
	}
	return data, nil
}

// DecodeProfile reads what Encode wrote; anything else is ErrProfile.
func DecodeProfile(data []byte) (*Profile, error) {
	p := new(Profile)
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	return p, nil
}

func (p *Profile) check() error {
	if p.Version != profileVersion {
		return fmt.Errorf("version %d, this binary reads %d", p.Version, profileVersion)
	}
	if p.At < 0 || p.At > latest {
		return fmt.Errorf("its run's time is %d", p.At)
	}
	for k, s := range p.Skills {
		if k > 0 && dataplane.Shortlex(p.Skills[k-1].Name, s.Name) >= 0 {
			return fmt.Errorf("skill %d is out of order", k)
		}
		if s.Events < 1 || s.Right < 0 || s.Right > s.Events {
			return fmt.Errorf("skill %d has %d right of %d", k, s.Right, s.Events)
		}
	}
	if err := p.Whole.check(wholeDay, wholeDay, len(p.Skills)); err != nil {
		return fmt.Errorf("whole: %w", err)
	}
	if err := p.Recent.check(0, recentDays-1, len(p.Skills)); err != nil {
		return fmt.Errorf("recent: %w", err)
	}
	return nil
}

// check holds a sample's days and skills against what there can be.
func (s *Sample) check(from, to int32, skills int) error {
	if len(s.Students) > maxSample || int64(len(s.Students)) > s.Of {
		return fmt.Errorf("a sample of %d students of %d", len(s.Students), s.Of)
	}
	for _, v := range s.Students {
		for _, c := range v.cells {
			if c.day < from || c.day > to || int(c.skill) >= skills {
				return fmt.Errorf("a cell of day %d and skill %d of %d", c.day, c.skill, skills)
			}
		}
	}
	return nil
}
