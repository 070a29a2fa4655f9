// Package feature makes features of answers: how a student behaves, what he did
// on each skill, how hard an item is. It is pure and its arithmetic is exactly
// reproducible: the same events give the same bits on any machine. See DESIGN.md.
package feature

import (
	"fmt"
	"slices"

	"cohort/dataplane"
)

// Version is of what the features are and how they are computed: raised when the
// same events would give other bits.
const Version = 1

// The tables of a feature set.
const (
	Users  = "users"  // a row a student
	Skills = "skills" // a row a student and skill
	Items  = "items"  // a row an item
)

// Settings say what a student's features are made of.
type Settings struct {
	Recent int   // answers that "recent" looks back
	Gap    int64 // microseconds: a longer pause ends a session
	Clock  bool  // times are a clock's; else they only order a student's answers
}

// DefaultRecent and DefaultGap stand in for zero values of a specification.
const (
	DefaultRecent = 10
	DefaultGap    = 30 * 60 * second
)

// Validate names a setting that is out of range.
func (s Settings) Validate() error {
	if s.Recent < 1 || s.Recent > maxRecent {
		return fmt.Errorf("recent is %d answers, want 1 to %d", s.Recent, maxRecent)
	}
	if s.Gap < 1 {
		return fmt.Errorf("gap is %d µs, want more than 0", s.Gap)
	}
	return nil
}

const (
	maxRecent = 1 << 16
	second    = 1_000_000 // of microseconds
	day       = 24 * 60 * 60 * second
)

// clockFrom is 1990-01-01: a log's clock shows later times, a number that only
// orders answers, read as seconds or as microseconds, seldom does.
const clockFrom = 7305 * day

// Clock counts times to tell a clock from a mere order.
type Clock struct{ clock, all int64 }

// Add notes an event's time, microseconds.
func (c *Clock) Add(time int64) {
	c.all++
	if time >= clockFrom {
		c.clock++
	}
}

// Seen is the number of times noted.
func (c *Clock) Seen() int64 { return c.all }

// IsClock reports whether most times are of 1990 or later.
func (c *Clock) IsClock() bool { return c.all > 0 && 2*c.clock > c.all }

// An answer is a run of rows: the same item, the same correctness, and each row
// a skill that the run has not, as the shards of multi_skill "combine" have it.
type answer struct {
	item    string
	correct bool
	skills  []string
}

// joins reports whether e is one more skill of the answer.
func (a *answer) joins(e *dataplane.Event) bool {
	return len(a.skills) > 0 && e.Item != "" && a.item == e.Item && a.correct == e.Correct && !slices.Contains(a.skills, e.Skill)
}

// begin makes a the answer of e.
func (a *answer) begin(e *dataplane.Event) {
	a.item, a.correct, a.skills = e.Item, e.Correct, append(a.skills[:0], e.Skill)
}
