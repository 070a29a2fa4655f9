package batch

import (
	"bytes"
	"fmt"

	"cohort/dataplane"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/ipc"
	"github.com/apache/arrow/go/v17/arrow/memory"
)

// EncodeHistories answers messages of at most dataplane.MaxMessage bytes, each
// complete in itself. A history too long for one is cut into pieces that follow
// one another; Join puts them together again. The same histories give the same
// bytes. All of them have a level, or none, and a pace.
func EncodeHistories(h []dataplane.History) ([][]byte, error) {
	var e extras
	if len(h) > 0 {
		e = extrasOf(h[0])
	}
	for _, v := range h {
		if len(v.Skill) != len(v.Correct) {
			return nil, fmt.Errorf("student %s: %d skills, %d answers", v.Student, len(v.Skill), len(v.Correct))
		}
		if extrasOf(v) != e {
			return nil, fmt.Errorf("student %s has other columns than the one before", v.Student)
		}
		for k, extra := range e.of(&v) {
			if len(*extra) != len(v.Skill) {
				return nil, fmt.Errorf("student %s: %s of %d of %d answers", v.Student, e.names()[k], len(*extra), len(v.Skill))
			}
		}
		if len(v.Student) > dataplane.MaxStudent {
			return nil, fmt.Errorf("masked student id of %d bytes", len(v.Student))
		}
	}
	var messages [][]byte
	for _, group := range groups(h, e) {
		m, err := encode(group, e)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// groups cuts histories into lists that fit a message each.
func groups(h []dataplane.History, e extras) [][]dataplane.History {
	bytes := answerBytes + len(e.names())
	var all [][]dataplane.History
	var now []dataplane.History
	room := rawLimit
	for _, v := range h {
		for {
			fits := (room - rowBytes - len(v.Student)) / bytes
			if fits >= len(v.Skill) {
				break
			}
			if len(now) > 0 {
				all, now, room = append(all, now), nil, rawLimit
				continue
			}
			piece := dataplane.History{Student: v.Student, Skill: v.Skill[:fits], Correct: v.Correct[:fits]}
			v.Skill, v.Correct = v.Skill[fits:], v.Correct[fits:]
			cut := e.of(&piece)
			for k, rest := range e.of(&v) {
				*cut[k], *rest = (*rest)[:fits], (*rest)[fits:]
			}
			all = append(all, []dataplane.History{piece})
		}
		now = append(now, v)
		room -= rowBytes + len(v.Student) + bytes*len(v.Skill)
	}
	if len(now) > 0 {
		all = append(all, now)
	}
	return all
}

func encode(h []dataplane.History, e extras) ([]byte, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema(e))
	defer b.Release()
	fill(b, h, e)
	rec := b.NewRecord()
	defer rec.Release()
	return write(rec)
}

func fill(b *array.RecordBuilder, h []dataplane.History, e extras) {
	student := b.Field(0).(*array.StringBuilder)
	skill := b.Field(1).(*array.ListBuilder)
	correct := b.Field(2).(*array.ListBuilder)
	for _, v := range h {
		student.Append(v.Student)
		skill.Append(true)
		skill.ValueBuilder().(*array.Int32Builder).AppendValues(v.Skill, nil)
		correct.Append(true)
		correct.ValueBuilder().(*array.Uint8Builder).AppendValues(v.Correct, nil)
		for k, extra := range e.of(&v) {
			column := b.Field(3 + k).(*array.ListBuilder)
			column.Append(true)
			column.ValueBuilder().(*array.Uint8Builder).AppendValues(*extra, nil)
		}
	}
}

func write(rec arrow.Record) ([]byte, error) {
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(rec.Schema()), ipc.WithZstd(), ipc.WithCompressConcurrency(1))
	if err := w.Write(rec); err != nil {
		return nil, fmt.Errorf("encode record batch: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("end record batch: %w", err)
	}
	if out.Len() > dataplane.MaxMessage {
		return nil, fmt.Errorf("message of %d bytes passes the limit of %d", out.Len(), dataplane.MaxMessage)
	}
	return out.Bytes(), nil
}
