package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"cohort/coordinator/wire"
)

// mostDrawn is how many stages are drawn and followed one by one; of larger
// graphs only counts are shown.
const mostDrawn = 40

// large reports whether a job has too many stages to follow one by one.
func large(j wire.JobView) bool { return len(j.Stages)+j.LeftOut > mostDrawn }

// drawGraph draws stages from left to right, each behind the last of those it
// waits for; what else a stage waits for stands in brackets:
//
//	extract ─ validate ─┬ features
//	                    └ shard ─ train ─ evaluate
func drawGraph(stages []wire.StageView) []string {
	d := drawing{next: map[string][]wire.StageView{}}
	known := map[string]bool{}
	for _, s := range stages {
		parent := ""
		for _, a := range s.After {
			if known[a] {
				parent = a
			}
		}
		known[s.Name] = true
		d.next[parent] = append(d.next[parent], s)
	}
	for _, root := range d.next[""] {
		d.lines = append(d.lines, "")
		d.draw(root, "")
	}
	return d.lines
}

type drawing struct {
	next  map[string][]wire.StageView
	lines []string
}

// draw adds a stage to the last line, and what waits for it behind and below.
func (d *drawing) draw(s wire.StageView, indent string) {
	d.lines[len(d.lines)-1] += label(s)
	below := indent + strings.Repeat(" ", utf8.RuneCountInString(label(s)))
	next := d.next[s.Name]
	if len(next) == 1 {
		d.lines[len(d.lines)-1] += " ─ "
		d.draw(next[0], below+"   ")
		return
	}
	for k, n := range next {
		switch {
		case k == 0:
			d.lines[len(d.lines)-1] += " ─┬ "
		case k == len(next)-1:
			d.lines = append(d.lines, below+"  └ ")
		default:
			d.lines = append(d.lines, below+"  ├ ")
		}
		if k == len(next)-1 {
			d.draw(n, below+"    ")
		} else {
			d.draw(n, below+"  │ ")
		}
	}
}

func label(s wire.StageView) string {
	if len(s.After) < 2 {
		return s.Name
	}
	return s.Name + " (" + strings.Join(s.After, ", ") + ")"
}

// counts are how many stages of a large graph stand where.
func counts(j wire.JobView) string {
	var parts []string
	for _, status := range []wire.Status{wire.Failed, wire.Running, wire.Pending, wire.Done, wire.Stopped} {
		if n := j.Counts[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", grouped(int64(n)), status))
		}
	}
	return "stages: " + strings.Join(parts, ", ")
}
