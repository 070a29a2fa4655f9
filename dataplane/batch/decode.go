package batch

import (
	"fmt"
	"slices"
	"strings"

	"cohort/dataplane"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// DecodeHistories reads one message. Bytes that are not one give ErrFormat;
// none makes it panic or take more than a bounded amount of memory.
func DecodeHistories(message []byte) (h []dataplane.History, err error) {
	defer func() {
		// Arrow's reader panics on damaged offsets and lengths.
		if p := recover(); p != nil {
			h, err = nil, fmt.Errorf("%w: %v", ErrFormat, firstLine(p))
		}
	}()
	if len(message) > dataplane.MaxPayload {
		return nil, fmt.Errorf("%w: %d bytes", ErrFormat, len(message))
	}
	mem := &bounded{Allocator: memory.DefaultAllocator, left: decodeLimit}
	in, err := newFrames(message)
	if err != nil {
		return nil, err
	}
	r, err := ipc.NewReaderFromMessageReader(in, ipc.WithAllocator(mem))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrFormat, firstLine(err))
	}
	defer r.Release()
	for r.Next() {
		more, err := rows(r.Record())
		if err != nil {
			return nil, err
		}
		h = append(h, more...)
	}
	if r.Err() != nil {
		return nil, fmt.Errorf("%w: %s", ErrFormat, firstLine(r.Err()))
	}
	return h, nil
}

// firstLine keeps errors to one line: Arrow's recovered ones hold a stack.
func firstLine(v any) string {
	line, _, _ := strings.Cut(fmt.Sprint(v), "\n")
	return line
}

func rows(rec arrow.Record) ([]dataplane.History, error) {
	student, ok := rec.Column(0).(*array.String)
	if !ok || student.NullN() > 0 {
		return nil, fmt.Errorf("%w: columns", ErrFormat)
	}
	h := make([]dataplane.History, rec.NumRows())
	for i := range h {
		h[i].Student = strings.Clone(student.Value(i))
	}
	for c, field := range rec.Schema().Fields()[1:] {
		list, ok := rec.Column(1 + c).(*array.List)
		if !ok || list.NullN()+list.ListValues().NullN() > 0 {
			return nil, fmt.Errorf("%w: column %s", ErrFormat, field.Name)
		}
		for i := range h {
			from, to := list.ValueOffsets(i)
			if field.Name == "skill" {
				h[i].Skill = slices.Clone(list.ListValues().(*array.Int32).Int32Values()[from:to])
				continue
			}
			column := map[string]*[]uint8{"correct": &h[i].Correct, "level": &h[i].Level, "pace": &h[i].Pace}[field.Name]
			*column = slices.Clone(list.ListValues().(*array.Uint8).Uint8Values()[from:to])
		}
	}
	for _, v := range h {
		if err := check(v); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func check(h dataplane.History) error {
	e := extrasOf(h)
	for _, column := range append(e.of(&h), &h.Correct) {
		if len(*column) != len(h.Skill) {
			return fmt.Errorf("%w: %d skills, %d answers", ErrFormat, len(h.Skill), len(*column))
		}
	}
	for i, s := range h.Skill {
		if s < 0 || h.Correct[i] > 1 {
			return fmt.Errorf("%w: skill %d, answer %d", ErrFormat, s, h.Correct[i])
		}
	}
	return nil
}

// decodeLimit bounds what one message may unpack to.
const decodeLimit = 64 << 20

// bounded panics, to be recovered above, when a message asks for too much.
type bounded struct {
	memory.Allocator
	left int
}

func (b *bounded) take(n int) {
	if n < 0 || n > b.left {
		panic("a message unpacks to too much")
	}
	b.left -= n
}

func (b *bounded) Allocate(size int) []byte {
	b.take(size)
	return b.Allocator.Allocate(size)
}

func (b *bounded) Reallocate(size int, old []byte) []byte {
	b.take(max(0, size-len(old)))
	return b.Allocator.Reallocate(size, old)
}
