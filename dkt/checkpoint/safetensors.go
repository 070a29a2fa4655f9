// Package checkpoint keeps weights and whole training states as safetensors
// files (huggingface.co/docs/safetensors): eight bytes of header length, a JSON
// header, the tensors. The header's metadata carries everything that is no
// tensor, and the SHA-256 of the data, which every reader checks.
package checkpoint

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"cohort/kernels"
)

// ErrCorrupt is wrapped by every error about a file that is not as written.
var ErrCorrupt = errors.New("checkpoint is corrupt")

// Limits on what a reader takes in.
const (
	maxHeader = 16 << 20
	maxData   = 8 << 30
)

// tensor is one named float32 array.
type tensor struct {
	name  string
	shape []int
	data  []float32
}

// entry is a tensor as the header lists it.
type entry struct {
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

const (
	metaKey = "__metadata__"
	hashKey = "data_sha256"
)

// headerOf is a file's bytes before its data.
func headerOf(tensors []tensor, meta map[string]string) ([]byte, error) {
	header := map[string]any{}
	var at int64
	sum := sha256.New()
	for _, t := range tensors {
		to := at + 4*int64(len(t.data))
		header[t.name] = entry{"F32", t.shape, [2]int64{at, to}}
		at = to
		kernels.HashFloats(sum, t.data)
	}
	meta[hashKey] = hex.EncodeToString(sum.Sum(nil))
	header[metaKey] = meta
	text, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("encode checkpoint header: %w", err)
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	return append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), nil
}

// contents is what a file holds: its tensors one after another in data.
type contents struct {
	entries map[string]entry
	data    []float32
	meta    map[string]string
}

// read reads a File's bytes, and refuses anything else.
func read(from io.Reader) (*contents, error) {
	r := bufio.NewReaderSize(from, window)
	header, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	c := &contents{entries: map[string]entry{}}
	if err := json.Unmarshal(header[metaKey], &c.meta); err != nil {
		return nil, fmt.Errorf("%w: metadata: %w", ErrCorrupt, err)
	}
	delete(header, metaKey)
	for name, text := range header {
		var e entry
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("%w: tensor %q: %w", ErrCorrupt, name, err)
		}
		c.entries[name] = e
	}
	size, err := c.size()
	if err != nil {
		return nil, err
	}
	return c, c.readData(r, size)
}

func readHeader(r io.Reader) (map[string]json.RawMessage, error) {
	var size [8]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, fmt.Errorf("%w: no header: %w", ErrCorrupt, err)
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > maxHeader {
		return nil, fmt.Errorf("%w: a header of %d bytes", ErrCorrupt, n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrCorrupt, err)
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(text, &header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrCorrupt, err)
	}
	return header, nil
}

// size is that of the data, in bytes; the tensors must cover it without gaps.
func (c *contents) size() (at int64, err error) {
	names := make([]string, 0, len(c.entries))
	for name, e := range c.entries {
		if !e.ok() {
			return 0, fmt.Errorf("%w: tensor %q is %s %v at %v", ErrCorrupt, name, e.Type, e.Shape, e.Offsets)
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(c.entries[a].Offsets[1], c.entries[b].Offsets[1]) })
	for _, name := range names {
		e := c.entries[name]
		if e.Offsets[0] != at {
			return 0, fmt.Errorf("%w: tensor %q begins at byte %d, not %d", ErrCorrupt, name, e.Offsets[0], at)
		}
		at = e.Offsets[1]
	}
	return at, nil
}

// ok reports whether an entry's shape is its size.
func (e entry) ok() bool {
	count := int64(1)
	for _, d := range e.Shape {
		if d < 0 || int64(d) > maxData || count > maxData/max(int64(d), 1) {
			return false
		}
		count *= int64(d)
	}
	from, to := e.Offsets[0], e.Offsets[1]
	return e.Type == "F32" && from >= 0 && to <= maxData && to-from == 4*count
}

// readData reads size bytes of data, which must be all that is left. What a
// header claims is allocated as it arrives.
func (c *contents) readData(r io.Reader, size int64) error {
	sum, piece := sha256.New(), make([]byte, window)
	for left := size; left > 0; {
		p := piece[:min(left, window)]
		switch _, err := io.ReadFull(r, p); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return fmt.Errorf("%w: less than %d bytes of data", ErrCorrupt, size)
		case err != nil:
			return fmt.Errorf("read checkpoint: %w", err)
		}
		sum.Write(p)
		if len(c.data)+len(p)/4 > cap(c.data) {
			c.data = slices.Grow(c.data, int(min(size/4-int64(len(c.data)), max(int64(len(c.data)), window))))
		}
		for ; len(p) > 0; p = p[4:] {
			c.data = append(c.data, math.Float32frombits(binary.LittleEndian.Uint32(p)))
		}
		left -= min(left, window)
	}
	switch _, err := io.ReadFull(r, piece[:1]); {
	case err == nil:
		return fmt.Errorf("%w: more than %d bytes of data", ErrCorrupt, size)
	case !errors.Is(err, io.EOF):
		return fmt.Errorf("read checkpoint: %w", err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != c.meta[hashKey] {
		return fmt.Errorf("%w: its data hash to %s, not %q", ErrCorrupt, got, c.meta[hashKey])
	}
	return nil
}
