package source

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// runs reads Parquet's hybrid of repeated and bit-packed values of one width,
// 0 to 32 bits.
type runs struct {
	data  []byte
	width int
	left  int    // values of the run at hand
	value uint32 // repeated, when bits is nil
	bits  []byte // packed, lowest bit first
	at    int    // bit that the next value begins at
}

func newRuns(data []byte, width int) *runs { return &runs{data: data, width: width} }

// packed are bits without a header.
func packed(data []byte, width int) *runs {
	return &runs{width: width, bits: data, left: len(data) * 8 / width}
}

// levelWidth is the bits that a level up to most takes.
func levelWidth(most uint32) int { return bits.Len32(most) }

// sized takes bytes that have their length before them.
func sized(data []byte) (part, rest []byte, err error) {
	if len(data) < 4 || uint64(binary.LittleEndian.Uint32(data)) > uint64(len(data)-4) {
		return nil, nil, fmt.Errorf("%w: a part is longer than its page", errDamaged)
	}
	end := 4 + int(binary.LittleEndian.Uint32(data))
	return data[4:end], data[end:], nil
}

// read fills out.
func (r *runs) read(out []uint32) error {
	for len(out) > 0 {
		if r.left == 0 {
			if err := r.next(); err != nil {
				return err
			}
		}
		n := min(len(out), r.left)
		if r.bits != nil {
			r.at = unpack(out[:n], r.bits, r.at, r.width)
		} else {
			for k := range out[:n] {
				out[k] = r.value
			}
		}
		r.left, out = r.left-n, out[n:]
	}
	return nil
}

// next reads a run's header.
func (r *runs) next() error {
	header, size := binary.Uvarint(r.data)
	if size <= 0 || header>>1 > 1<<31 {
		return errRuns
	}
	r.data = r.data[size:]
	n := int(header >> 1)
	if header&1 == 1 {
		// The last group may be cut off behind its last value.
		size = min(n*r.width, len(r.data))
		r.bits, r.data, r.at, r.left = r.data[:size], r.data[size:], 0, n*8
		if r.width > 0 {
			r.left = min(r.left, size*8/r.width)
		}
		return nil
	}
	size = (r.width + 7) / 8
	if size > len(r.data) {
		return errRuns
	}
	r.value, r.bits, r.left = 0, nil, n
	for k := range size {
		r.value |= uint32(r.data[k]) << (8 * k)
	}
	r.data = r.data[size:]
	return nil
}

var errRuns = fmt.Errorf("%w: a page holds fewer values than it says", errDamaged)

// unpack reads values of width bits, at most 32, from bit at on; all of them lie
// in data. It answers the bit behind them.
func unpack(out []uint32, data []byte, at, width int) int {
	mask := uint64(1)<<width - 1
	for k := range out {
		out[k] = uint32(word(data, at>>3) >> (at & 7) & mask)
		at += width
	}
	return at
}

// word is 8 bytes from one on, with zeroes behind the last.
func word(data []byte, from int) uint64 {
	if from+8 <= len(data) {
		return binary.LittleEndian.Uint64(data[from:])
	}
	var last [8]byte
	if from < len(data) {
		copy(last[:], data[from:])
	}
	return binary.LittleEndian.Uint64(last[:])
}

// indexed gives texts by number.
type indexed struct {
	texts  []string
	runs   *runs
	number []uint32 // reused
}

func newIndexed(texts []string, data []byte, width int) (*indexed, error) {
	if width > 32 {
		return nil, fmt.Errorf("%w: numbers of %d bits", errDamaged, width)
	}
	return &indexed{texts, newRuns(data, width), nil}, nil
}

func (x *indexed) read(texts []string) error {
	if len(x.number) < len(texts) {
		x.number = make([]uint32, max(len(texts), batchRows))
	}
	number := x.number[:len(texts)]
	if err := x.runs.read(number); err != nil {
		return err
	}
	for k, n := range number {
		if int(n) >= len(x.texts) {
			return fmt.Errorf("%w: value %d of a dictionary of %d", errDamaged, n, len(x.texts))
		}
		texts[k] = x.texts[n]
	}
	return nil
}
