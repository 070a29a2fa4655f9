package lake

import (
	"context"
	"fmt"
	"strings"

	"cohort/dataplane"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
)

// TableColumn is a column of a stored table.
type TableColumn struct {
	Name string         `json:"name"`
	Type dataplane.Kind `json:"type"`
}

// TablePart is one Parquet blob of a table.
type TablePart struct {
	Hash  string `json:"hash"` // empty when the part holds no rows
	Bytes int64  `json:"bytes"`
	Rows  int64  `json:"rows"`
}

// columnsOf lists a table's columns.
func columnsOf(t *dataplane.Table) []TableColumn {
	all := make([]TableColumn, len(t.Columns))
	for k, c := range t.Columns {
		all[k] = TableColumn{c.Name, c.Kind}
	}
	return all
}

// emptyTable is a table of these columns without rows.
func emptyTable(columns []TableColumn) *dataplane.Table {
	t := &dataplane.Table{}
	for _, c := range columns {
		t.Columns = append(t.Columns, dataplane.Column{Name: c.Name, Kind: c.Type})
	}
	return t
}

func tableSchema(columns []TableColumn) (*arrow.Schema, error) {
	types := map[dataplane.Kind]arrow.DataType{
		dataplane.KindText: arrow.BinaryTypes.String, dataplane.KindInt: arrow.PrimitiveTypes.Int64,
		dataplane.KindFloat: arrow.PrimitiveTypes.Float64,
	}
	var fields []arrow.Field
	for _, c := range columns {
		if types[c.Type] == nil {
			return nil, fmt.Errorf("%w: column %s is of type %q", ErrCorrupt, c.Name, c.Type)
		}
		fields = append(fields, arrow.Field{Name: c.Name, Type: types[c.Type]})
	}
	return arrow.NewSchema(fields, nil), nil
}

// writeTable stores a table as one part.
func writeTable(ctx context.Context, b Blobs, t *dataplane.Table) (TablePart, error) {
	p := TablePart{Rows: int64(t.Rows())}
	if p.Rows == 0 {
		return p, nil
	}
	data, err := encodeTable(t)
	if err != nil {
		return p, err
	}
	p.Bytes = int64(len(data))
	p.Hash, err = Write(ctx, b, data)
	return p, err
}

func encodeTable(t *dataplane.Table) ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	schema, err := tableSchema(columnsOf(t))
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for k, c := range t.Columns {
		switch f := b.Field(k).(type) {
		case *array.StringBuilder:
			f.AppendValues(c.Texts, nil)
		case *array.Int64Builder:
			f.AppendValues(c.Ints, nil)
		case *array.Float64Builder:
			f.AppendValues(c.Floats, nil)
		}
	}
	rec := b.NewRecord()
	defer rec.Release()
	return writeParquet(rec, dictionaries(t)...)
}

// dictionaries are for texts only: numbers of features seldom repeat, and each
// dictionary costs a compressor.
func dictionaries(t *dataplane.Table) []parquet.WriterProperty {
	props := []parquet.WriterProperty{parquet.WithDictionaryDefault(false)}
	for _, c := range t.Columns {
		if c.Kind == dataplane.KindText {
			props = append(props, parquet.WithDictionaryFor(c.Name, true))
		}
	}
	return props
}

// readTable visits a part's rows in pieces, each a table.
func readTable(ctx context.Context, b Blobs, columns []TableColumn, p TablePart, visit func(*dataplane.Table) error) error {
	if p.Hash == "" {
		return nil
	}
	schema, err := tableSchema(columns)
	if err != nil {
		return err
	}
	data, err := Read(ctx, b, p.Hash)
	if err != nil {
		return err
	}
	known := func(s *arrow.Schema) bool { return sameFields(s, schema) }
	return readParquet(ctx, data, p.Rows, known, func(rec arrow.Record) error {
		t, err := tableOf(columns, rec)
		if err != nil {
			return err
		}
		return visit(t)
	})
}

// tableOf copies a record.
func tableOf(columns []TableColumn, rec arrow.Record) (*dataplane.Table, error) {
	t := emptyTable(columns)
	for k := range t.Columns {
		c, values := &t.Columns[k], rec.Column(k)
		if values.NullN() > 0 {
			return nil, fmt.Errorf("%w: column %s has nulls", ErrCorrupt, c.Name)
		}
		switch v := values.(type) {
		case *array.String:
			for row := range v.Len() {
				c.Texts = append(c.Texts, strings.Clone(v.Value(row)))
			}
		case *array.Int64:
			c.Ints = append(c.Ints, v.Int64Values()...)
		case *array.Float64:
			c.Floats = append(c.Floats, v.Float64Values()...)
		}
	}
	return t, nil
}
