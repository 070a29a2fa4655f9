package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// frames gives Arrow's reader the frames of one message without copying. Each
// length is held against what is there before anything of it is used, which
// Arrow's own frame reader does not do.
type frames struct {
	rest []byte
	last *ipc.Message
}

var _ ipc.MessageReader = (*frames)(nil)

// A frame opens with this token and the length of its metadata.
const (
	frameToken  = 0xFFFFFFFF
	framePrefix = 8
)

// newFrames refuses a message whose schema is not, byte for byte, one of ours.
func newFrames(message []byte) (*frames, error) {
	for _, e := range []extras{{}, {level: true}, {pace: true}, {level: true, pace: true}} {
		var want bytes.Buffer
		if err := ipc.NewWriter(&want, ipc.WithSchema(schema(e))).Close(); err != nil {
			return nil, fmt.Errorf("encode schema: %w", err)
		}
		first := want.Bytes()[:want.Len()-framePrefix] // without the end mark
		if bytes.HasPrefix(message, first) {
			return &frames{rest: message}, nil
		}
	}
	return nil, fmt.Errorf("%w: another schema", ErrFormat)
}

// Message answers the next frame, io.EOF at the end mark.
func (f *frames) Message() (*ipc.Message, error) {
	if len(f.rest) < framePrefix || binary.LittleEndian.Uint32(f.rest) != frameToken {
		return nil, fmt.Errorf("%w: frame", ErrFormat)
	}
	n := uint64(binary.LittleEndian.Uint32(f.rest[4:]))
	f.rest = f.rest[framePrefix:]
	if n == 0 {
		return nil, io.EOF
	}
	meta, err := f.take(n)
	if err != nil {
		return nil, err
	}
	buf := memory.NewBufferBytes(meta)
	body, err := f.take(uint64(ipc.NewMessage(buf, memory.NewBufferBytes(nil)).BodyLen()))
	if err != nil {
		return nil, err
	}
	f.last = ipc.NewMessage(buf, memory.NewBufferBytes(body))
	return f.last, nil
}

func (f *frames) take(n uint64) ([]byte, error) {
	if n > uint64(len(f.rest)) {
		return nil, fmt.Errorf("%w: ends early", ErrFormat)
	}
	part := f.rest[:n:n]
	f.rest = f.rest[n:]
	return part, nil
}

// Retain does nothing: the collector owns the bytes.
func (f *frames) Retain() {}

// Release does nothing.
func (f *frames) Release() {}
