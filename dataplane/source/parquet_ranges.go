package source

import (
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/parquet"
)

// tailBytes of a file are read at once: the footer of most.
const tailBytes = 64 << 10

// ranges reads parts of a content. It keeps the first failure, because the
// library does not look at all of those it meets.
type ranges struct {
	content content
	size    int64
	tail    []byte // the file's last bytes
	err     error
}

func (r *ranges) ReadAt(p []byte, off int64) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	if off < 0 || off > r.size-int64(len(p)) {
		return 0, fmt.Errorf("%w: it ends too early", errDamaged)
	}
	if r.tail == nil {
		tail := make([]byte, min(r.size, tailBytes))
		if _, r.err = r.content.ReadAt(tail, r.size-int64(len(tail))); r.err != nil {
			return 0, r.err
		}
		r.tail = tail
	}
	if from := off - (r.size - int64(len(r.tail))); from >= 0 {
		return copy(p, r.tail[from:]), nil
	}
	n, err := r.content.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	r.err = err
	return n, err
}

// seeker is what the library wants of a file.
func (r *ranges) seeker() parquet.ReaderAtSeeker { return io.NewSectionReader(r, 0, r.size) }

// pieceBytes of a column are read at once.
const pieceBytes = 8 << 20

// chunkReader reads a column's bytes from at to end. A read beyond the end is
// an error and not an io.EOF, over which the library would pass.
type chunkReader struct {
	src     *ranges
	at, end int64
	ahead   []byte // read and not used
	short   bool   // more was asked for than there is
}

var _ parquet.BufferedReader = (*chunkReader)(nil)

// fetch makes n bytes lie ahead, or as many as there are.
func (c *chunkReader) fetch(n int) error {
	if len(c.ahead) >= n || c.at == c.end {
		return nil
	}
	more := min(max(int64(n-len(c.ahead)), pieceBytes), c.end-c.at)
	next := make([]byte, len(c.ahead)+int(more))
	copy(next, c.ahead)
	if _, err := c.src.ReadAt(next[len(c.ahead):], c.at); err != nil {
		return err
	}
	c.at, c.ahead = c.at+more, next
	return nil
}

// Peek shows the next n bytes, or those that are left.
func (c *chunkReader) Peek(n int) ([]byte, error) {
	err := c.fetch(n)
	return c.ahead[:min(n, len(c.ahead))], err
}

// Discard passes over n bytes.
func (c *chunkReader) Discard(n int) (int, error) {
	if err := c.fetch(n); err != nil {
		return 0, err
	}
	if n > len(c.ahead) {
		c.short = true
		n = len(c.ahead)
	}
	c.ahead = c.ahead[n:]
	return n, nil
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if err := c.fetch(1); err != nil {
		return 0, err
	}
	if len(c.ahead) == 0 && len(p) > 0 {
		c.short = true
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, c.ahead)
	c.ahead = c.ahead[n:]
	return n, nil
}
