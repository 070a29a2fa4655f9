package quality

import (
	"fmt"
	"maps"
	"slices"
)

// gates are what the checks look at.
type gates struct {
	in      Input
	limits  limits
	clock   Clock
	seen    int64 // events, before the quarantine
	rejects *faults
	tally   *tally
	profile *Profile
}

// all runs every gate, in the order that they are told in.
func (g *gates) all() ([]Gate, *Drift) {
	drift, gates := g.drift()
	return append([]Gate{
		g.completeness(), g.nulls(), g.types(), g.duplicates(), g.freshness(), g.skew(), g.minClass(), g.minEvents(),
	}, gates...), drift
}

// noted, off, missing are gates without a verdict.
func noted(name, format string, args ...any) Gate {
	return Gate{Name: name, Status: Noted, Text: name + ": " + fmt.Sprintf(format, args...)}
}

func off(name string) Gate {
	return Gate{Name: name, Status: Off, Text: name + ": no bound is set"}
}

func missing(name, format string, args ...any) Gate {
	return Gate{Name: name, Status: NotApplicable, Text: name + ": not applicable, " + fmt.Sprintf(format, args...)}
}

// least passes when value is not below bound, most when it is not above. A bound
// of 0 is off, and the value is noted.
func least(name string, value, bound float64, format string, args ...any) Gate {
	return judged(name, value, bound, value < bound, "below", "at least", fmt.Sprintf(format, args...))
}

func most(name string, value, bound float64, format string, args ...any) Gate {
	return judged(name, value, bound, value > bound, "above", "at most", fmt.Sprintf(format, args...))
}

func judged(name string, value, bound float64, failed bool, beyond, within, why string) Gate {
	g := Gate{Name: name, Value: &value, Bound: &bound, Status: Passed}
	shown := apart(value, bound)
	switch {
	case bound == 0:
		g.Status, g.Bound = Noted, nil
		g.Text = fmt.Sprintf("%s %s: %s (no bound is set)", name, shown, why)
	case failed:
		g.Status = Failed
		g.Text = fmt.Sprintf("%s %s is %s %s: %s", name, shown, beyond, plain(bound), why)
	default:
		g.Text = fmt.Sprintf("%s %s, %s %s: %s", name, shown, within, plain(bound), why)
	}
	return g
}

// completeness is the share of rows that are whole events, less those events
// whose time or response time cannot be.
func (g *gates) completeness() Gate {
	const name = "completeness"
	c := g.in.Counts
	rows := c.Kept + c.Rejected
	if rows == 0 {
		return missing(name, "there are no rows")
	}
	bad := g.tally.sum(causeElapsed, causeEarly, causeLate, causeSkew)
	// Counts may be of an increment, events of all: shares go together, numbers would not.
	value := float64(share(c.Kept, rows) * (1 - share(bad, g.seen)))
	why := "all " + plural(rows, "row") + " are events"
	if value < 1 {
		why = fmt.Sprintf("%s of %s are no events%s", percent(1-value), plural(rows, "row"), g.mostly())
	}
	gate := least(name, value, g.in.Spec.Completeness, "%s", why)
	if c.Rejected > 0 {
		gate.Lines = append(gate.Lines, fmt.Sprintf("%s of %s rejected by the extraction", number(c.Rejected), plural(rows, "row")))
	}
	for _, q := range []cause{causeElapsed, causeEarly, causeLate, causeSkew} {
		if n := g.tally.causes[q]; n > 0 {
			gate.Lines = append(gate.Lines, fmt.Sprintf("%s quarantined: %s", plural(n, "event"), q))
		}
	}
	for _, d := range c.Dropped {
		gate.Lines = append(gate.Lines, fmt.Sprintf("%s left out by a rule of the job: %s", plural(d.Rows, "row"), d.Reason))
	}
	return gate
}

// mostly names the fault met most.
func (g *gates) mostly() string {
	text, rows := g.rejects.most()
	for c := causeElapsed; c <= causeSkew; c++ {
		if n := g.tally.causes[c]; n > rows {
			text, rows = c.String(), n
		}
	}
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf("; most: %s (%s)", text, number(rows))
}

// types tells which columns the rejects are in. They count against completeness.
func (g *gates) types() Gate {
	const name = "types"
	rows := g.in.Counts.Kept + g.in.Counts.Rejected
	var sum int64
	var lines []string
	for _, column := range slices.Sorted(maps.Keys(g.rejects.wrong)) {
		n := g.rejects.wrong[column]
		sum += n
		shown := "column " + column
		if column == "" {
			shown = "the whole row"
		}
		lines = append(lines, fmt.Sprintf("%s: %s, %s", shown, plural(n, "row"), percent(share(n, rows))))
	}
	for _, c := range []cause{causeElapsed, causeEarly, causeLate} {
		if n := g.tally.causes[c]; n > 0 {
			sum += n
			lines = append(lines, fmt.Sprintf("%s: %s, %s", c, plural(n, "event"), percent(share(n, g.seen))))
		}
	}
	if sum == 0 {
		if g.seen == 0 {
			return missing(name, "there are no events")
		}
		return Gate{Name: name, Status: Passed, Text: name + ": every value read is of its type and in range"}
	}
	gate := noted(name, "%s not of their type or out of range; they count against completeness", plural(sum, "value"))
	gate.Lines = lines
	return gate
}

// duplicates is the share of events that repeat another.
func (g *gates) duplicates() Gate {
	const name = "duplicates"
	byID := g.tally.events - g.tally.empty[optID] + g.tally.causes[causeID]
	if g.seen == 0 {
		return missing(name, "there are no events")
	}
	if byID == 0 && !g.clock.Is {
		return missing(name, "events have no ids, and times are no clock that would tell two equal answers from one sent twice")
	}
	n := g.tally.sum(causeID, causeRow)
	how := "events of one student with equal id, item and skill"
	if byID == 0 {
		how = "equal rows of one student at one time, for want of ids"
	}
	return most(name, share(n, g.seen), g.in.Spec.Duplicates, "%s of %s quarantined (%s)", number(n), plural(g.seen, "event"), how)
}

// minClass is the share of the rarer answer.
func (g *gates) minClass() Gate {
	const name = "min_class"
	t := g.tally
	if t.events == 0 {
		return missing(name, "there are no events")
	}
	rarer, what := t.right, "right"
	if 2*t.right > t.events {
		rarer, what = t.events-t.right, "wrong"
	}
	return least(name, share(rarer, t.events), g.in.Spec.MinClass, "%s of %s %s", number(rarer), plural(t.events, "answer"), verb(rarer)+" "+what)
}

func verb(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// minEvents wants one event at least: nothing can be learnt from none.
func (g *gates) minEvents() Gate {
	const name = "min_events"
	bound := max(g.in.Spec.MinEvents, 1)
	v, b := float64(g.tally.events), float64(bound)
	gate := Gate{Name: name, Status: Passed, Value: &v, Bound: &b}
	gate.Text = fmt.Sprintf("%s: %s of %s, at least %s", name, plural(g.tally.events, "event"), plural(g.tally.students, "student"), number(bound))
	if g.tally.events < bound {
		gate.Status = Failed
		gate.Text = fmt.Sprintf("%s %s is below %s", name, number(g.tally.events), number(bound))
	}
	return gate
}
