package lake

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"cohort/dataplane"
)

// Reject is a row that is no event, or an event that is not to be learnt from.
// It names the row's place at its source, never the student.
type Reject struct {
	At     string `json:"at"`     // place for a person: "log.csv, row 17"
	Column string `json:"column"` // may be empty: the whole row
	Reason string `json:"reason"`
}

// Place is where a person finds what is wrong.
func (r Reject) Place() string {
	if r.Column == "" {
		return r.At
	}
	return fmt.Sprintf("%s, column %q", r.At, r.Column)
}

// CompareRejects is the canonical order of rejects: by place, in which numbers
// count as numbers, then column and reason.
func CompareRejects(a, b Reject) int {
	return cmp.Or(comparePlaces(a.At, b.At), strings.Compare(a.At, b.At), strings.Compare(a.Column, b.Column), strings.Compare(a.Reason, b.Reason))
}

// comparePlaces compares texts, runs of digits in shortlex order.
func comparePlaces(a, b string) int {
	for a != "" && b != "" {
		na, nb := digits(a), digits(b)
		if na == 0 || nb == 0 {
			if a[0] != b[0] {
				return cmp.Compare(a[0], b[0])
			}
			a, b = a[1:], b[1:]
			continue
		}
		if c := dataplane.Shortlex(strings.TrimLeft(a[:na], "0"), strings.TrimLeft(b[:nb], "0")); c != 0 {
			return c
		}
		a, b = a[na:], b[nb:]
	}
	return cmp.Compare(len(a), len(b))
}

// digits is the length of the run of digits that s begins with.
func digits(s string) (n int) {
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// rejectsHeader is the first line of stored rejects.
type rejectsHeader struct {
	Version int `json:"version"`
	Rejects int `json:"rejects"`
}

// WriteRejects stores rejects as lines of JSON, gzip: a header, and one each in
// canonical order, which it brings all into. The order that they came in leaves
// no trace.
func WriteRejects(ctx context.Context, b Blobs, all []Reject) (hash string, err error) {
	slices.SortFunc(all, CompareRejects)
	r, w := io.Pipe()
	done := make(chan struct{})
	go func() { // ends with the last line, or when Put has closed the pipe
		defer close(done)
		w.CloseWithError(encodeRejects(w, all))
	}()
	hash, _, err = b.Put(ctx, r)
	_ = r.Close() // never fails
	<-done
	return hash, err
}

func encodeRejects(w io.Writer, all []Reject) error {
	z := gzip.NewWriter(w)
	out := bufio.NewWriterSize(z, 1<<16)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	if err := lines.Encode(rejectsHeader{manifestVersion, len(all)}); err != nil {
		return err
	}
	for k := range all {
		if err := lines.Encode(&all[k]); err != nil {
			return err
		}
	}
	if err := out.Flush(); err != nil {
		return err
	}
	return z.Close()
}

// ReadRejects visits stored rejects in canonical order. What is damaged is
// ErrCorrupt, found at the end at the latest.
func ReadRejects(ctx context.Context, b Blobs, hash string, visit func(Reject) error) (err error) {
	rc, err := b.Get(ctx, hash)
	if err != nil {
		return fmt.Errorf("rejects %s: %w", hash, err)
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	from := &noted{r: patient{ctx, rc}}
	err = decodeRejects(from, visit)
	if from.err != nil { // an outage, say, which the decoder takes for damage
		err = from.err
	}
	if err != nil {
		return fmt.Errorf("rejects %s: %w", hash, err)
	}
	return nil
}

// noted remembers what ended reading, but for the end.
type noted struct {
	r   io.Reader
	err error
}

func (n *noted) Read(p []byte) (int, error) {
	k, err := n.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		n.err = err
	}
	return k, err
}

func decodeRejects(r io.Reader, visit func(Reject) error) error {
	raw := bufio.NewReader(r)
	z, err := gzip.NewReader(raw)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	z.Multistream(false)
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 0, 1<<16), 8*dataplane.MaxLine)
	var header rejectsHeader
	if err := decodeLine(lines, &header); err != nil {
		return err
	}
	if header.Version != manifestVersion {
		return fmt.Errorf("%w: version %d, this binary reads %d", ErrCorrupt, header.Version, manifestVersion)
	}
	for range header.Rejects {
		var reject Reject
		if err := decodeLine(lines, &reject); err != nil {
			return err
		}
		if err := visit(reject); err != nil {
			return err
		}
	}
	if lines.Scan() {
		return fmt.Errorf("%w: more than %d rejects", ErrCorrupt, header.Rejects)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	// The reader checks the blob's hash where it ends.
	if n, err := io.Copy(io.Discard, raw); err != nil || n > 0 {
		return fmt.Errorf("%w: %d bytes follow the rejects: %w", ErrCorrupt, n, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	return nil
}

// decodeLine reads one line of JSON.
func decodeLine(lines *bufio.Scanner, to any) error {
	if !lines.Scan() {
		return fmt.Errorf("%w: it ends too early: %w", ErrCorrupt, cmp.Or(lines.Err(), io.ErrUnexpectedEOF))
	}
	if err := json.Unmarshal(lines.Bytes(), to); err != nil {
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return nil
}
