package source

import (
	"fmt"

	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/file"
	"github.com/apache/arrow/go/v17/parquet/schema"
)

// columnReader makes texts of a column's values, page by page. A null is an
// empty text.
type columnReader struct {
	pages  file.PageReader
	bytes  *chunkReader
	text   valueText
	bools  bool
	most   uint32 // definition level of a value that is there
	left   int    // rows of the page at hand
	levels *runs  // nil: no nulls
	values textReader
	dict   []string
	level  []uint32 // reused
}

// textReader gives the next values of a page, those that are there.
type textReader interface {
	read(texts []string) error
}

func newColumnReader(c *schema.Column, pages file.PageReader, bytes *chunkReader) (*columnReader, error) {
	text, err := newValueText(c)
	if err != nil {
		return nil, err
	}
	return &columnReader{
		pages: pages, bytes: bytes, text: text, bools: c.PhysicalType() == parquet.Types.Boolean, most: uint32(c.MaxDefinitionLevel()),
	}, nil
}

// read fills texts with the next rows.
func (c *columnReader) read(texts []string) error {
	for len(texts) > 0 {
		if c.left == 0 {
			if err := c.nextPage(); err != nil {
				return err
			}
		}
		n := min(len(texts), c.left)
		if err := c.readRows(texts[:n]); err != nil {
			return err
		}
		c.left, texts = c.left-n, texts[n:]
	}
	return nil
}

// readRows reads rows of the page at hand: the values to the front, and from
// there each to its row.
func (c *columnReader) readRows(texts []string) error {
	if c.levels == nil {
		return c.values.read(texts)
	}
	if len(c.level) < len(texts) {
		c.level = make([]uint32, max(len(texts), batchRows))
	}
	level := c.level[:len(texts)]
	if err := c.levels.read(level); err != nil {
		return err
	}
	there := 0
	for _, l := range level {
		if l == c.most {
			there++
		}
	}
	if err := c.values.read(texts[:there]); err != nil {
		return err
	}
	for k := len(texts) - 1; k >= 0 && there <= k; k-- {
		if texts[k] = ""; level[k] == c.most {
			there--
			texts[k] = texts[there]
		}
	}
	return nil
}

// nextPage takes pages up to the next one of data.
func (c *columnReader) nextPage() error {
	for c.pages.Next() {
		if c.bytes.short || c.bytes.src.err != nil {
			break
		}
		switch p := c.pages.Page().(type) {
		case *file.DictionaryPage:
			if err := c.readDict(p); err != nil {
				return err
			}
		case *file.DataPageV1:
			return c.startV1(p)
		case *file.DataPageV2:
			return c.startV2(p)
		}
	}
	if err := c.pages.Err(); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return fmt.Errorf("%w: a column ends too early", errDamaged)
}

func (c *columnReader) startV1(p *file.DataPageV1) error {
	data := p.Data()
	c.levels = nil
	if c.most > 0 {
		if p.DefinitionLevelEncoding() != parquet.Encodings.RLE {
			return fmt.Errorf("%w: levels of encoding %v", errDamaged, p.DefinitionLevelEncoding())
		}
		levels, rest, err := sized(data)
		if err != nil {
			return err
		}
		c.levels, data = newRuns(levels, levelWidth(c.most)), rest
	}
	return c.start(p, parquet.Encoding(p.Encoding()), data)
}

func (c *columnReader) startV2(p *file.DataPageV2) error {
	data := p.Data()
	repetition, definition := int(p.RepetitionLevelByteLen()), int(p.DefinitionLevelByteLen())
	if repetition < 0 || definition < 0 || repetition+definition > len(data) {
		return fmt.Errorf("%w: a page is smaller than its levels", errDamaged)
	}
	c.levels = nil
	if c.most > 0 {
		c.levels = newRuns(data[repetition:repetition+definition], levelWidth(c.most))
	}
	return c.start(p, parquet.Encoding(p.Encoding()), data[repetition+definition:])
}

// start sets up a page's values.
func (c *columnReader) start(p file.Page, e parquet.Encoding, data []byte) (err error) {
	c.left = int(p.NumValues())
	switch {
	case e == parquet.Encodings.RLEDict || e == parquet.Encodings.PlainDict:
		if c.dict == nil {
			return fmt.Errorf("%w: a dictionary is missing", errDamaged)
		}
		width := 0
		if len(data) > 0 {
			width, data = int(data[0]), data[1:]
		}
		c.values, err = newIndexed(c.dict, data, width)
	case c.bools && e == parquet.Encodings.Plain:
		c.values = &indexed{[]string{"false", "true"}, packed(data, 1), nil}
	case c.bools && e == parquet.Encodings.RLE:
		var bits []byte
		if bits, _, err = sized(data); err == nil {
			c.values, err = newIndexed([]string{"false", "true"}, bits, 1)
		}
	default:
		c.values, err = newPlain(c.text, e, data, c.left)
	}
	return err
}

// readDict makes the texts of a dictionary, once.
func (c *columnReader) readDict(p *file.DictionaryPage) error {
	n := int(p.NumValues())
	if c.dict != nil || n > len(p.Data()) {
		return fmt.Errorf("%w: a dictionary of %d values", errDamaged, n)
	}
	values, err := newPlain(c.text, parquet.Encodings.Plain, p.Data(), n)
	if err != nil {
		return err
	}
	c.dict = make([]string, n)
	return values.read(c.dict)
}
