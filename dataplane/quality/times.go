package quality

import "fmt"

// freshness is the age of the newest event at the time of the run.
func (g *gates) freshness() Gate {
	const name = "freshness"
	switch {
	case g.limits.fresh == 0 && !g.clock.Is:
		return off(name)
	case !g.clock.Is:
		return missing(name, "%s", g.clock.Why)
	case g.tally.events == 0:
		return missing(name, "there are no events")
	}
	age := max(g.limits.at-g.tally.last, 0)
	value, bound := hours(age), hours(g.limits.fresh)
	told := fmt.Sprintf("the newest event, of %s, is %s old", moment(g.tally.last), span(age))
	gate := Gate{Name: name, Status: Passed, Value: &value, Bound: &bound}
	switch {
	case g.limits.fresh == 0:
		gate.Status, gate.Bound = Off, nil
		gate.Text = fmt.Sprintf("%s: %s (no bound is set)", name, told)
	case age > g.limits.fresh:
		gate.Status = Failed
		gate.Text = fmt.Sprintf("%s %s is above %s: %s at %s", name, span(age), span(g.limits.fresh), told, moment(g.limits.at))
	default:
		gate.Text = fmt.Sprintf("%s %s, at most %s: %s", name, span(age), span(g.limits.fresh), told)
	}
	return gate
}

// hours is the unit of a gate's values of time.
func hours(micro int64) float64 { return round4(float64(micro) / (3600 * 1000 * millisecond)) }

// skew tells of events later than the run. They are quarantined, and count
// against completeness.
func (g *gates) skew() Gate {
	const name = "skew"
	n := g.tally.sum(causeSkew, causeLate)
	switch {
	case g.limits.skew == 0 && n == 0:
		return off(name)
	case !g.clock.Is:
		return missing(name, "%s", g.clock.Why)
	case n == 0:
		return Gate{Name: name, Status: Passed, Text: fmt.Sprintf("%s: no event is more than %s later than the run", name, span(g.limits.skew))}
	}
	value := hours(g.tally.farthest - g.limits.at)
	gate := noted(name, "%s later than the run, by up to %s: quarantined, and counted against completeness",
		plural(n, "event"), span(g.tally.farthest-g.limits.at))
	gate.Value = &value
	return gate
}
