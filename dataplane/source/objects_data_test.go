package source

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
)

// answer is a row of the tests' logs.
type answer struct {
	id      int64
	user    int64
	item    string
	skill   string
	correct bool
	at      time.Time // whole microseconds
	ms      float64   // response time
}

// answers are n rows of many days, the same each time.
func answers(n int) []answer {
	begin := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	rows := make([]answer, n)
	for k := range rows {
		user := int64(k*7919%2003) + 1
		rows[k] = answer{
			id: int64(k) + 1, user: user, item: fmt.Sprintf("item-%d", k*31%5003), skill: strconv.Itoa(k * 17 % 110),
			correct: k*k%3 != 0, at: begin.Add(time.Duration(k) * 1_234_567 * time.Microsecond), ms: float64(k%9000) + 0.5,
		}
	}
	return rows
}

func lakeColumns() wire.Columns {
	return wire.Columns{
		Student: "user", Item: "item", Skill: "skill", Correct: wire.Correct{Column: "correct"},
		Time: "at", ID: "id", Elapsed: "ms", ElapsedUnit: "ms",
	}
}

func answerSchema() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "user", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "item", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "skill", Type: arrow.BinaryTypes.String},
		{Name: "correct", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "ms", Type: arrow.PrimitiveTypes.Float64},
		{Name: "note", Type: arrow.BinaryTypes.String}, // nobody asks for it
	}, nil)
}

func answerRecord(rows []answer) arrow.Record {
	b := array.NewRecordBuilder(memory.DefaultAllocator, answerSchema())
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.id)
		b.Field(1).(*array.Int32Builder).Append(int32(r.user))
		b.Field(2).(*array.StringBuilder).Append(r.item)
		b.Field(3).(*array.StringBuilder).Append(r.skill)
		b.Field(4).(*array.BooleanBuilder).Append(r.correct)
		b.Field(5).(*array.TimestampBuilder).Append(arrow.Timestamp(r.at.UnixMicro()))
		b.Field(6).(*array.Float64Builder).Append(r.ms)
		b.Field(7).(*array.StringBuilder).Append("note " + strconv.FormatInt(r.id, 10))
	}
	return b.NewRecord()
}

// parquetBytes writes rows as other programs do.
func parquetBytes(t testing.TB, rows []answer, o ...parquet.WriterProperty) []byte {
	t.Helper()
	rec := answerRecord(rows)
	defer rec.Release()
	return recordBytes(t, rec, o...)
}

func recordBytes(t testing.TB, rec arrow.Record, o ...parquet.WriterProperty) []byte {
	t.Helper()
	var out bytes.Buffer
	o = append([]parquet.WriterProperty{parquet.WithCompression(compress.Codecs.Snappy)}, o...)
	w, err := pqarrow.NewFileWriter(rec.Schema(), &out, parquet.NewWriterProperties(o...), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Write(rec); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// csvBytes writes the same rows as text.
func csvBytes(t testing.TB, rows []answer) []byte {
	t.Helper()
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	records := [][]string{{"skill", "id", "user", "item", "correct", "at", "ms"}}
	for _, r := range rows {
		records = append(records, []string{
			r.skill, strconv.FormatInt(r.id, 10), strconv.FormatInt(r.user, 10), r.item, strconv.FormatBool(r.correct),
			r.at.Format("2006-01-02 15:04:05.999999"), strconv.FormatFloat(r.ms, 'f', -1, 64),
		})
	}
	if err := w.WriteAll(records); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// put writes a file below dir.
func put(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func openLake(t testing.TB, url, pattern string) Source {
	t.Helper()
	l, err := OpenLake(t.Context(), wire.LakeSpec{URL: url, Pattern: pattern})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // read only
	return l
}

// reader collects events.
func reader(to *[]dataplane.Event) *Reader {
	return &Reader{
		Mapper: NewMapper(lakeColumns(), NewMasker([]byte("k")), Bounds{}),
		Emit:   func(e dataplane.Event) error { *to = append(*to, e); return nil },
	}
}

// byDay deals rows to their days.
func byDay(rows []answer) (days []string, of map[string][]answer) {
	of = map[string][]answer{}
	for _, r := range rows {
		day := r.at.Format(time.DateOnly)
		if len(of[day]) == 0 {
			days = append(days, day)
		}
		of[day] = append(of[day], r)
	}
	return days, of
}

// uncompressedLarge makes files of many bytes.
func uncompressedLarge() []parquet.WriterProperty {
	return []parquet.WriterProperty{
		parquet.WithCompression(compress.Codecs.Uncompressed), parquet.WithDictionaryDefault(false), parquet.WithMaxRowGroupLength(30_000),
	}
}
