package source

import (
	"encoding/binary"
	"fmt"
)

// deltas are whole numbers, each as the difference to the one before it, bit
// packed in blocks.
type deltas struct {
	data         []byte
	minis, size  int // miniblocks of a block, and values of one
	left         uint64
	value, least int64
	widths       []byte // of the miniblocks that are left of the block
	bits         []byte // of the miniblock at hand
	width, at, k int    // k: values that are left of it
	first        bool
}

func newDeltas(data []byte) (*deltas, error) {
	d := &deltas{data: data, first: true}
	block, minis := d.uvarint(), d.uvarint()
	d.left = d.uvarint()
	d.value = d.varint()
	if d.data == nil || minis == 0 || minis > 1<<10 || block == 0 || block > 1<<20 || block%(minis*8) != 0 {
		return nil, errDeltas
	}
	d.minis, d.size = int(minis), int(block/minis)
	return d, nil
}

var errDeltas = fmt.Errorf("%w: a page of differences cannot be read", errDamaged)

// uvarint reads a number; a nil data says that there was none.
func (d *deltas) uvarint() uint64 {
	v, size := binary.Uvarint(d.data)
	if d.data = d.data[max(size, 0):]; size <= 0 {
		d.data = nil
	}
	return v
}

func (d *deltas) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (d *deltas) next() (int64, error) {
	if d.left == 0 {
		return 0, errDeltas
	}
	d.left--
	if d.first {
		d.first = false
		return d.value, nil
	}
	if d.k == 0 {
		if err := d.mini(); err != nil {
			return 0, err
		}
	}
	v := word(d.bits, d.at>>3) >> (d.at & 7)
	if over := d.at&7 + d.width - 64; over > 0 { // its last bits lie in a ninth byte
		v |= word(d.bits, d.at>>3+8) << (64 - d.at&7)
	}
	if d.width < 64 {
		v &= 1<<d.width - 1
	}
	d.at += d.width
	d.k--
	d.value += d.least + int64(v)
	return d.value, nil
}

// mini starts the next miniblock.
func (d *deltas) mini() error {
	if len(d.widths) == 0 {
		if d.least = d.varint(); d.data == nil || len(d.data) < d.minis {
			return errDeltas
		}
		d.widths, d.data = d.data[:d.minis], d.data[d.minis:]
	}
	d.width, d.widths = int(d.widths[0]), d.widths[1:]
	// The last miniblock may be cut off behind its last value.
	size := min(d.width*d.size/8, len(d.data))
	if d.width > 64 || uint64(size)*8 < min(uint64(d.size), d.left+1)*uint64(d.width) {
		return errDeltas
	}
	d.bits, d.data, d.at, d.k = d.data[:size], d.data[size:], 0, d.size
	return nil
}

func (d *deltas) append(buf []byte, t *valueText) ([]byte, error) {
	v, err := d.next()
	if t.width == 4 {
		v = int64(int32(v)) // differences wrap round
	}
	return t.whole(buf, v), err
}

// rest reads all that is left, at most n numbers, and what lies behind them.
func (d *deltas) all(n int) (values []int64, rest []byte, err error) {
	if d.left > uint64(n) {
		return nil, nil, errDeltas
	}
	values = make([]int64, d.left)
	for k := range values {
		if values[k], err = d.next(); err != nil {
			return nil, nil, err
		}
	}
	return values, d.data, nil
}

// lengths are texts behind the lengths of all of them.
type lengths struct {
	lengths []int64
	data    []byte
}

func newLengths(data []byte, n int) (*lengths, error) {
	d, err := newDeltas(data)
	if err != nil {
		return nil, err
	}
	all, rest, err := d.all(n)
	return &lengths{all, rest}, err
}

func (l *lengths) next() ([]byte, error) {
	if len(l.lengths) == 0 || l.lengths[0] < 0 || l.lengths[0] > int64(len(l.data)) {
		return nil, errRuns
	}
	n := l.lengths[0]
	raw := l.data[:n]
	l.lengths, l.data = l.lengths[1:], l.data[n:]
	return raw, nil
}

func (l *lengths) append(buf []byte, t *valueText) ([]byte, error) {
	raw, err := l.next()
	if err != nil {
		return buf, err
	}
	return t.raw(buf, raw), nil
}

// prefixes are texts of which each begins as the one before it does.
type prefixes struct {
	shared []int64
	ends   *lengths
	last   []byte
}

func newPrefixes(data []byte, n int) (*prefixes, error) {
	d, err := newDeltas(data)
	if err != nil {
		return nil, err
	}
	shared, rest, err := d.all(n)
	if err != nil {
		return nil, err
	}
	ends, err := newLengths(rest, n)
	return &prefixes{shared, ends, nil}, err
}

func (p *prefixes) append(buf []byte, t *valueText) ([]byte, error) {
	if len(p.shared) == 0 || p.shared[0] < 0 || p.shared[0] > int64(len(p.last)) {
		return buf, errRuns
	}
	end, err := p.ends.next()
	if err != nil {
		return buf, err
	}
	p.last = append(p.last[:p.shared[0]], end...)
	p.shared = p.shared[1:]
	if len(p.last) > pageMost || t.width > 0 && len(p.last) != t.width {
		return buf, errRuns
	}
	return t.raw(buf, p.last), nil
}
