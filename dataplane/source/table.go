package source

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"cohort/dataplane"
)

// table reads a CSV file (RFC 4180), gzip or not, row by row.
type table struct {
	file   string
	csv    *csv.Reader
	header []string
	row    int64 // of the record read last; the header is 1
}

func (t *table) fault(column, format string, args ...any) error {
	return &InputError{File: t.file, Row: t.row, Column: column, Text: fmt.Sprintf(format, args...)}
}

// openTable reads the header.
func openTable(ctx context.Context, r io.Reader, file string) (*table, error) {
	t := &table{file: file}
	b := bufio.NewReaderSize(stoppable{ctx, r}, 1<<16)
	if magic, _ := b.Peek(2); len(magic) == 2 && magic[0] == 0x1f && magic[1] == 0x8b {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, t.broken(err)
		}
		b = bufio.NewReaderSize(z, 1<<16)
	}
	if mark, _ := b.Peek(3); string(mark) == "\uFEFF" {
		_, _ = b.Discard(3) // they were peeked
	}
	t.csv = csv.NewReader(&guard{r: b})
	t.csv.ReuseRecord = true
	record, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, t.fault("", "the file is empty")
	}
	if err != nil {
		return nil, t.broken(err)
	}
	t.row = 1
	for _, name := range record {
		t.header = append(t.header, strings.TrimSpace(name))
	}
	return t, nil
}

// column finds a column by name.
func (t *table) column(field, name string) (int, error) {
	if k := slices.Index(t.header, name); k >= 0 {
		return k, nil
	}
	return 0, noColumn(t.file, field, name, t.header)
}

// noColumn says that a file, which has columns all, has not the one that is named.
func noColumn(file, field, name string, all []string) error {
	text := fmt.Sprintf("no such column, for %s", field)
	if near := nearest(name, all); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return &InputError{File: file, Column: name, Text: sentence(text) + " The file has " + strings.Join(all, ", ")}
}

// sentence ends a text that does not ask.
func sentence(text string) string {
	if strings.HasSuffix(text, "?") {
		return text
	}
	return text + "."
}

// fieldsText puts errFields into words.
func (t *table) fieldsText() string {
	return fmt.Sprintf("the row has another number of fields than the header, which has %d", len(t.header))
}

// next reads a row; io.EOF after the last, errFields where the next row may be read.
func (t *table) next() ([]string, error) {
	record, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	t.row++
	if err != nil {
		return nil, t.broken(err)
	}
	return record, nil
}

// text is a cell without the space around it.
func (t *table) text(record []string, at int) (string, error) {
	s := strings.TrimSpace(record[at])
	if !utf8.ValidString(s) {
		return "", t.fault(t.header[at], "the text is not UTF-8")
	}
	return s, nil
}

// broken puts a reader's error into words.
func (t *table) broken(err error) error {
	var parse *csv.ParseError
	var input *InputError
	var known *outage
	switch {
	case errors.As(err, &input), errors.As(err, &known): // of the reader below
		return err
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return t.fault("", "the gzip data ends too early: the file is cut off")
	case errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return t.fault("", "the gzip data is damaged (%v)", err)
	case errors.Is(err, errLong):
		return t.fault("", "a line of more than %d bytes", dataplane.MaxLine)
	case errors.Is(err, errNUL):
		return t.fault("", "a NUL byte: this is no text file")
	case errors.As(err, &parse) && errors.Is(parse.Err, csv.ErrFieldCount):
		return errFields
	case errors.As(err, &parse):
		return t.fault("", "%v", parse.Err)
	}
	return fmt.Errorf("read %s: %w", t.file, err)
}

var (
	errLong = errors.New("line too long")
	errNUL  = errors.New("NUL byte")
	// errFields says that a row has another number of fields than the header.
	errFields = errors.New("another number of fields")
)

// guard refuses what would make the CSV reader hold too much. What stands
// before the fault is passed on, so that the row at fault is known.
type guard struct {
	r    io.Reader
	line int
	err  error
}

func (g *guard) Read(p []byte) (int, error) {
	if g.err != nil {
		return 0, g.err
	}
	n, err := g.r.Read(p)
	for k, c := range p[:n] {
		switch c {
		case '\n':
			g.line = 0
		case 0:
			g.err = errNUL
			return k, nil
		default:
			if g.line++; g.line > dataplane.MaxLine {
				g.err = errLong
				return k, nil
			}
		}
	}
	return n, err
}

// stoppable ends reading when its context does.
type stoppable struct {
	ctx context.Context //nolint:containedctx // a reader has no other way to be told
	r   io.Reader
}

func (s stoppable) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// nearest is the name within a third of its length in edits of what was meant.
func nearest(name string, all []string) string {
	best, least := "", len(name)/3+2
	for _, a := range all {
		if d := edits(strings.ToLower(name), strings.ToLower(a)); d < least {
			best, least = a, d
		}
	}
	return best
}

// edits is the Levenshtein distance.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		left := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			left, row[j+1] = row[j+1], min(left+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
