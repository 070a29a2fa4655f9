package lake

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"

	"cohort/coordinator/wire"
)

// WriteAttempts stores attempts of the attempt log, in order and without a gap, as
// the blob of a segment: JSON lines, zstd.
func WriteAttempts(ctx context.Context, blobs Blobs, attempts []wire.Attempt) (s wire.AttemptSegment, err error) {
	if len(attempts) == 0 {
		return s, errors.New("a segment of no attempts")
	}
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return s, fmt.Errorf("write segment: %w", err)
	}
	e := json.NewEncoder(z)
	for _, a := range attempts {
		if err := e.Encode(a); err != nil {
			return s, errors.Join(fmt.Errorf("write segment: %w", err), z.Close())
		}
	}
	if err := z.Close(); err != nil {
		return s, fmt.Errorf("write segment: %w", err)
	}
	s.First, s.Last = attempts[0].Seq, attempts[len(attempts)-1].Seq
	s.Hash, s.Bytes, err = blobs.Put(ctx, &b)
	return s, err
}

// maxAttempt bounds a line of a segment.
const maxAttempt = 1 << 20

// ReadAttempts visits the attempts of a segment, from s.First to s.Last.
func ReadAttempts(ctx context.Context, blobs Blobs, s wire.AttemptSegment, visit func(wire.Attempt) error) (err error) {
	rc, err := blobs.Get(ctx, s.Hash)
	if err != nil {
		return fmt.Errorf("open segment %d to %d: %w", s.First, s.Last, err)
	}
	defer rc.Close() //nolint:errcheck // read only
	from := &outcome{Reader: rc}
	z, err := zstd.NewReader(from, zstd.WithDecoderConcurrency(1))
	if err != nil {
		return fmt.Errorf("open segment %d to %d: %w", s.First, s.Last, err)
	}
	defer z.Close()
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, maxAttempt)
	next := s.First
	for ; lines.Scan(); next++ {
		var a wire.Attempt
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil || a.Seq != next || next > s.Last {
			return fmt.Errorf("%w: segment %d to %d is damaged: attempt %d is not where it should be", ErrCorrupt, s.First, s.Last, next)
		}
		if err := visit(a); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		if from.whole() {
			return fmt.Errorf("%w: read segment %d to %d: %w", ErrCorrupt, s.First, s.Last, err)
		}
		return fmt.Errorf("read segment %d to %d: %w", s.First, s.Last, err)
	}
	if next != s.Last+1 {
		return fmt.Errorf("%w: segment %d to %d is damaged: it ends before %d", ErrCorrupt, s.First, s.Last, next)
	}
	_, err = io.Copy(io.Discard, rc) // the hash is checked at the end
	return err
}

// outcome remembers how a reading went.
type outcome struct {
	io.Reader
	err error
}

func (o *outcome) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	o.err = err
	return n, err
}

// whole reports whether nothing was wrong but, at most, the bytes themselves.
func (o *outcome) whole() bool {
	return o.err == nil || errors.Is(o.err, io.EOF) || errors.Is(o.err, ErrCorrupt)
}
