// Package batch encodes histories as Arrow IPC record batches, the form in
// which shards travel and rest. A message is one Arrow IPC stream of one record
// batch, zstd-compressed, with columns student (utf8), skill (list of int32),
// correct (list of uint8) and, where the histories have them, level and pace
// (lists of uint8).
package batch

import (
	"errors"
	"slices"

	"cohort/dataplane"

	"github.com/apache/arrow/go/v17/arrow"
)

// ErrFormat says that a message is not one of EncodeHistories.
var ErrFormat = errors.New("not a batch of histories")

// extras are the columns beside, of those that histories may have: one byte an
// answer each.
type extras struct{ level, pace bool }

func extrasOf(h dataplane.History) extras { return extras{h.Level != nil, h.Pace != nil} }

// names are those of the columns.
func (e extras) names() (all []string) {
	if e.level {
		all = append(all, "level")
	}
	if e.pace {
		all = append(all, "pace")
	}
	return all
}

// of are a history's, in the order of names.
func (e extras) of(h *dataplane.History) (all []*[]uint8) {
	if e.level {
		all = append(all, &h.Level)
	}
	if e.pace {
		all = append(all, &h.Pace)
	}
	return all
}

// schema of a message. Arrow's writers put it first in each.
func schema(e extras) *arrow.Schema {
	fields := []arrow.Field{
		{Name: "student", Type: arrow.BinaryTypes.String},
		{Name: "skill", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Int32)},
		{Name: "correct", Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Uint8)},
	}
	for _, name := range e.names() {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.ListOfNonNullable(arrow.PrimitiveTypes.Uint8)})
	}
	return arrow.NewSchema(fields, nil)
}

// Bytes a row takes before compression, besides its text and answers: three to
// five offsets, and then some.
const (
	rowBytes    = 32
	answerBytes = 5 // and one for each of the extras

	// rawLimit bounds a message before compression, which may not shrink it;
	// the rest of dataplane.MaxMessage is for Arrow's own framing.
	rawLimit = dataplane.MaxMessage - 32<<10
)

// Join merges neighbouring pieces of one student into one history.
func Join(pieces []dataplane.History) []dataplane.History {
	var out []dataplane.History
	for _, p := range pieces {
		if n := len(out); n > 0 && out[n-1].Student == p.Student {
			last := &out[n-1]
			last.Skill = append(slices.Clip(last.Skill), p.Skill...)
			last.Correct = append(slices.Clip(last.Correct), p.Correct...)
			e := extrasOf(p)
			for k, more := range e.of(&p) {
				to := e.of(last)[k]
				*to = append(slices.Clip(*to), *more...)
			}
			continue
		}
		out = append(out, p)
	}
	return out
}
