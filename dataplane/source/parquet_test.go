package source

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"cohort/dataplane"
	"cohort/dataplane/lake"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// typed are columns of every type with the texts that they become; the values
// are JSON as arrow reads it.
func typed() []struct {
	name string
	kind arrow.DataType
	json string
	want []string
} {
	type column = struct {
		name string
		kind arrow.DataType
		json string
		want []string
	}
	stamp := func(u arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: u, TimeZone: zone}
	}
	return []column{
		{"bool", arrow.FixedWidthTypes.Boolean, `[true,null,false]`, []string{"true", "", "false"}},
		{"int8", arrow.PrimitiveTypes.Int8, `[-128,null,127]`, []string{"-128", "", "127"}},
		{"int16", arrow.PrimitiveTypes.Int16, `[-32768,null,7]`, []string{"-32768", "", "7"}},
		{"int32", arrow.PrimitiveTypes.Int32, `[-2147483648,null,0]`, []string{"-2147483648", "", "0"}},
		{"int64", arrow.PrimitiveTypes.Int64, `["-9223372036854775808",null,"9223372036854775807"]`, []string{"-9223372036854775808", "", "9223372036854775807"}},
		{"uint8", arrow.PrimitiveTypes.Uint8, `[255,null,1]`, []string{"255", "", "1"}},
		{"uint16", arrow.PrimitiveTypes.Uint16, `[65535,null,1]`, []string{"65535", "", "1"}},
		{"uint32", arrow.PrimitiveTypes.Uint32, `[4294967295,null,1]`, []string{"4294967295", "", "1"}},
		{"uint64", arrow.PrimitiveTypes.Uint64, `["18446744073709551615",null,"1"]`, []string{"18446744073709551615", "", "1"}},
		{"float32", arrow.PrimitiveTypes.Float32, `[0.1,null,16777216]`, []string{"0.1", "", "16777216"}},
		{"float64", arrow.PrimitiveTypes.Float64, `[-2.5,null,3]`, []string{"-2.5", "", "3"}},
		{"string", arrow.BinaryTypes.String, `["é",null,""]`, []string{"é", "", ""}},
		{"large", arrow.BinaryTypes.LargeString, `["x y",null,"z"]`, []string{"x y", "", "z"}},
		{"binary", arrow.BinaryTypes.Binary, `["YWI=",null,"Yw=="]`, []string{"ab", "", "c"}},
		{"fixed", &arrow.FixedSizeBinaryType{ByteWidth: 2}, `["YWI=",null,"Y2Q="]`, []string{"ab", "", "cd"}},
		{"date32", arrow.FixedWidthTypes.Date32, `["2026-11-01",null,"1969-12-31"]`, []string{"2026-11-01", "", "1969-12-31"}},
		{"date64", arrow.FixedWidthTypes.Date64, `["2026-11-01",null,"1969-12-31"]`, []string{"2026-11-01", "", "1969-12-31"}},
		{"s", stamp(arrow.Second, "UTC"), `["2026-11-01 02:03:04",null,"1969-12-31 23:59:59"]`, []string{"2026-11-01T02:03:04Z", "", "1969-12-31T23:59:59Z"}},
		{"ms", stamp(arrow.Millisecond, ""), `["2026-11-01 02:03:04.5",null,"1969-12-31"]`, []string{"2026-11-01T02:03:04.5Z", "", "1969-12-31T00:00:00Z"}},
		{"us", stamp(arrow.Microsecond, "Asia/Tokyo"), `["2026-11-01 02:03:04.000005",null,"1969-12-31"]`, []string{"2026-11-01T02:03:04.000005Z", "", "1969-12-31T00:00:00Z"}},
		{"ns", stamp(arrow.Nanosecond, "UTC"), `["2026-11-01 02:03:04.000005999",null,"1969-12-31 23:59:59.999999999"]`, []string{"2026-11-01T02:03:04.000005Z", "", "1969-12-31T23:59:59.999999Z"}},
		{"decimal", &arrow.Decimal128Type{Precision: 38, Scale: 3}, `["-1.250",null,"12.000"]`, []string{"-1.25", "", "12"}},
		{"decimal9", &arrow.Decimal128Type{Precision: 9, Scale: 2}, `["0.05",null,"-0.50"]`, []string{"0.05", "", "-0.5"}},
		{"decimal18", &arrow.Decimal128Type{Precision: 18, Scale: 0}, `["7",null,"-123456789012345678"]`, []string{"7", "", "-123456789012345678"}},
		{"struct.x", arrow.PrimitiveTypes.Int64, `[{"x":5},{"x":null},null]`, []string{"5", "", ""}},
		{"dictionary", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}, `["a",null,"b"]`, []string{"a", "", "b"}},
	}
}

func typedRecord(t testing.TB) arrow.Record {
	t.Helper()
	var fields []arrow.Field
	var columns []arrow.Array
	for _, c := range typed() {
		name, kind := c.name, c.kind
		if outer, inner, ok := strings.Cut(name, "."); ok {
			name, kind = outer, arrow.StructOf(arrow.Field{Name: inner, Type: kind, Nullable: true})
		}
		values, _, err := array.FromJSON(memory.DefaultAllocator, kind, strings.NewReader(c.json))
		if err != nil {
			t.Fatal(c.name, err)
		}
		fields, columns = append(fields, arrow.Field{Name: name, Type: kind, Nullable: true}), append(columns, values)
	}
	return array.NewRecord(arrow.NewSchema(fields, nil), columns, 3)
}

// inMemory is content for tests.
type inMemory struct {
	*strings.Reader
}

func (m inMemory) stream() (io.ReadCloser, error) { return io.NopCloser(m.Reader), nil }
func (m inMemory) check() error                   { return nil }
func (m inMemory) Close() error                   { return nil }

type memoryStore struct {
	store
	data string
}

func (m memoryStore) open(context.Context, object) (content, error) {
	return inMemory{strings.NewReader(m.data)}, nil
}

// column reads one column of a file as texts.
func column(t testing.TB, data []byte, name string) ([]string, error) {
	t.Helper()
	l := &objects{store: memoryStore{data: string(data)}}
	var texts []string
	s := &sender{ctx: t.Context(), send: func(p parcel) bool {
		texts = append(texts, p.rows.texts[FieldSkill]...)
		return true
	}}
	s.names[FieldSkill] = name
	err := l.readParquet(s, object{Name: "f.parquet", Size: int64(len(data))})
	return texts, err
}

func TestEveryTypeHasItsText(t *testing.T) {
	rec := typedRecord(t)
	for version, v := range map[string]parquet.Version{"1.0": parquet.V1_0, "2.6": parquet.V2_LATEST} {
		for _, page := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
			for _, dictionary := range []bool{true, false} {
				data := recordBytes(t, rec, parquet.WithVersion(v), parquet.WithDataPageVersion(page), parquet.WithDictionaryDefault(dictionary))
				for _, c := range typed() {
					if c.name == "ns" && v == parquet.V1_0 {
						continue // the writer makes microseconds of them, nearer to 1970
					}
					got, err := column(t, data, c.name)
					if d := cmp.Diff(c.want, got); d != "" || err != nil {
						t.Errorf("%s, version %s, pages %d, dictionary %v: %s %v", c.name, version, page, dictionary, d, err)
					}
				}
			}
		}
	}
}

func TestFloatsAreWholeWhereTheyCanBe(t *testing.T) {
	for v, want := range map[float64]string{
		math.Copysign(0, -1): "0", 1e15: "1000000000000000", 0.1: "0.1", -7: "-7", 1e-7: "0.0000001", math.Inf(1): "+Inf", 1 << 53: "9007199254740992",
	} {
		if got := string(appendFloat(nil, v, 64)); got != want {
			t.Errorf("%g is %s", v, got)
		}
	}
	if got := string(appendFloat(nil, math.NaN(), 64)); got != "NaN" {
		t.Error(got)
	}
}

// TestFilesOfAnotherWriter reads what Apache Arrow's C++ library wrote, in all
// encodings and compressions that it has; testdata/parquet/make.py made them.
func TestFilesOfAnotherWriter(t *testing.T) {
	entries, err := os.ReadDir("testdata/parquet")
	if err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".parquet") {
			continue
		}
		files++
		data, err := os.ReadFile("testdata/parquet/" + e.Name())
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range foreign() {
			want := make([]string, foreignRows)
			for k := range want {
				if name == "required" || k%7 != 3 {
					want[k] = value(k)
				}
			}
			got, err := column(t, data, name)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				t.Errorf("%s, %s: %s %v", e.Name(), name, d, err)
			}
		}
	}
	if files < 8 {
		t.Errorf("%d files", files)
	}
}

const foreignRows = 500

// foreign are the columns of make.py's table.
func foreign() map[string]func(k int) string {
	return map[string]func(int) string{
		"required": func(k int) string { return fmt.Sprint(k * k) },
		"int32":    func(k int) string { return fmt.Sprint(k*7919%2003 - 1000) },
		"int64":    func(k int) string { return fmt.Sprint(int64(k-250) * 1_234_567_890_123) },
		"double":   func(k int) string { return string(appendFloat(nil, float64(k)/4, 64)) },
		"float":    func(k int) string { return string(appendFloat(nil, float64(k)/4, 64)) },
		"text":     func(k int) string { return fmt.Sprintf("student/%06d", k*31%97) },
		"bool":     func(k int) string { return fmt.Sprint(k%3 == 0) },
		"time": func(k int) string {
			at := time.Date(2026, 11, 1, 0, 0, k, (k+1)*1000, time.UTC)
			return at.Format(time.RFC3339Nano)
		},
	}
}

func TestManyPagesGroupsAndBatches(t *testing.T) {
	rows := answers(30_000)
	for k := range rows {
		rows[k].item = strings.Repeat("long ", k%5) + rows[k].item
	}
	for name, o := range map[string][]parquet.WriterProperty{
		"small_pages":  {parquet.WithDataPageSize(1 << 10), parquet.WithDictionaryPageSizeLimit(2 << 10)},
		"groups":       {parquet.WithMaxRowGroupLength(777)},
		"plain":        {parquet.WithDictionaryDefault(false), parquet.WithCompression(compress.Codecs.Uncompressed)},
		"delta_length": {parquet.WithDictionaryDefault(false), parquet.WithEncoding(parquet.Encodings.DeltaLengthByteArray)},
		"delta":        {parquet.WithDictionaryFor("at", false), parquet.WithEncodingFor("at", parquet.Encodings.DeltaBinaryPacked), parquet.WithDictionaryFor("item", false), parquet.WithEncodingFor("item", parquet.Encodings.DeltaByteArray)},
	} {
		if name == "delta_length" {
			o = []parquet.WriterProperty{parquet.WithDictionaryFor("item", false), parquet.WithEncodingFor("item", parquet.Encodings.DeltaLengthByteArray)}
		}
		dir, got := t.TempDir(), []dataplane.Event{}
		put(t, dir, "a.parquet", parquetBytes(t, rows, o...))
		extract(t, openLake(t, dir, ""), nil, &got)
		if d := cmp.Diff(want(rows), got); d != "" {
			t.Error(name, d[:min(len(d), 2000)])
		}
	}
}

func TestNullsFallWhereTheyAre(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		there := rapid.SliceOfN(rapid.Bool(), 0, 300).Draw(rt, "there")
		b := array.NewStringBuilder(memory.DefaultAllocator)
		want := []string(nil)
		for k, is := range there {
			if is {
				b.Append(fmt.Sprint(k % 13))
				want = append(want, fmt.Sprint(k%13))
			} else {
				b.AppendNull()
				want = append(want, "")
			}
		}
		rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}}, nil), []arrow.Array{b.NewArray()}, int64(len(there)))
		got, err := column(t, recordBytes(t, rec, parquet.WithDictionaryDefault(rapid.Bool().Draw(rt, "dictionary")), parquet.WithDataPageSize(64)), "s")
		if d := cmp.Diff(want, got); d != "" || err != nil {
			rt.Fatal(d, err)
		}
	})
}

func TestDifferencesOfAnySize(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b64, b32 := array.NewInt64Builder(memory.DefaultAllocator), array.NewInt32Builder(memory.DefaultAllocator)
		var want64, want32 []string
		for _, v := range rapid.SliceOfN(rapid.Int64(), 1, 400).Draw(rt, "values") {
			b64.Append(v)
			b32.Append(int32(v))
			want64, want32 = append(want64, strconv.FormatInt(v, 10)), append(want32, strconv.FormatInt(int64(int32(v)), 10))
		}
		schema := arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.PrimitiveTypes.Int32}}, nil)
		rec := array.NewRecord(schema, []arrow.Array{b64.NewArray(), b32.NewArray()}, int64(len(want64)))
		data := recordBytes(t, rec, parquet.WithDictionaryDefault(false), parquet.WithEncoding(parquet.Encodings.DeltaBinaryPacked))
		for name, want := range map[string][]string{"a": want64, "b": want32} {
			got, err := column(t, data, name)
			if d := cmp.Diff(want, got); d != "" || err != nil {
				rt.Fatal(name, d, err)
			}
		}
	})
}

func TestDifferencesOfNarrowNumbersWrapRound(t *testing.T) {
	data := binary.AppendVarint([]byte{128, 1, 4, 2}, math.MaxInt32) // blocks of 128 in 4 parts, 2 values
	data = append(binary.AppendVarint(data, 1), 0, 0, 0, 0)
	whole := func(buf []byte, v int64) []byte { return strconv.AppendInt(buf, v, 10) }
	values, err := newPlain(valueText{width: 4, whole: whole}, parquet.Encodings.DeltaBinaryPacked, data, 2)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, 2)
	if err := values.read(got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"2147483647", "-2147483648"}, got); d != "" {
		t.Error(d)
	}
}

func TestARunThatIsCutOffIsToldSo(t *testing.T) {
	for width, data := range map[int][]byte{8: {2<<1 | 1, 1, 2}, 1: {2<<1 | 1, 3}, 9: {5 << 1, 1}, 32: {1<<1 | 1, 1, 0, 0}} {
		if err := newRuns(data, width).read(make([]uint32, 9)); !errors.Is(err, errDamaged) {
			t.Errorf("width %d: %v", width, err)
		}
	}
	whole := make([]uint32, 10)
	if err := newRuns([]byte{1<<1 | 1, 0b11_100_100, 0b0_010_010_0, 0b111_110_10, 2 << 1, 5}, 3).read(whole); err != nil {
		t.Error(err)
	}
	if d := cmp.Diff([]uint32{4, 4, 3, 2, 2, 4, 6, 7, 5, 5}, whole); d != "" {
		t.Error(d)
	}
}

func TestListsAndStructsAreNoValues(t *testing.T) {
	list, _, err := array.FromJSON(memory.DefaultAllocator, arrow.ListOf(arrow.PrimitiveTypes.Int64), strings.NewReader(`[[1,2]]`))
	if err != nil {
		t.Fatal(err)
	}
	data := recordBytes(t, array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "l", Type: list.DataType()}}, nil), []arrow.Array{list}, 1))
	_, err = column(t, data, "l")
	mustFail(t, err, "f.parquet", `"l"`, "no single value", "l.list.element")
	_, err = column(t, data, "l.list.element")
	mustFail(t, err, "f.parquet", "is a list")
	_, err = column(t, recordBytes(t, typedRecord(t)), "struct")
	mustFail(t, err, "no single value", "struct.x")
}

func TestACutParquetFileIsToldAndGivesNoRowTwice(t *testing.T) {
	rows := answers(3000)
	data := parquetBytes(t, rows, parquet.WithMaxRowGroupLength(1000))
	footer := len(data) - 8 - int(uint32(data[len(data)-8])|uint32(data[len(data)-7])<<8|uint32(data[len(data)-6])<<16)
	cuts := []int{0, 1, 4, 7, 8, 12, footer / 2, footer - 1, footer, footer + 1, (footer + len(data)) / 2, len(data) - 9, len(data) - 8, len(data) - 4, len(data) - 1}
	for _, n := range cuts {
		_, err := column(t, data[:n], "skill")
		mustFail(t, err, "f.parquet", "")
	}
	// A footer of its own and nothing, or too little, before it.
	_, err := column(t, append([]byte("PAR1"), data[footer:]...), "skill")
	mustFail(t, err, "f.parquet", "damaged")
	_, err = column(t, append(append([]byte{}, data[:footer/2]...), data[footer:]...), "skill")
	mustFail(t, err, "f.parquet", "damaged")
}

func TestRowsBeyondBeliefAreRefused(t *testing.T) {
	const n = 10_000_000
	b := array.NewInt8Builder(memory.DefaultAllocator)
	b.AppendNulls(n)
	rec := array.NewRecord(arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.PrimitiveTypes.Int8, Nullable: true}}, nil), []arrow.Array{b.NewArray()}, n)
	data := recordBytes(t, rec, parquet.WithDataPageSize(1<<30))
	if n/len(data) <= denseRows {
		t.Fatalf("%d bytes are too many", len(data))
	}
	_, err := column(t, data, "v")
	mustFail(t, err, "f.parquet", "numbers of rows do not agree")
}

func TestDamageInAPageIsToldNotRead(t *testing.T) {
	rows := answers(2000)
	told := 0
	for _, page := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
		data := parquetBytes(t, rows, parquet.WithDataPageVersion(page), parquet.WithCompression(compress.Codecs.Gzip)) // it has a checksum
		for at := 4; at < len(data)*3/4; at += 97 {
			bad := append([]byte{}, data...)
			bad[at] ^= 0x55
			got, err := column(t, bad, "item")
			if err != nil {
				mustFail(t, err, "f.parquet")
				told++
			}
			if len(got) > len(rows) {
				t.Errorf("%d rows of %d", len(got), len(rows))
			}
		}
	}
	if told < 20 {
		t.Errorf("%d of the damages were told", told)
	}
}

// brittle breaks after some bytes, as a connection does.
type brittle struct {
	inMemory
	left int
	with error
}

func (b *brittle) ReadAt(p []byte, off int64) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, b.with
	}
	return b.inMemory.ReadAt(p, off)
}

type brittleStore struct {
	store
	c content
}

func (b brittleStore) open(context.Context, object) (content, error) { return b.c, nil }

func TestABrokenConnectionIsNoDamage(t *testing.T) {
	broken := &outage{"read f.parquet: connection reset by peer"}
	for _, page := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
		data := parquetBytes(t, answers(100_000), parquet.WithDataPageVersion(page), parquet.WithMaxRowGroupLength(30_000), parquet.WithCompression(compress.Codecs.Uncompressed))
		for left := 0; left < len(data)/2; left += len(data) / 40 {
			s := &sender{ctx: t.Context(), send: func(parcel) bool { return true }, names: [NumFields]string{FieldItem: "item", FieldSkill: "skill"}}
			l := &objects{store: brittleStore{c: &brittle{inMemory{strings.NewReader(string(data))}, left, broken}}}
			if err := l.readParquet(s, object{Name: "f.parquet", Size: int64(len(data))}); err != nil && !errors.Is(err, broken) {
				t.Errorf("after %d bytes: %v", left, err)
			}
		}
	}
}

func FuzzReadParquet(f *testing.F) {
	rows := answers(5)
	for _, page := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
		for _, codec := range []compress.Compression{compress.Codecs.Uncompressed, compress.Codecs.Snappy} {
			f.Add(parquetBytes(f, rows, parquet.WithDataPageVersion(page), parquet.WithCompression(codec), parquet.WithStats(false)))
		}
		f.Add(parquetBytes(f, rows, parquet.WithDataPageVersion(page), parquet.WithDictionaryDefault(false), parquet.WithStats(false)))
	}
	for _, e := range []parquet.Encoding{parquet.Encodings.DeltaByteArray, parquet.Encodings.DeltaLengthByteArray} {
		f.Add(parquetBytes(f, rows, parquet.WithDictionaryFor("item", false), parquet.WithEncodingFor("item", e), parquet.WithDictionaryFor("at", false),
			parquet.WithEncodingFor("at", parquet.Encodings.DeltaBinaryPacked), parquet.WithStats(false)))
	}
	f.Add([]byte("PAR1PAR1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l, r := &objects{store: memoryStore{data: string(data)}}, reader(new([]dataplane.Event))
		r.Reject = func(lake.Reject) error { return nil }
		s := &sender{ctx: t.Context(), names: r.Names(), send: func(p parcel) bool {
			if err := p.rows.visit(r); err != nil {
				t.Error(err)
			}
			return r.Stats.Rows < 50_000
		}}
		if err := l.readParquet(s, object{Name: "f.parquet", Size: int64(len(data))}); err != nil {
			mustFail(t, err, "f.parquet")
		}
	})
}

// Each encoding's reader has bytes of its own, which a damaged file seldom leads to.
func FuzzParquetValues(f *testing.F) {
	for k := range 6 {
		f.Add(uint8(k), uint8(3), []byte{128, 1, 4, 3, 2, 2, 3, 0, 0, 0, 27})
	}
	f.Fuzz(func(t *testing.T, kind, width uint8, data []byte) {
		text := valueText{width: 8, raw: func(buf, raw []byte) []byte { return append(buf, raw[:8]...) }}
		encodings := []parquet.Encoding{parquet.Encodings.Plain, byteStreamSplit, parquet.Encodings.DeltaByteArray, parquet.Encodings.DeltaLengthByteArray, parquet.Encodings.DeltaBinaryPacked}
		var values textReader
		var err error
		switch k := int(kind) % (len(encodings) + 1); {
		case k == len(encodings):
			values, err = newIndexed([]string{"a", "b"}, data, int(width))
		default:
			if k >= 3 || width%2 == 0 {
				text.width, text.raw = 0, func(buf, raw []byte) []byte { return append(buf, raw...) }
			}
			if encodings[k] == parquet.Encodings.DeltaBinaryPacked {
				text.whole = func(buf []byte, v int64) []byte { return strconv.AppendInt(buf, v, 10) }
			}
			values, err = newPlain(text, encodings[k], data, 100)
		}
		texts := make([]string, 30)
		for reads := 0; err == nil && reads < 1000; reads++ { // a repeated value has no end of its own
			err = values.read(texts)
		}
	})
}
