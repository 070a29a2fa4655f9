package lake

import (
	"bytes"
	"fmt"
	"testing"

	"cohort/dataplane"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
)

// TestALargePartHasOneForm holds each column to one encoding, however many
// values it has: the library writes the numbers of pages by encoding in the
// order of a map.
func TestALargePartHasOneForm(t *testing.T) {
	t.Parallel()
	var rows []dataplane.Event
	for k := range 140_000 { // times and ids of more than a MiB each
		rows = append(rows, dataplane.Event{Student: "s", Time: int64(k) * 7_654_321, ID: fmt.Sprintf("%012d", k), Skill: "a", Elapsed: int64(k)})
	}
	data, err := encodeParquet(rows, true)
	if err != nil {
		t.Fatal(err)
	}
	f, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for c := range f.MetaData().Schema.NumColumns() {
		chunk, err := f.MetaData().RowGroup(0).ColumnChunk(c)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[parquet.Encoding]bool{}
		for _, s := range chunk.EncodingStats() {
			if s.PageType != 2 { // of the dictionary
				forms[s.Encoding] = true
			}
		}
		if len(forms) != 1 {
			t.Errorf("the pages of %s have the forms %v", chunk.PathInSchema(), forms)
		}
	}
}
