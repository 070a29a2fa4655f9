package quality

import (
	"fmt"
	"strings"
)

// drift compares with the last accepted dataset. Its two gates, of answers and
// of who gives which, share one rate of false alarms.
func (g *gates) drift() (*Drift, []Gate) {
	names := [...]string{gateRate, gatePopulation}
	whole := func(make func(name string) Gate) (gates []Gate) {
		for _, n := range names {
			gates = append(gates, make("drift."+n))
		}
		return gates
	}
	switch {
	case !g.in.Spec.Drift:
		return nil, whole(func(n string) Gate { return Gate{Name: n, Status: Off, Text: n + ": off"} })
	case g.in.Reference == nil:
		return nil, whole(func(n string) Gate { return missing(n, "no dataset has been accepted before") })
	}
	d := Compare(g.in.Reference, g.profile)
	if d.Why != "" {
		return d, whole(func(n string) Gate { return missing(n, "%s", d.Why) })
	}
	var gates []Gate
	for _, n := range names {
		gates = append(gates, d.gate(n))
	}
	return d, gates
}

// gate judges the statistics of a gate. The one told is the farthest beyond its
// bound, or the nearest to it.
func (d *Drift) gate(of string) Gate {
	var told *Statistic
	gate := Gate{Name: "drift." + of, Status: Passed}
	for k := range d.Statistics {
		s := &d.Statistics[k]
		if s.Gate != of {
			continue
		}
		gate.Lines = append(gate.Lines, s.line())
		if s.Why != "" {
			continue
		}
		if s.Alarm {
			gate.Status = Failed
		}
		if told == nil || float64(s.Value*told.Bound) > float64(told.Value*s.Bound) {
			told = s
		}
	}
	gate.Value, gate.Bound = &told.Value, &told.Bound
	why := d.change(of)
	if gate.Status == Failed {
		gate.Text = fmt.Sprintf("%s: %s %s is above %s: %s", gate.Name, told.Name, apart(told.Value, told.Bound), apart(told.Bound, told.Value), why)
	} else {
		gate.Text = fmt.Sprintf("%s: within what chance gives: %s", gate.Name, why)
	}
	return gate
}

func (s *Statistic) line() string {
	if s.Why != "" {
		return fmt.Sprintf("%s %.4f, not tested: %s", s.Name, s.Value, s.Why)
	}
	line := fmt.Sprintf("%s %s, at most %s", s.Name, apart(s.Value, s.Bound), apart(s.Bound, s.Value))
	if s.Alarm {
		line += ": alarm"
	}
	return line
}

// change says what moved, for a person.
func (d *Drift) change(of string) string {
	if of == gateRate {
		return fmt.Sprintf("the share right went from %s to %s (%d and %s)",
			percent(d.Accepted.AnswerRate), percent(d.Candidate.AnswerRate), d.Accepted.Students, plural(d.Candidate.Students, "student"))
	}
	text := fmt.Sprintf("from %.1f answers a student to %.1f", d.Accepted.perStudent(), d.Candidate.perStudent())
	var skills []string
	for _, m := range d.Moved[:min(len(d.Moved), 2)] {
		skills = append(skills, fmt.Sprintf("%q from %s to %s", short(m.Skill), percent(m.Accepted[0]), percent(m.Now[0])))
	}
	if len(skills) > 0 {
		text += ", of which skill " + strings.Join(skills, ", skill ")
	}
	return text
}

func (s Side) perStudent() float64 { return share(s.Answers, int64(s.Students)) }

// short bounds a name in a line.
func short(name string) string {
	const most = 40
	r := []rune(name)
	if len(r) <= most {
		return name
	}
	return string(r[:most-1]) + "…"
}
