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
	student, ok0 := rec.Column(0).(*array.String)
	skill, ok1 := rec.Column(1).(*array.List)
	correct, ok2 := rec.Column(2).(*array.List)
	if !ok0 || !ok1 || !ok2 || student.NullN()+skill.NullN()+correct.NullN() > 0 {
		return nil, fmt.Errorf("%w: columns", ErrFormat)
	}
	skills, right := skill.ListValues().(*array.Int32), correct.ListValues().(*array.Uint8)
	if skills.NullN()+right.NullN() > 0 {
		return nil, fmt.Errorf("%w: nulls", ErrFormat)
	}
	paces, err := pacesOf(rec)
	if err != nil {
		return nil, err
	}
	h := make([]dataplane.History, rec.NumRows())
	for i := range h {
		s0, s1 := skill.ValueOffsets(i)
		c0, c1 := correct.ValueOffsets(i)
		h[i] = dataplane.History{
			Student: strings.Clone(student.Value(i)),
			Skill:   slices.Clone(skills.Int32Values()[s0:s1]),
			Correct: slices.Clone(right.Uint8Values()[c0:c1]),
		}
		if paces != nil {
			h[i].Pace = paces(i)
		}
		if err := check(h[i]); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// pacesOf reads a row's paces; nil where the batch has none.
func pacesOf(rec arrow.Record) (func(row int) []uint8, error) {
	if rec.NumCols() < 4 {
		return nil, nil
	}
	pace, ok := rec.Column(3).(*array.List)
	if !ok || pace.NullN() > 0 {
		return nil, fmt.Errorf("%w: columns", ErrFormat)
	}
	values := pace.ListValues().(*array.Uint8)
	if values.NullN() > 0 {
		return nil, fmt.Errorf("%w: nulls", ErrFormat)
	}
	return func(row int) []uint8 {
		from, to := pace.ValueOffsets(row)
		return append([]uint8{}, values.Uint8Values()[from:to]...)
	}, nil
}

func check(h dataplane.History) error {
	if len(h.Skill) != len(h.Correct) {
		return fmt.Errorf("%w: %d skills, %d answers", ErrFormat, len(h.Skill), len(h.Correct))
	}
	if h.Pace != nil && len(h.Pace) != len(h.Skill) {
		return fmt.Errorf("%w: %d paces of %d answers", ErrFormat, len(h.Pace), len(h.Skill))
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
