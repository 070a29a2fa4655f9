package collective

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
)

// A frame is a header of headerLen bytes and a payload, little-endian:
//
//	 0 magic     uint32  "CHR1"
//	 4 kind      uint8
//	 5 phase     uint8   of a reduction: scatter, gather
//	 6 rank      uint16  the sender's
//	 8 stage     uint64  first 8 bytes of SHA-256(job NUL stage)
//	16 round     uint64
//	24 epoch     uint32
//	28 step      uint32
//	32 call      uint32  number of the reduction, from 1; of a bye: reductions completed
//	36 total     uint32  elements of the vector; of a hello: members of the round
//	40 offset    uint32  first element of the payload; of a hello: the rank called; of an abort: the rank lost
//	44 length    uint32  of the payload, bytes
//	48 checksum  uint32  CRC-32C of bytes 0–47 and the payload
const (
	magic     = 0x31524843
	headerLen = 52
	sumAt     = 48

	chunkLen  = 256 << 10 // most bytes of a payload
	chunkVals = chunkLen / 8
	// maxTotal bounds a vector, in elements.
	maxTotal = 1 << 31
)

type kind uint8

const (
	kindHello kind = 1 // opens a connection, from both sides
	kindData  kind = 2
	kindBeat  kind = 3 // nothing to say, but alive
	kindBye   kind = 4 // this member needs nothing more
	kindAbort kind = 5 // the round failed; offset names the member lost
)

type phase uint8

const (
	phaseNone    phase = 0
	phaseScatter phase = 1 // parts for the owner of a span
	phaseGather  phase = 2 // sums from the owner of a span
)

type header struct {
	kind   kind
	phase  phase
	rank   uint16
	stage  uint64
	round  uint64
	epoch  uint32
	step   uint32
	call   uint32
	total  uint32
	offset uint32
	length uint32
}

// stageKey tells stages apart on the wire.
func stageKey(job, stage string) uint64 {
	sum := sha256.Sum256([]byte(job + "\x00" + stage))
	return binary.LittleEndian.Uint64(sum[:])
}

// seal writes h and the checksum over it and the payload b[headerLen:], whose
// length is h.length.
func seal(b []byte, h *header) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], magic)
	b[4], b[5] = byte(h.kind), byte(h.phase)
	le.PutUint16(b[6:], h.rank)
	le.PutUint64(b[8:], h.stage)
	le.PutUint64(b[16:], h.round)
	le.PutUint32(b[24:], h.epoch)
	le.PutUint32(b[28:], h.step)
	le.PutUint32(b[32:], h.call)
	le.PutUint32(b[36:], h.total)
	le.PutUint32(b[40:], h.offset)
	le.PutUint32(b[44:], h.length)
	le.PutUint32(b[sumAt:], checksum(b[:sumAt], b[headerLen:headerLen+int(h.length)]))
}

func checksum(head, payload []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // the library keeps one
	return crc32.Update(crc32.Update(0, table, head), table, payload)
}

// parse reads a header of headerLen bytes and checks all but the checksum.
func parse(b []byte) (header, error) {
	le := binary.LittleEndian
	if m := le.Uint32(b); m != magic {
		return header{}, fmt.Errorf("%w: magic %08x", ErrFrame, m)
	}
	h := header{
		kind: kind(b[4]), phase: phase(b[5]), rank: le.Uint16(b[6:]),
		stage: le.Uint64(b[8:]), round: le.Uint64(b[16:]),
		epoch: le.Uint32(b[24:]), step: le.Uint32(b[28:]), call: le.Uint32(b[32:]),
		total: le.Uint32(b[36:]), offset: le.Uint32(b[40:]), length: le.Uint32(b[44:]),
	}
	return h, h.check()
}

func (h *header) check() error {
	if h.kind < kindHello || h.kind > kindAbort {
		return fmt.Errorf("%w: kind %d", ErrFrame, h.kind)
	}
	if h.kind != kindData {
		if h.length != 0 || h.phase != phaseNone {
			return fmt.Errorf("%w: payload on kind %d", ErrFrame, h.kind)
		}
		return nil
	}
	if h.phase != phaseScatter && h.phase != phaseGather {
		return fmt.Errorf("%w: phase %d", ErrFrame, h.phase)
	}
	if h.length == 0 || h.length > chunkLen || h.length%8 != 0 {
		return fmt.Errorf("%w: length %d", ErrFrame, h.length)
	}
	if uint64(h.offset)+uint64(h.length/8) > uint64(h.total) || h.total > maxTotal {
		return fmt.Errorf("%w: %d values at %d of %d", ErrFrame, h.length/8, h.offset, h.total)
	}
	return nil
}

// readFrame reads one frame. The payload lies in buf, which holds chunkLen
// bytes. An error of r passes as it is, so that io.EOF means a clean end.
func readFrame(r io.Reader, head, buf []byte) (header, []byte, error) {
	if _, err := io.ReadFull(r, head[:headerLen]); err != nil {
		return header{}, nil, err
	}
	h, err := parse(head)
	if err != nil {
		return header{}, nil, err
	}
	payload := buf[:h.length]
	if _, err := io.ReadFull(r, payload); err != nil {
		return header{}, nil, fmt.Errorf("payload: %w", err)
	}
	if want, got := binary.LittleEndian.Uint32(head[sumAt:]), checksum(head[:sumAt], payload); want != got {
		return header{}, nil, fmt.Errorf("%w: checksum %08x, not %08x", ErrFrame, got, want)
	}
	return h, payload, nil
}

func putValues(b []byte, v []int64) {
	for i, x := range v {
		binary.LittleEndian.PutUint64(b[8*i:], uint64(x))
	}
}

func addValues(v []int64, b []byte) {
	for i := range v {
		v[i] += int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}

func copyValues(v []int64, b []byte) {
	for i := range v {
		v[i] = int64(binary.LittleEndian.Uint64(b[8*i:]))
	}
}
