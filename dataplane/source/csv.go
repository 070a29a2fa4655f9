package source

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// ReadCSV reads answers, masks their students and hands them to emit. Rows
// without a skill, and those whose answer is to be dropped, are counted and
// left out; anything else that does not fit is an *InputError.
func ReadCSV(ctx context.Context, r io.Reader, o CSVOptions, emit func(dataplane.Event) error) (Stats, error) {
	to := &Reader{Mapper: NewMapper(o.Columns, o.Mask, Bounds{}), Emit: emit}
	err := ScanCSV(ctx, r, o.File, to)
	return to.Stats, err
}

// ScanCSV hands a file's rows to a Reader. What is wrong with a row is the
// Reader's to judge; a file that is none, or that is cut off, is an *InputError.
func ScanCSV(ctx context.Context, r io.Reader, file string, to *Reader) error {
	t, err := openTable(ctx, r, file)
	if err != nil {
		return err
	}
	place, err := t.place(to.Names())
	if err != nil {
		return err
	}
	at := func() string { return fmt.Sprintf("%s, row %d", t.file, t.row) }
	var v Values
	for {
		record, err := t.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if errors.Is(err, errFields) {
			if err := to.Bad(at(), &Fault{Text: t.fieldsText()}); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		for f, k := range place {
			if v[f] = ""; k >= 0 {
				v[f] = record[k]
			}
		}
		if err := to.Row(at, &v); err != nil {
			return err
		}
	}
}

// place finds the columns by Field; −1 is none.
func (t *table) place(names [NumFields]string) (at [NumFields]int, err error) {
	keys := fieldKeys()
	for f, name := range names {
		if at[f] = -1; name == "" {
			continue
		}
		if at[f], err = t.column(keys[f], name); err != nil {
			return at, err
		}
	}
	return at, nil
}

// parseTime reads a number in the unit given (s, ms or us; seconds when empty),
// or a date and time in UTC; both become microseconds.
func parseTime(s, unit string) (int64, bool) {
	if unit == "us" {
		if v, err := strconv.ParseInt(s, 10, 64); err == nil {
			return v, true
		}
	} else if v, ok := parseMicro(s); ok {
		if unit == "ms" {
			v /= 1000
		}
		return v, true
	}
	layouts := [...]string{"2006-01-02 15:04:05", time.RFC3339, "2006-01-02T15:04:05", "2006-01-02"}
	if strings.HasSuffix(s, "Z") { // as sources with types write it: no other layout takes it, and each refusal costs
		layouts[0], layouts[1] = layouts[1], layouts[0]
	}
	for _, layout := range layouts {
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
		if errors.Is(err, errFields) {
			return nil, t.fault("", "%s", t.fieldsText())
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
