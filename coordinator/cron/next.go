package cron

import "time"

// Next is the first firing after a time, or 0 when there is none.
//
// A line whose hours are fixed goes by the wall clock: a time that the clock
// jumps over fires at the end of the jump, one that it shows twice fires at the
// first. A line whose hour field begins with * goes by time as it passes: it
// fires whenever the clock shows a time that matches.
func (l Line) Next(after int64) int64 {
	if l.fields == nil {
		return 0
	}
	from := time.UnixMilli(after).In(l.zone)
	var next time.Time
	if l.wall {
		next = l.nextByWall(from)
	} else {
		next = l.nextByTime(from)
	}
	if next.IsZero() {
		return 0
	}
	return next.UnixMilli()
}

// wall is what the clock shows at t, as a time in UTC.
func wall(t time.Time) time.Time {
	_, offset := t.Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

func (l Line) nextByWall(after time.Time) time.Time {
	for w := l.fields.Next(wall(after)); !w.IsZero(); w = l.fields.Next(w) {
		if t := l.first(w); t.After(after) {
			return t
		}
	}
	return time.Time{}
}

// first is the first instant at which the clock shows w or has jumped over it.
func (l Line) first(w time.Time) time.Time {
	const mostAhead = 30 * time.Hour // no zone is so far from UTC
	t := w.Add(-mostAhead).In(l.zone)
	for {
		start, end := t.ZoneBounds()
		_, offset := t.Zone()
		at := w.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || at.Before(end) {
			if at.Before(start) {
				return start
			}
			return at
		}
		t = end
	}
}

// nextByTime looks for a match within each stretch of time between two changes
// of the clock: there the clock runs evenly.
func (l Line) nextByTime(t time.Time) time.Time {
	from := wall(t)
	for {
		_, end := t.ZoneBounds()
		_, offset := t.Zone()
		w := l.fields.Next(from)
		if w.IsZero() {
			return w
		}
		at := w.Add(-time.Duration(offset) * time.Second)
		if end.IsZero() || at.Before(end) {
			return at
		}
		t = end
		from = wall(end).Add(-time.Second) // the change itself may match
	}
}

// Between lists the firings in [from, to), at most limit of them.
func (l Line) Between(from, to int64, limit int) []int64 {
	var all []int64
	for t := l.Next(from - 1); t != 0 && t < to && len(all) < limit; t = l.Next(t) {
		all = append(all, t)
	}
	return all
}
