// Package quality says whether a dataset is fit to learn from: completeness,
// nulls, ranges, duplicates, freshness, balance of the answers, and drift
// against the last accepted dataset. It reads no clock and does no I/O: events
// in, a report and a profile out, the same on every machine.
package quality

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
)

// Input is what a dataset is checked by.
type Input struct {
	Name      string // of the pipeline
	At        int64  // the time that the run is for, Unix milliseconds
	Spec      wire.ValidateSpec
	Columns   wire.Columns // as extracted: which are mapped, and their names
	Counts    Counts       // of the extraction
	Reference *Profile     // of the last accepted dataset; nil: none
}

// Counts are an extraction's rows.
type Counts struct {
	Rows     int64  `json:"rows"`
	Kept     int64  `json:"kept"`
	Rejected int64  `json:"rejected"` // no events
	Dropped  []Drop `json:"dropped"`  // by a rule of the job's
}

// Drop counts rows left out by a rule.
type Drop struct {
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
}

// ErrOrder says that a student's events did not come in canonical order.
var ErrOrder = errors.New("events are not in canonical order")

// A Check takes the rejects of an extraction, in any order, and then its events,
// each student's one after another in canonical order. It is for one goroutine.
type Check struct {
	in      Input
	limits  limits
	rejects faults
	skills  names
	judge   *judge
	clock   clockCount
	// Whether times are a clock is known after the last event only, so both are
	// counted: what the events are if they are, and what if they are not.
	tally [2]*tally
	last  dataplane.Event
	seen  int64
}

// New checks by in.
func New(in Input) (*Check, error) {
	l, err := newLimits(in.At, in.Spec)
	if err != nil {
		return nil, err
	}
	c := &Check{in: in, limits: l, rejects: newFaults(), judge: newJudge(l)}
	for as := range c.tally {
		c.tally[as] = newTally(l, as == asClock)
	}
	return c, nil
}

// Reject takes a row that is no event.
func (c *Check) Reject(r lake.Reject) { c.rejects.add(r) }

// Event takes an event.
func (c *Check) Event(e dataplane.Event) error {
	first := c.seen == 0 || e.Student != c.last.Student
	if !first && e.Time < c.last.Time {
		return fmt.Errorf("%w: event %d", ErrOrder, c.seen)
	}
	c.last = e
	c.seen++
	c.clock.add(c.limits, e.Time)
	skill := c.skills.number(e.Skill)
	for as, cause := range c.judge.causes(first, &e) {
		c.tally[as].add(first, &e, skill, cause)
	}
	return nil
}

// Finish gives the report, and the profile that later datasets are compared
// with once this one is accepted.
func (c *Check) Finish() (*Report, *Profile) {
	clock := c.clock.decide(c.limits)
	as := asOrder
	if clock.Is {
		as = asClock
	}
	t := c.tally[as]
	p := t.profile(c.in.At, clock.Is, c.skills.texts)
	r := &Report{
		Version: reportVersion, Name: c.in.Name, At: c.in.At, Rows: c.in.Counts, Clock: clock,
		Events: t.events, Students: t.students, Skills: len(p.Skills), Right: t.right, Quarantined: t.quarantined(),
	}
	g := gates{in: c.in, limits: c.limits, clock: clock, seen: c.seen, rejects: &c.rejects, tally: t, profile: p}
	r.Gates, r.Drift = g.all()
	r.conclude()
	return r, p
}

// limits are a specification's, in an event's units.
type limits struct {
	at          int64 // microseconds, as all times here
	early, late int64 // a clock's times lie in [early, late]
	skew        int64 // 0: off
	fresh       int64 // 0: off
}

const (
	millisecond = 1000 // microseconds
	day         = 24 * 3600 * 1000 * millisecond
	// earliest is 1990-01-01: no log of a learning system is older.
	earliest = 631_152_000 * 1000 * millisecond
	// ahead is how far after the run a clock's time may lie: ten years.
	ahead = 3653 * day
	// latest bounds the time of a run, Unix milliseconds: the year 9999.
	latest = 253_402_300_800_000
)

func newLimits(at int64, s wire.ValidateSpec) (limits, error) {
	if at < 0 || at > latest {
		return limits{}, fmt.Errorf("validate: the run's time %d is no Unix time in milliseconds", at)
	}
	l := limits{at: at * millisecond, early: earliest, late: at*millisecond + ahead}
	for _, d := range []struct {
		key, text string
		to        *int64
	}{{"skew", s.Skew, &l.skew}, {"freshness", s.Freshness, &l.fresh}} {
		if d.text == "" {
			continue
		}
		v, err := time.ParseDuration(d.text)
		if err != nil || v <= 0 {
			return limits{}, fmt.Errorf("validate.%s: %q is no duration such as 90m or 48h", d.key, d.text)
		}
		*d.to = max(v.Microseconds(), 1)
	}
	return l, nil
}

// names numbers texts in the order that they come in.
type names struct {
	numbers map[string]uint32
	texts   []string
}

func (n *names) number(text string) uint32 {
	if k, ok := n.numbers[text]; ok {
		return k
	}
	if n.numbers == nil {
		n.numbers = map[string]uint32{}
	}
	text = strings.Clone(text) // it may be a piece of something large
	k := uint32(len(n.texts))
	n.numbers[text] = k
	n.texts = append(n.texts, text)
	return k
}
