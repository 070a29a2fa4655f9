package source

import (
	"fmt"

	"github.com/apache/arrow/go/v17/parquet"
)

// plain gives a page's values one after another: appended to one buffer, which
// becomes one text that all of a batch are pieces of.
type plain struct {
	text valueText
	next nextValue
	buf  []byte // reused
	ends []int  // reused
}

// nextValue appends the text of the next value.
type nextValue interface {
	append(buf []byte, t *valueText) ([]byte, error)
}

// byteStreamSplit has no name in the library.
const byteStreamSplit = parquet.Encoding(9)

// newPlain reads n values that are no numbers of a dictionary.
func newPlain(t valueText, e parquet.Encoding, data []byte, n int) (textReader, error) {
	p := &plain{text: t}
	var err error
	switch {
	case e == parquet.Encodings.Plain && t.width > 0:
		p.next = &fixed{data}
	case e == parquet.Encodings.Plain:
		p.next = &prefixed{data}
	case e == byteStreamSplit && t.width > 0:
		p.next, err = newSplit(data, t.width, n)
	case e == parquet.Encodings.DeltaBinaryPacked && t.whole != nil:
		p.next, err = newDeltas(data)
	case e == parquet.Encodings.DeltaLengthByteArray && t.width == 0:
		p.next, err = newLengths(data, n)
	case e == parquet.Encodings.DeltaByteArray && t.whole == nil:
		p.next, err = newPrefixes(data, n)
	default:
		err = fmt.Errorf("values of encoding %v cannot be read", e)
	}
	return p, err
}

func (p *plain) read(texts []string) (err error) {
	p.buf, p.ends = p.buf[:0], p.ends[:0]
	for range texts {
		if p.buf, err = p.next.append(p.buf, &p.text); err != nil {
			return err
		}
		p.ends = append(p.ends, len(p.buf))
	}
	all, from := string(p.buf), 0
	for k, end := range p.ends {
		texts[k], from = all[from:end], end
	}
	return nil
}

// fixed are values of one width.
type fixed struct{ data []byte }

func (f *fixed) append(buf []byte, t *valueText) ([]byte, error) {
	if len(f.data) < t.width {
		return buf, errRuns
	}
	raw := f.data[:t.width]
	f.data = f.data[t.width:]
	return t.raw(buf, raw), nil
}

// prefixed are values that each have their length before them.
type prefixed struct{ data []byte }

func (p *prefixed) append(buf []byte, t *valueText) ([]byte, error) {
	raw, rest, err := sized(p.data)
	if err != nil {
		return buf, err
	}
	p.data = rest
	return t.raw(buf, raw), nil
}

// split are values of one width of which all first bytes come first, then all
// second ones.
type split struct {
	data  []byte
	n, at int
	value []byte
}

func newSplit(data []byte, width, n int) (*split, error) {
	// A page that has nulls holds fewer values than rows.
	if len(data)%width != 0 || len(data)/width > n {
		return nil, errRuns
	}
	return &split{data, len(data) / width, 0, make([]byte, width)}, nil
}

func (s *split) append(buf []byte, t *valueText) ([]byte, error) {
	if s.at >= s.n {
		return buf, errRuns
	}
	for k := range s.value {
		s.value[k] = s.data[k*s.n+s.at]
	}
	s.at++
	return t.raw(buf, s.value), nil
}
