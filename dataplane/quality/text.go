package quality

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// width is a terminal's.
const width = 80

// WriteText writes a report for a person, in lines of at most 80 characters,
// longer words apart.
func (r *Report) WriteText(w io.Writer) error {
	p := &page{w: bufio.NewWriter(w)}
	verdict := "passed"
	if !r.OK {
		verdict = "failed"
	}
	p.line("", "", fmt.Sprintf("%s, validated for %s: %s", r.Name, moment(r.At*millisecond), verdict))
	p.line("  ", "  ", fmt.Sprintf("%s read, %s kept, %s quarantined", plural(r.Rows.Rows, "row"), plural(r.Events, "event"), number(r.QuarantinedEvents())))
	p.line("  ", "  ", fmt.Sprintf("%s, %s, %s of the answers right", plural(r.Students, "student"), plural(r.Skills, "skill"), percent(share(r.Right, r.Events))))
	p.line("  ", "  ", "times: "+r.Clock.Why)
	for _, g := range r.Gates {
		p.line(fmt.Sprintf("  %-6s ", g.Status.mark()), "         ", g.Text)
		for _, l := range g.Lines {
			p.line("           ", "             ", l)
		}
	}
	if d := r.Drift; d != nil && d.Compared != "" {
		p.line("  ", "    ", fmt.Sprintf("drift compares %s; bounds by %d bootstrap samples of students, seed %d", d.Compared, d.Replicates, d.Seed))
	}
	if err := p.w.Flush(); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// mark is a status in at most six characters.
func (s Status) mark() string {
	switch s {
	case Passed:
		return "ok"
	case Failed:
		return "FAILED"
	case Noted:
		return "note"
	case Off:
		return "off"
	case NotApplicable:
	}
	return "n/a"
}

// page breaks lines. A failed write shows in Flush.
type page struct{ w *bufio.Writer }

// line writes text with indents for its first and further lines.
func (p *page) line(first, next, text string) {
	out, empty := first, true
	for word := range strings.FieldsSeq(strings.Map(printable, text)) {
		if !empty && utf8.RuneCountInString(out)+1+utf8.RuneCountInString(word) > width {
			p.put(out)
			out, empty = next, true
		}
		if !empty {
			out += " "
		}
		out += word
		empty = false
	}
	p.put(out)
}

func (p *page) put(s string) {
	_, _ = p.w.WriteString(strings.TrimRight(s, " ")) // Flush tells
	_ = p.w.WriteByte('\n')
}

// printable keeps what a column's or skill's name may hold from moving the cursor.
func printable(r rune) rune {
	if unicode.IsControl(r) {
		return ' '
	}
	return r
}
