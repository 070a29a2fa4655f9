package source

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
)

// CSVOptions say how a CSV file is read.
type CSVOptions struct {
	File    string // for errors
	Columns wire.Columns
	Mask    *Masker
}

// events is a table of answers, with the places of its columns; −1 is none.
type events struct {
	*table
	o                                      CSVOptions
	student, item, skill, right, when, tie int
}

// ReadCSV reads answers, masks their students and hands them to emit. Rows
// without a skill, and those whose answer is to be dropped, are counted and
// left out; anything else that does not fit is an *InputError.
func ReadCSV(ctx context.Context, r io.Reader, o CSVOptions, emit func(dataplane.Event) error) (stats Stats, err error) {
	t, err := openTable(ctx, r, o.File)
	if err != nil {
		return stats, err
	}
	e := &events{table: t, o: o}
	if err := e.place(); err != nil {
		return stats, err
	}
	for {
		record, err := t.next()
		if errors.Is(err, io.EOF) {
			return stats, nil
		}
		if err != nil {
			return stats, err
		}
		stats.Rows++
		event, reason, err := e.event(record)
		if err != nil {
			return stats, err
		}
		if reason != "" {
			stats.drop(reason)
			continue
		}
		stats.Kept++
		if err := emit(event); err != nil {
			return stats, err
		}
	}
}

// place finds the columns.
func (e *events) place() error {
	c := e.o.Columns
	var faults []error
	find := func(field, name string, optional bool) int {
		if optional && name == "" {
			return -1
		}
		k, err := e.column(field, name)
		faults = append(faults, err)
		return k
	}
	e.student = find("columns.student", c.Student, false)
	e.item = find("columns.item", c.Item, true)
	e.skill = find("columns.skill", c.Skill, false)
	e.right = find("columns.correct", c.Correct.Column, false)
	e.when = find("columns.time", c.Time, false)
	e.tie = find("columns.id", c.ID, true)
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	return nil
}

// event reads a row; reason says why it is left out, if it is.
func (e *events) event(record []string) (v dataplane.Event, reason string, err error) {
	var student, skill, right, when string
	if student, err = e.text(record, e.student); err != nil {
		return v, "", err
	}
	if student == "" {
		return v, "", e.fault(e.header[e.student], "the student is empty")
	}
	if skill, err = e.text(record, e.skill); err != nil {
		return v, "", err
	}
	if right, err = e.text(record, e.right); err != nil {
		return v, "", err
	}
	if slices.Contains(e.o.Columns.Correct.Drop, right) {
		return v, e.header[e.right] + " is " + right, nil
	}
	if skill == "" {
		return v, e.header[e.skill] + " is empty", nil
	}
	if v.Correct, err = e.answer(right); err != nil {
		return v, "", err
	}
	if when, err = e.text(record, e.when); err != nil {
		return v, "", err
	}
	at, ok := parseTime(when)
	if !ok {
		return v, "", e.fault(e.header[e.when], "%q is no time: want a number, or 2006-01-02 15:04:05", when)
	}
	if err := e.optional(record, &v); err != nil {
		return v, "", err
	}
	v.Student, v.Skill, v.Time = e.o.Mask.Mask(student), strings.Clone(skill), at
	return v, "", nil
}

// optional reads the columns that a file may lack.
func (e *events) optional(record []string, v *dataplane.Event) error {
	for _, c := range []struct {
		at int
		to *string
	}{{e.item, &v.Item}, {e.tie, &v.ID}} {
		if c.at < 0 {
			continue
		}
		s, err := e.text(record, c.at)
		if err != nil {
			return err
		}
		*c.to = strings.Clone(s)
	}
	return nil
}

// answer reads a cell that says right or wrong.
func (e *events) answer(s string) (bool, error) {
	c := e.o.Columns.Correct
	right, wrong := c.Right, c.Wrong
	if right == "" && wrong == "" {
		right, wrong = "1", "0"
	}
	switch s {
	case right:
		return true, nil
	case wrong:
		return false, nil
	}
	return false, e.fault(e.header[e.right], "%q is neither %q (right) nor %q (wrong)", s, right, wrong)
}

// parseTime reads a number, taken as it is to six decimals, or a date and time
// in UTC; both become microseconds.
func parseTime(s string) (int64, bool) {
	if v, ok := parseMicro(s); ok {
		return v, true
	}
	for _, layout := range []string{"2006-01-02 15:04:05", time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil { // fractions of a second are taken by Parse
			return t.UnixMicro(), true
		}
	}
	return 0, false
}

// micro is the factor of parseMicro.
const micro = 1_000_000

// parseMicro reads a decimal number times a million, exactly.
func parseMicro(s string) (int64, bool) {
	whole, part, _ := strings.Cut(s, ".")
	digits := strings.TrimPrefix(whole, "-")
	if digits == "" || len(part) > 6 {
		return 0, false
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || digits[0] == '+' || v > (1<<63-1)/micro-1 {
		return 0, false
	}
	v *= micro
	if part != "" {
		f, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return 0, false
		}
		for range 6 - len(part) {
			f *= 10
		}
		v += int64(f)
	}
	if whole != digits {
		v = -v
	}
	return v, true
}

// FoldOptions say how a fold file is read.
type FoldOptions struct {
	File    string // for errors
	Student string // column
	Column  string // column of the fold number
	Mask    *Masker
}

// ReadFolds reads a table of student and fold, and masks the students.
func ReadFolds(ctx context.Context, r io.Reader, o FoldOptions) (*lake.Folds, error) {
	t, err := openTable(ctx, r, o.File)
	if err != nil {
		return nil, err
	}
	student, err := t.column("split.student", o.Student)
	if err != nil {
		return nil, err
	}
	column, err := t.column("split.column", o.Column)
	if err != nil {
		return nil, err
	}
	folds := lake.NewFolds(o.Mask.Fingerprint())
	for {
		record, err := t.next()
		if errors.Is(err, io.EOF) {
			return folds, nil
		}
		if err != nil {
			return nil, err
		}
		if err := t.fold(folds, record, student, column, o.Mask); err != nil {
			return nil, err
		}
	}
}

func (t *table) fold(folds *lake.Folds, record []string, student, column int, mask *Masker) error {
	id, err := t.text(record, student)
	if err != nil {
		return err
	}
	if id == "" {
		return t.fault(t.header[student], "the student is empty")
	}
	text, err := t.text(record, column)
	if err != nil {
		return err
	}
	fold, err := strconv.Atoi(text)
	if err != nil {
		return t.fault(t.header[column], "%q is no fold number", text)
	}
	if err := folds.Set(mask.Mask(id), fold); err != nil {
		return t.fault(t.header[column], "%v", err)
	}
	return nil
}
