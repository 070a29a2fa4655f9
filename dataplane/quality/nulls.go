package quality

import (
	"fmt"
	"strings"
)

// nullCount is a mapped column's empty values.
type nullCount struct {
	column   string
	empty    int64
	of       int64
	absent   bool // optional, and without any value
	optional bool
}

// share of empty values.
func (n nullCount) share() float64 { return share(n.empty, n.of) }

// columns counts the empty values of each mapped column: of those that an event
// needs, among the rows read (rows without a skill are left out by the
// extraction, and count here); of optional ones, among the events.
func (g *gates) columns() []nullCount {
	c := g.in.Columns
	rows := g.in.Counts.Kept + g.in.Counts.Rejected
	unskilled := int64(0)
	for _, d := range g.in.Counts.Dropped {
		if d.Reason == c.Skill+" is empty" {
			unskilled += d.Rows
		}
	}
	var all []nullCount
	for _, n := range []nullCount{
		{column: c.Student, of: rows},
		{column: c.Skill, empty: unskilled, of: rows + unskilled},
		{column: c.Correct.Column, of: rows},
		{column: c.Time, of: rows},
	} {
		n.empty += g.rejects.empty[n.column]
		all = append(all, n)
	}
	for k, column := range [numOptional]string{optItem: c.Item, optID: c.ID, optElapsed: c.Elapsed} {
		n := nullCount{column: column, empty: g.tally.empty[k], of: g.tally.events, optional: true}
		n.absent = n.empty == n.of
		if column != "" {
			all = append(all, n)
		}
	}
	return all
}

// nulls bounds the worst column.
func (g *gates) nulls() Gate {
	const name = "nulls"
	var worst nullCount
	var lines, absent []string
	any := false
	for _, n := range g.columns() {
		if n.absent && n.optional {
			absent = append(absent, n.column)
			continue
		}
		if n.of == 0 {
			continue
		}
		if !any || n.share() > worst.share() {
			worst = n
		}
		any = true
		if n.empty > 0 {
			lines = append(lines, fmt.Sprintf("column %s: %s of %s empty, %s", n.column, number(n.empty), number(n.of), percent(n.share())))
		}
	}
	if len(absent) > 0 {
		lines = append(lines, "not applicable to "+strings.Join(absent, ", ")+": no event has a value there")
	}
	if !any {
		return missing(name, "there are no rows")
	}
	why := "no column has empty values"
	if worst.empty > 0 {
		why = fmt.Sprintf("column %s is empty in %s of %s", worst.column, number(worst.empty), plural(worst.of, "row"))
	}
	gate := most(name, worst.share(), g.in.Spec.Nulls, "%s", why)
	gate.Lines = lines
	return gate
}
