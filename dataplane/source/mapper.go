package source

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"cohort/coordinator/wire"
	"cohort/dataplane"
)

// A Field is one of the values that an event is made of.
type Field int

// The fields. An optional one may have no column, and an empty value.
const (
	FieldStudent Field = iota
	FieldItem          // optional
	FieldSkill
	FieldCorrect
	FieldTime
	FieldID      // optional
	FieldElapsed // optional
	NumFields
)

// Values are a row's, as text, by Field. A source of other types writes whole
// numbers in decimal, times as RFC 3339 in UTC, and truth as true or false, so
// that the same row gives the same event wherever it stands.
type Values [NumFields]string

// A Fault says what is wrong with a row.
type Fault struct {
	Column string // may be empty: the whole row
	Text   string
}

// A Mapper makes masked events of rows. It is for one goroutine.
type Mapper struct {
	names  [NumFields]string
	c      wire.Columns
	mask   *Masker
	bounds Bounds
}

// Bounds are of event time, microseconds: From ≤ time < To. Zero is open.
type Bounds struct{ From, To int64 }

// NewMapper maps by c and masks by mask; events outside bounds are left out.
func NewMapper(c wire.Columns, mask *Masker, bounds Bounds) *Mapper {
	return &Mapper{
		names: [NumFields]string{
			FieldStudent: c.Student, FieldItem: c.Item, FieldSkill: c.Skill, FieldCorrect: c.Correct.Column,
			FieldTime: c.Time, FieldID: c.ID, FieldElapsed: c.Elapsed,
		},
		c: c, mask: mask, bounds: bounds,
	}
}

// Names are the columns by Field; an empty one is not mapped.
func (m *Mapper) Names() [NumFields]string { return m.names }

// fieldKeys are the keys of data.columns by Field.
func fieldKeys() [NumFields]string {
	return [NumFields]string{
		"columns.student", "columns.item", "columns.skill", "columns.correct", "columns.time", "columns.id", "columns.elapsed",
	}
}

func (m *Mapper) fault(f Field, format string, args ...any) *Fault {
	return &Fault{m.names[f], fmt.Sprintf(format, args...)}
}

// Event makes an event of a row; the texts of v are not kept. A row that is to
// be left out has a reason, one that is no event a fault.
func (m *Mapper) Event(v *Values) (e dataplane.Event, left string, fault *Fault) {
	for f := range v {
		v[f] = strings.TrimSpace(v[f])
		if !utf8.ValidString(v[f]) {
			return e, "", m.fault(Field(f), "the text is not UTF-8")
		}
	}
	if v[FieldStudent] == "" {
		return e, "", m.fault(FieldStudent, "the student is empty")
	}
	if slices.Contains(m.c.Correct.Drop, v[FieldCorrect]) {
		return e, m.names[FieldCorrect] + " is " + v[FieldCorrect], nil
	}
	if v[FieldSkill] == "" {
		return e, m.names[FieldSkill] + " is empty", nil
	}
	if e.Correct, fault = m.answer(v[FieldCorrect]); fault != nil {
		return e, "", fault
	}
	at, ok := parseTime(v[FieldTime], m.c.TimeUnit)
	if !ok {
		return e, "", m.fault(FieldTime, "%q is no time: want a number, or 2006-01-02 15:04:05", v[FieldTime])
	}
	if b := m.bounds; at < b.From && b.From != 0 || at >= b.To && b.To != 0 {
		return e, m.names[FieldTime] + " is outside from and to", nil
	}
	if e.Elapsed, ok = parseElapsed(v[FieldElapsed], m.c.ElapsedUnit); !ok {
		return e, "", m.fault(FieldElapsed, "%q is no response time", v[FieldElapsed])
	}
	e.Student, e.Time = m.mask.Mask(v[FieldStudent]), at
	e.Skill, e.Item, e.ID = strings.Clone(v[FieldSkill]), strings.Clone(v[FieldItem]), strings.Clone(v[FieldID])
	return e, "", nil
}

// answer reads a value that says right or wrong.
func (m *Mapper) answer(s string) (bool, *Fault) {
	c := m.c.Correct
	right, wrong := c.Right, c.Wrong
	if right == "" && wrong == "" {
		switch s {
		case "1", "true":
			return true, nil
		case "0", "false":
			return false, nil
		}
		right, wrong = "1", "0"
	}
	switch s {
	case right:
		return true, nil
	case wrong:
		return false, nil
	}
	return false, m.fault(FieldCorrect, "%q is neither %q (right) nor %q (wrong)", clip(s), right, wrong)
}

// clip bounds what of a value is repeated in a message.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// parseElapsed reads a response time in milliseconds or, by unit, seconds, to
// whole milliseconds; an empty one is unknown, as are those that no sound clock
// gives: negative ones and those of more than MaxElapsed.
func parseElapsed(s, unit string) (int64, bool) {
	if s == "" || strings.EqualFold(s, "null") || strings.EqualFold(s, "nan") {
		return 0, true
	}
	if whole, part, ok := strings.Cut(s, "."); ok && len(part) > 6 {
		s = whole + "." + part[:6] // finer than is kept
	}
	v, ok := parseMicro(s)
	if !ok {
		return 0, false
	}
	if v /= micro / 1000; unit != "s" {
		v /= 1000
	}
	if v < 0 || v > dataplane.MaxElapsed {
		return 0, true
	}
	return v, true
}
