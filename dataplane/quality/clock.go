package quality

import (
	"fmt"
	"time"
)

// Clock says whether event times are a clock's, or numbers that only order a
// student's answers.
type Clock struct {
	Is  bool   `json:"is"`
	Why string `json:"why"`
}

// The two ways to look at event times.
const (
	asOrder = iota
	asClock
)

// clockCount counts times that could be a clock's. A log's times are nearly all
// of the one kind or the other, so that more than half decides: one damaged
// time, or a tenth of them, does not make an order of a clock.
type clockCount struct {
	all, within int64
	milli, kilo int64 // within, if the unit were a thousandth, or a thousand times as much
}

func (c *clockCount) add(l limits, t int64) {
	c.all++
	switch {
	case l.within(t):
		c.within++
	case l.within(t / 1000):
		c.milli++
	case t > 0 && t <= l.late/1000 && l.within(t*1000):
		c.kilo++
	}
}

// within reports whether t could be a clock's.
func (l limits) within(t int64) bool { return t >= l.early && t <= l.late }

func (c *clockCount) decide(l limits) Clock {
	to := date(l.late)
	if c.all == 0 {
		return Clock{Why: "there are no events"}
	}
	if 2*c.within > c.all {
		return Clock{true, fmt.Sprintf("%s of %s event times lie between 1990 and %s", number(c.within), number(c.all), to)}
	}
	why := fmt.Sprintf("event times only give an order: %s of %s lie between 1990 and %s", number(c.within), number(c.all), to)
	switch {
	case 2*c.milli > c.all:
		why += "; they would with a time unit a thousand times as fine (data.columns.time_unit)"
	case 2*c.kilo > c.all:
		why += "; they would with a time unit a thousand times as coarse (data.columns.time_unit)"
	}
	return Clock{Why: why}
}

func date(micro int64) string { return time.UnixMicro(micro).UTC().Format(time.DateOnly) }

func moment(micro int64) string {
	return time.UnixMicro(micro).UTC().Format("2006-01-02 15:04:05Z")
}
