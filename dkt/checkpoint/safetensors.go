// Package checkpoint keeps weights and whole training states as safetensors
// files (huggingface.co/docs/safetensors): eight bytes of header length, a JSON
// header, the tensors. The header's metadata carries everything that is no
// tensor, and the SHA-256 of the data, which every reader checks.
package checkpoint

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
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

// write writes tensors and metadata.
func write(w io.Writer, tensors []tensor, meta map[string]string) error {
	header := map[string]any{}
	var data bytes.Buffer
	for _, t := range tensors {
		from := int64(data.Len())
		for _, v := range t.data {
			data.Write(binary.LittleEndian.AppendUint32(data.AvailableBuffer(), math.Float32bits(v)))
		}
		header[t.name] = entry{"F32", t.shape, [2]int64{from, int64(data.Len())}}
	}
	sum := sha256.Sum256(data.Bytes())
	meta[hashKey] = hex.EncodeToString(sum[:])
	header[metaKey] = meta
	text, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("encode checkpoint header: %w", err)
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	for _, part := range [][]byte{binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, data.Bytes()} {
		if _, err := w.Write(part); err != nil {
			return fmt.Errorf("write checkpoint: %w", err)
		}
	}
	return nil
}

// read reads what write wrote, and refuses anything else.
func read(r io.Reader) (map[string]tensor, map[string]string, error) {
	var size [8]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, nil, fmt.Errorf("%w: no header: %w", ErrCorrupt, err)
	}
	n := binary.LittleEndian.Uint64(size[:])
	if n > maxHeader {
		return nil, nil, fmt.Errorf("%w: a header of %d bytes", ErrCorrupt, n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, nil, fmt.Errorf("%w: header: %w", ErrCorrupt, err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, nil, fmt.Errorf("%w: header: %w", ErrCorrupt, err)
	}
	var meta map[string]string
	if err := json.Unmarshal(raw[metaKey], &meta); err != nil {
		return nil, nil, fmt.Errorf("%w: metadata: %w", ErrCorrupt, err)
	}
	delete(raw, metaKey)
	data, err := io.ReadAll(io.LimitReader(r, maxData))
	if err != nil {
		return nil, nil, fmt.Errorf("read checkpoint: %w", err)
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != meta[hashKey] {
		return nil, nil, fmt.Errorf("%w: its data hash to %s, not %q", ErrCorrupt, got, meta[hashKey])
	}
	tensors := map[string]tensor{}
	for name, b := range raw {
		t, err := decode(name, b, data)
		if err != nil {
			return nil, nil, err
		}
		tensors[name] = t
	}
	return tensors, meta, nil
}

func decode(name string, header json.RawMessage, data []byte) (tensor, error) {
	var e entry
	if err := json.Unmarshal(header, &e); err != nil {
		return tensor{}, fmt.Errorf("%w: tensor %q: %w", ErrCorrupt, name, err)
	}
	count := int64(1)
	for _, d := range e.Shape {
		if d < 0 || int64(d) > maxData || count > maxData/max(int64(d), 1) {
			return tensor{}, fmt.Errorf("%w: tensor %q has shape %v", ErrCorrupt, name, e.Shape)
		}
		count *= int64(d)
	}
	from, to := e.Offsets[0], e.Offsets[1]
	if e.Type != "F32" || from < 0 || to < from || to > int64(len(data)) || to-from != 4*count {
		return tensor{}, fmt.Errorf("%w: tensor %q is %s %v at %v of %d bytes", ErrCorrupt, name, e.Type, e.Shape, e.Offsets, len(data))
	}
	t := tensor{name: name, shape: e.Shape, data: make([]float32, count)}
	for k := range t.data {
		t.data[k] = math.Float32frombits(binary.LittleEndian.Uint32(data[from+4*int64(k):]))
	}
	return t, nil
}
