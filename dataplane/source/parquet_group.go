package source

import (
	"fmt"

	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet/file"
)

// bounded keeps a damaged page from asking for all the memory there is.
type bounded struct{ memory.GoAllocator }

// pageMost bounds a page, uncompressed. Writers aim at one megabyte.
const pageMost = 1 << 28

func (b *bounded) Allocate(size int) []byte {
	if size > pageMost {
		panic(fmt.Sprintf("a page of %d bytes", size))
	}
	return b.GoAllocator.Allocate(size)
}

func (b *bounded) Reallocate(size int, old []byte) []byte {
	if size > pageMost {
		panic(fmt.Sprintf("a page of %d bytes", size))
	}
	return b.GoAllocator.Reallocate(size, old)
}

// group is a row group that is being read.
type group struct {
	rows    int64
	columns [NumFields]*columnReader
}

func (f *parquetFile) group(k int) (*group, error) {
	meta := f.meta.MetaData().RowGroup(k)
	g := &group{rows: meta.NumRows()}
	for field, leaf := range f.leaves {
		if leaf < 0 || g.rows == 0 {
			continue
		}
		chunk, err := meta.ColumnChunk(leaf)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		if chunk.NumValues() != g.rows {
			return nil, errRows
		}
		start, size := chunk.DataPageOffset(), chunk.TotalCompressedSize()
		if at := chunk.DictionaryPageOffset(); chunk.HasDictionaryPage() && at > 0 && at < start {
			start = at
		}
		if start < 0 || size < 0 || start > f.object.Size-size {
			return nil, fmt.Errorf("%w: a column lies outside of it", errDamaged)
		}
		bytes := &chunkReader{src: f.src, at: start, end: start + size}
		pages, err := file.NewPageReader(bytes, g.rows, chunk.Compression(), &bounded{}, nil)
		if err != nil {
			return nil, err
		}
		if g.columns[field], err = newColumnReader(f.meta.MetaData().Schema.Column(leaf), pages, bytes); err != nil {
			return nil, &InputError{File: f.object.Name, Column: f.meta.MetaData().Schema.Column(leaf).Path(), Text: err.Error()}
		}
	}
	return g, nil
}

// fill reads the next b.n rows. A value that a reader made of a failed read is
// never handed on.
func (g *group) fill(b *rowBatch) error {
	for k, c := range g.columns {
		if c == nil {
			b.texts[k] = b.texts[k][:0]
			continue
		}
		if cap(b.texts[k]) < b.n {
			b.texts[k] = make([]string, batchRows)
		}
		b.texts[k] = b.texts[k][:b.n]
		if err := c.read(b.texts[k]); err != nil {
			return err
		}
	}
	return nil
}
