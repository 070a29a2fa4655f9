package quality

import (
	"fmt"

	"cohort/dataplane"
	"cohort/dataplane/lake"
)

// cause is why an event is quarantined.
type cause uint8

const (
	causeNone    cause = iota
	causeElapsed       // response time out of range
	causeEarly         // before a clock's time could be
	causeLate          // after
	causeSkew          // later than the run, by more than skew
	causeID            // an event of the same id, item and skill went before
	causeRow           // the same row went before
	numCauses
)

func (c cause) String() string {
	return [numCauses]string{
		"kept", "response time out of range", "time before 1990", "time more than ten years after the run",
		"time later than the run by more than the skew allowed", "repeats an event of the same id", "repeats the row before it",
	}[c]
}

// judge finds the events to quarantine, for both ways to look at times.
type judge struct {
	limits limits
	prev   [2]dataplane.Event // the last one kept, by way
	any    [2]bool            // there is one, of this student
	ids    map[idKey]uint8    // of this student: bit 1<<way, kept
}

type idKey struct{ id, item, skill string }

func newJudge(l limits) *judge { return &judge{limits: l, ids: map[idKey]uint8{}} }

// causes judges an event by way; first says that its student is another one.
func (j *judge) causes(first bool, e *dataplane.Event) (out [2]cause) {
	if first {
		j.any = [2]bool{}
		clear(j.ids)
	}
	var before uint8
	key := idKey{e.ID, e.Item, e.Skill}
	if e.ID != "" {
		before = j.ids[key]
	}
	kept := before
	for way := range out {
		out[way] = j.limits.cause(way, e)
		switch {
		case out[way] != causeNone:
		case before&(1<<way) != 0:
			out[way] = causeID
		case way == asClock && e.ID == "" && j.any[way] && sameRow(&j.prev[way], e):
			out[way] = causeRow
		default:
			kept |= 1 << way
			j.prev[way], j.any[way] = *e, true
		}
	}
	if e.ID != "" && kept != before {
		j.ids[key] = kept
	}
	return out
}

// cause judges an event by itself.
func (l limits) cause(way int, e *dataplane.Event) cause {
	switch {
	case e.Elapsed < 0 || e.Elapsed > dataplane.MaxElapsed:
		return causeElapsed
	case way != asClock:
		return causeNone
	case e.Time < l.early:
		return causeEarly
	case l.skew > 0 && e.Time > l.at+l.skew && e.Time <= l.late:
		return causeSkew
	case e.Time > l.late:
		return causeLate
	}
	return causeNone
}

// sameRow compares rows without ids. In canonical order equal ones are
// neighbours. Under a clock two equal answers at one moment are one answer sent
// twice; where times are an order, one number may well stand for several.
func sameRow(a, b *dataplane.Event) bool {
	return a.Time == b.Time && a.ID == "" && a.Item == b.Item && a.Skill == b.Skill && a.Correct == b.Correct
}

// A Filter parts a dataset's events once more, as its Check did. It is for one
// goroutine.
type Filter struct {
	judge *judge
	way   int
	last  string
}

// Filter returns a filter for the events that the check has seen. It is of use
// when the report has something quarantined; the dataset is clean as it is
// otherwise.
func (c *Check) Filter() *Filter {
	f := &Filter{judge: newJudge(c.limits), way: asOrder}
	if c.clock.decide(c.limits).Is {
		f.way = asClock
	}
	return f
}

// Event reports whether an event is kept, and why not. Events come in the order
// of the check.
func (f *Filter) Event(e dataplane.Event) (keep bool, why lake.Reject) {
	first := f.last == "" || e.Student != f.last
	f.last = e.Student
	cause := f.judge.causes(first, &e)[f.way]
	if cause == causeNone {
		return true, lake.Reject{}
	}
	return false, f.reject(&e, cause)
}

// reject names an event by its id or time, never by its student.
func (f *Filter) reject(e *dataplane.Event, c cause) lake.Reject {
	r := lake.Reject{At: "event " + e.ID, Column: "time", Reason: c.String()}
	if e.ID == "" {
		r.At = "an event without id, at " + f.moment(e.Time)
	}
	switch c {
	case causeElapsed:
		r.Column, r.Reason = "elapsed", fmt.Sprintf("a response time of %d ms", e.Elapsed)
	case causeEarly, causeLate:
		r.Reason = fmt.Sprintf("%s is no time of a log that is extracted on %s", f.moment(e.Time), date(f.judge.limits.at))
	case causeSkew:
		r.Reason = fmt.Sprintf("%s is %s later than the run, at %s", f.moment(e.Time), span(e.Time-f.judge.limits.at), f.moment(f.judge.limits.at))
	case causeID:
		r.Column = "id"
	case causeRow:
		r.Column = ""
	default:
	}
	return r
}

func (f *Filter) moment(t int64) string {
	if f.way == asClock {
		return moment(t)
	}
	return fmt.Sprintf("order %d", t)
}
