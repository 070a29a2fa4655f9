package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
)

// The library reads footers, and pages down to their bytes. What the bytes of a
// page mean is read here: its own readers go round for ever on some damaged
// pages, repeat old values on others, and make a text of each value where a
// page's dictionary holds but a few.

// parquetFile is one that is being read.
type parquetFile struct {
	object object
	src    *ranges
	meta   *file.Reader
	leaves [NumFields]int // columns by Field; −1 is none
}

// readParquet sends the rows of an object.
func (l *objects) readParquet(s *sender, o object) (err error) {
	c, err := l.store.open(s.ctx, o)
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // read only
	f := &parquetFile{object: o, src: &ranges{content: c, size: o.Size}}
	return settle(s.ctx, c, f.blame(f.guarded(func() error { return f.read(s) })))
}

// guarded turns a panic into an error: the library panics on some malformed files.
func (f *parquetFile) guarded(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errDamaged, p)
		}
	}()
	return do()
}

// blame names the file; what broke a read comes before what was made of it.
func (f *parquetFile) blame(err error) error {
	var input *InputError
	var known *outage
	switch {
	case err == nil:
		return nil
	case errors.As(f.src.err, &input), errors.As(f.src.err, &known):
		return f.src.err
	case f.src.err != nil:
		return folderError(f.object.Name, f.src.err)
	case errors.As(err, &input):
		return err
	}
	return &InputError{File: f.object.Name, Text: clean(err.Error())}
}

func (f *parquetFile) read(s *sender) error {
	if err := f.open(s.names); err != nil {
		return err
	}
	row := int64(1)
	for k := range f.meta.NumRowGroups() {
		g, err := f.group(k)
		if err != nil {
			return err
		}
		for left := g.rows; left > 0; {
			b := s.batch()
			b.file, b.first, b.n = f.object.Name, row, int(min(left, batchRows))
			if err := g.fill(b); err != nil {
				return err
			}
			if !s.send(parcel{rows: b}) {
				return s.ctx.Err()
			}
			left, row = left-int64(b.n), row+int64(b.n)
		}
	}
	return nil
}

// batchRows is how many rows are decoded at once.
const batchRows = 8 << 10

var (
	errDamaged = errors.New("the Parquet file is damaged")
	errRows    = fmt.Errorf("%w: its numbers of rows do not agree", errDamaged)
)

// open reads the footer and finds the columns.
func (f *parquetFile) open(names [NumFields]string) (err error) {
	if err := f.magic(); err != nil {
		return err
	}
	props := parquet.NewReaderProperties(&bounded{})
	if f.meta, err = file.NewParquetReader(f.src.seeker(), file.WithReadProps(props)); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if err := f.checkRows(); err != nil {
		return err
	}
	keys := fieldKeys()
	for k, name := range names {
		if f.leaves[k] = -1; name == "" {
			continue
		}
		if f.leaves[k], err = f.column(keys[k], name); err != nil {
			return err
		}
	}
	return nil
}

// magic tells whole files, which have it at both ends, from others.
func (f *parquetFile) magic() error {
	const magic = "PAR1"
	var first, last [len(magic)]byte
	if f.object.Size < int64(len(first)+len(last)) {
		return errors.New("is too short for a Parquet file: half-written")
	}
	if _, err := f.src.ReadAt(last[:], f.object.Size-int64(len(last))); err != nil {
		return err
	}
	switch string(last[:]) {
	case magic:
		return nil
	case "PARE":
		return errors.New("the Parquet file is encrypted")
	}
	if _, err := f.src.ReadAt(first[:], 0); err != nil {
		return err
	}
	if string(first[:]) != magic {
		return errors.New("is no Parquet file")
	}
	return errors.New("ends without a Parquet footer: half-written")
}

// denseRows is the most rows to a byte that are believed: a damaged footer may
// name any number, and a page of equal values takes hardly a byte.
const denseRows = 4 << 10

// checkRows holds a footer's numbers against each other.
func (f *parquetFile) checkRows() error {
	left := f.meta.NumRows()
	if left < 0 || left/denseRows > f.object.Size {
		return errRows
	}
	for k := range f.meta.NumRowGroups() {
		rows := f.meta.MetaData().RowGroup(k).NumRows()
		if rows < 0 || rows > left {
			return errRows
		}
		left -= rows
	}
	if left != 0 {
		return errRows
	}
	return nil
}

// column finds a leaf by its path; a dot leads into a struct.
func (f *parquetFile) column(key, name string) (int, error) {
	all := f.meta.MetaData().Schema
	names := make([]string, all.NumColumns())
	for k := range names {
		names[k] = all.Column(k).Path()
	}
	k := slices.Index(names, name)
	if k < 0 {
		for _, n := range names {
			if strings.HasPrefix(n, name+".") {
				return 0, &InputError{File: f.object.Name, Column: name, Text: "is no single value, for " + key + ". The file has " + strings.Join(names, ", ")}
			}
		}
		return 0, noColumn(f.object.Name, key, name, names)
	}
	if all.Column(k).MaxRepetitionLevel() > 0 {
		return 0, &InputError{File: f.object.Name, Column: name, Text: "is a list, for " + key}
	}
	return k, nil
}
