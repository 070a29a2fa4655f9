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
// bytes. All of them have a pace, or none.
func EncodeHistories(h []dataplane.History) ([][]byte, error) {
	paced := len(h) > 0 && h[0].Pace != nil
	for _, v := range h {
		if len(v.Skill) != len(v.Correct) {
			return nil, fmt.Errorf("student %s: %d skills, %d answers", v.Student, len(v.Skill), len(v.Correct))
		}
		if (v.Pace != nil) != paced || paced && len(v.Pace) != len(v.Skill) {
			return nil, fmt.Errorf("student %s: %d paces of %d answers", v.Student, len(v.Pace), len(v.Skill))
		}
		if len(v.Student) > dataplane.MaxStudent {
			return nil, fmt.Errorf("masked student id of %d bytes", len(v.Student))
		}
	}
	var messages [][]byte
	for _, group := range groups(h, paced) {
		m, err := encode(group, paced)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// groups cuts histories into lists that fit a message each.
func groups(h []dataplane.History, paced bool) [][]dataplane.History {
	bytes := answerBytes
	if paced {
		bytes += paceBytes
	}
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
			if paced {
				piece.Pace, v.Pace = v.Pace[:fits], v.Pace[fits:]
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

func encode(h []dataplane.History, paced bool) ([]byte, error) {
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema(paced))
	defer b.Release()
	fill(b, h)
	if paced {
		fillPaces(b.Field(3).(*array.ListBuilder), h)
	}
	rec := b.NewRecord()
	defer rec.Release()
	return write(rec)
}

func fill(b *array.RecordBuilder, h []dataplane.History) {
	student := b.Field(0).(*array.StringBuilder)
	skill := b.Field(1).(*array.ListBuilder)
	correct := b.Field(2).(*array.ListBuilder)
	for _, v := range h {
		student.Append(v.Student)
		skill.Append(true)
		skill.ValueBuilder().(*array.Int32Builder).AppendValues(v.Skill, nil)
		correct.Append(true)
		correct.ValueBuilder().(*array.Uint8Builder).AppendValues(v.Correct, nil)
	}
}

func fillPaces(pace *array.ListBuilder, h []dataplane.History) {
	for _, v := range h {
		pace.Append(true)
		pace.ValueBuilder().(*array.Uint8Builder).AppendValues(v.Pace, nil)
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
