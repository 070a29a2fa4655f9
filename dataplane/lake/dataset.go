package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"cohort/dataplane"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"golang.org/x/sync/errgroup"
)

// Manifest is a dataset's; the hash of its JSON is the dataset's ID. It names
// nothing but content, so the same events under the same key have one ID.
type Manifest struct {
	Version  int      `json:"version"`
	Mask     string   `json:"mask"` // fingerprint of the mask key
	Events   int64    `json:"events"`
	Students int64    `json:"students"`
	Skills   []string `json:"skills"` // shortlex order
	Parts    []Part   `json:"parts"`
}

// Part is one Parquet blob of a dataset.
type Part struct {
	Hash   string `json:"hash"` // empty when the part holds no events
	Bytes  int64  `json:"bytes"`
	Events int64  `json:"events"`
}

// WriteDataset stores events as Parquet, part = hash(student) mod Parts, in
// canonical order: the order they came in leaves no trace.
func WriteDataset(ctx context.Context, b Blobs, ev *Events, mask string) (m *Manifest, id string, err error) {
	m = &Manifest{
		Version: manifestVersion, Mask: mask, Events: int64(ev.n), Students: int64(len(ev.students.texts)), Skills: ev.skillNames(),
		Parts: make([]Part, len(ev.parts)),
	}
	group, inGroup := errgroup.WithContext(ctx)
	group.SetLimit(partsAtOnce)
	for k := range m.Parts {
		group.Go(func() (err error) {
			m.Parts[k], err = writePart(inGroup, b, ev, k)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, "", err
	}
	id, err = writeJSON(ctx, b, m)
	return m, id, err
}

// partsAtOnce bounds the parts that are encoded side by side: each takes several
// times the memory that its rows took before. It moves no byte.
const partsAtOnce = 2

// writePart stores the events of part k.
func writePart(ctx context.Context, b Blobs, ev *Events, k int) (p Part, err error) {
	if err := ctx.Err(); err != nil { // encoding takes long beside what a cancel may take
		return p, err
	}
	rows := ev.part(k)
	p.Events = int64(len(rows))
	if len(rows) == 0 {
		return p, nil
	}
	slices.SortFunc(rows, dataplane.Compare)
	data, err := encodeParquet(rows, ev.timed)
	if err != nil {
		return p, err
	}
	p.Bytes = int64(len(data))
	p.Hash, err = Write(ctx, b, data)
	return p, err
}

// sorted lists a set in shortlex order.
func sorted(set map[string]bool) []string {
	all := make([]string, 0, len(set))
	for s := range set {
		all = append(all, s)
	}
	slices.SortFunc(all, dataplane.Shortlex)
	return all
}

// ReadManifest reads a dataset's manifest.
func ReadManifest(ctx context.Context, b Blobs, id string) (*Manifest, error) {
	return readJSON(ctx, b, "dataset", id, func(m *Manifest) int { return m.Version })
}

// ReadEvents visits a dataset's events, part by part in canonical order.
func ReadEvents(ctx context.Context, b Blobs, id string, visit func(dataplane.Event) error) error {
	m, err := ReadManifest(ctx, b, id)
	if err != nil {
		return err
	}
	for k := range m.Parts {
		if err := m.ReadPart(ctx, b, k, visit); err != nil {
			return fmt.Errorf("dataset %s, %w", id, err)
		}
	}
	return nil
}

// ReadPart visits the events of part k in canonical order.
func (m *Manifest) ReadPart(ctx context.Context, b Blobs, k int, visit func(dataplane.Event) error) error {
	if k >= len(m.Parts) || m.Parts[k].Hash == "" {
		return nil
	}
	p := m.Parts[k]
	data, err := Read(ctx, b, p.Hash)
	if err != nil {
		return fmt.Errorf("part %d: %w", k, err)
	}
	if err := decodeParquet(ctx, data, p.Events, visit); err != nil {
		return fmt.Errorf("part %d: %w", k, err)
	}
	return nil
}

// eventSchema is the columns of a dataset's files. The response time is there
// when some event of the dataset has one.
func eventSchema(timed bool) *arrow.Schema {
	fields := []arrow.Field{
		{Name: "student", Type: arrow.BinaryTypes.String},
		{Name: "time", Type: arrow.PrimitiveTypes.Int64},
		{Name: "id", Type: arrow.BinaryTypes.String},
		{Name: "item", Type: arrow.BinaryTypes.String},
		{Name: "skill", Type: arrow.BinaryTypes.String},
		{Name: "correct", Type: arrow.FixedWidthTypes.Boolean},
	}
	if timed {
		fields = append(fields, arrow.Field{Name: "elapsed", Type: arrow.PrimitiveTypes.Int64})
	}
	return arrow.NewSchema(fields, nil)
}

// zstdLevel is pinned: another level would be other bytes, and another ID.
const zstdLevel = 3

func encodeParquet(rows []dataplane.Event, timed bool) ([]byte, error) {
	schema := eventSchema(timed)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	text := func(k int) *array.StringBuilder { return b.Field(k).(*array.StringBuilder) }
	for _, e := range rows {
		text(0).Append(e.Student)
		b.Field(1).(*array.Int64Builder).Append(e.Time)
		text(2).Append(e.ID)
		text(3).Append(e.Item)
		text(4).Append(e.Skill)
		b.Field(5).(*array.BooleanBuilder).Append(e.Correct)
		if timed {
			b.Field(6).(*array.Int64Builder).Append(e.Elapsed)
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	return writeParquet(rec)
}

// dictionaryBytes is more than any dictionary has. Where the library changes from
// a dictionary to plain values in mid-column, its footer counts the pages of both
// in the order of a map, and the same rows are other bytes each time.
const dictionaryBytes = math.MaxInt32

// writeParquet makes a file of one record. What it is written with is pinned.
func writeParquet(rec arrow.Record, more ...parquet.WriterProperty) ([]byte, error) {
	var out bytes.Buffer
	props := append([]parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Zstd), parquet.WithCompressionLevel(zstdLevel), parquet.WithCreatedBy("cohort"),
		parquet.WithDictionaryPageSizeLimit(dictionaryBytes),
	}, more...)
	w, err := pqarrow.NewFileWriter(rec.Schema(), &out, parquet.NewWriterProperties(props...), pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, fmt.Errorf("open Parquet writer: %w", err)
	}
	if err := w.Write(rec); err != nil {
		return nil, fmt.Errorf("write Parquet: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("close Parquet: %w", err)
	}
	return out.Bytes(), nil
}

// decodeParquet visits the events of a file that must hold as many as its manifest says.
func decodeParquet(ctx context.Context, data []byte, rows int64, visit func(dataplane.Event) error) error {
	known := func(s *arrow.Schema) bool {
		return sameFields(s, eventSchema(false)) || sameFields(s, eventSchema(true))
	}
	return readParquet(ctx, data, rows, known, func(rec arrow.Record) error { return visitRecord(rec, visit) })
}

// readParquet visits the records of a file of known columns, with as many rows
// as its manifest says.
func readParquet(ctx context.Context, data []byte, rows int64, known func(*arrow.Schema) bool, visit func(arrow.Record) error) (err error) {
	defer func() { // the library panics on some malformed files
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: Parquet: %v", ErrCorrupt, p)
		}
	}()
	f, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%w: Parquet: %w", ErrCorrupt, err)
	}
	if err := checkFooter(f, rows, int64(len(data))); err != nil {
		return err
	}
	r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{BatchSize: batchRows}, memory.DefaultAllocator)
	if err != nil {
		return fmt.Errorf("%w: Parquet: %w", ErrCorrupt, err)
	}
	// Not ReadTable: its goroutines would carry a panic out of reach. So would those
	// that look for the columns, hence where these are was checked.
	batches, err := r.GetRecordReader(ctx, nil, nil)
	if err != nil {
		return fmt.Errorf("%w: Parquet: %w", ErrCorrupt, err)
	}
	defer batches.Release()
	if !known(batches.Schema()) {
		return fmt.Errorf("%w: columns %v", ErrCorrupt, batches.Schema())
	}
	return visitRecords(batches, rows, visit)
}

// visitRecords visits what is read, and holds its rows against the manifest's:
// the library ends early, without a word, at some faults.
func visitRecords(batches pqarrow.RecordReader, rows int64, visit func(arrow.Record) error) error {
	left := rows
	for batches.Next() {
		rec := batches.Record()
		left -= rec.NumRows()
		if err := visit(rec); err != nil {
			return err
		}
	}
	if err := batches.Err(); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: Parquet: %w", ErrCorrupt, err)
	}
	if left != 0 {
		return fmt.Errorf("%w: Parquet: %d rows are read where there should be %d", ErrCorrupt, rows-left, rows)
	}
	return nil
}

// checkFooter holds a file's own counts against the manifest's, and where its
// columns are against its size: the library reads, and reserves memory for, as
// much as a damaged footer asks for.
func checkFooter(f *file.Reader, rows, size int64) error {
	left := rows
	for k := range f.NumRowGroups() {
		g := f.MetaData().RowGroup(k)
		left -= g.NumRows()
		for c := range g.NumColumns() {
			chunk, err := g.ColumnChunk(c)
			if err != nil {
				return fmt.Errorf("%w: Parquet: %w", ErrCorrupt, err)
			}
			if g.NumRows() < 0 || chunk.NumValues() != g.NumRows() {
				return fmt.Errorf("%w: Parquet: column %d of %d rows has %d values", ErrCorrupt, c, g.NumRows(), chunk.NumValues())
			}
			at, length := chunk.DataPageOffset(), chunk.TotalCompressedSize()
			if chunk.HasDictionaryPage() {
				at = min(at, chunk.DictionaryPageOffset())
			}
			if at < 0 || length < 0 || at > size-length {
				return fmt.Errorf("%w: Parquet: column %d lies outside of the file", ErrCorrupt, c)
			}
		}
	}
	if left != 0 || f.NumRows() != rows {
		return fmt.Errorf("%w: Parquet: %d rows, the manifest has %d", ErrCorrupt, f.NumRows(), rows)
	}
	return nil
}

// batchRows is how many rows are decoded at once.
const batchRows = 1 << 16

func sameFields(a, b *arrow.Schema) bool {
	return slices.EqualFunc(a.Fields(), b.Fields(), func(x, y arrow.Field) bool {
		return x.Name == y.Name && arrow.TypeEqual(x.Type, y.Type)
	})
}

func visitRecord(rec arrow.Record, visit func(dataplane.Event) error) error {
	text := func(k int) *array.String { return rec.Column(k).(*array.String) }
	times, correct := rec.Column(1).(*array.Int64), rec.Column(5).(*array.Boolean)
	var elapsed *array.Int64
	if rec.NumCols() > 6 {
		elapsed = rec.Column(6).(*array.Int64)
	}
	for row := range int(rec.NumRows()) {
		e := dataplane.Event{
			Student: text(0).Value(row), Time: times.Value(row), ID: text(2).Value(row),
			Item: text(3).Value(row), Skill: text(4).Value(row), Correct: correct.Value(row),
		}
		if elapsed != nil {
			e.Elapsed = elapsed.Value(row)
		}
		if err := visit(e); err != nil {
			return err
		}
	}
	return nil
}
