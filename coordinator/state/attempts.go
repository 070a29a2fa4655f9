package state

import (
	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// The attempt log. Its tail is here whole; older attempts are in segments, which
// are blobs. An attempt counts once by its student and ID: both are known of the
// tail and of the newest KeepKnown of the sealed ones. (A gateway that has indexed
// the segments knows all of them, and sends none of those here again.)

const (
	tableAttempts = "attempts"
	tableSegments = "attempt_segments"
	tableKnown    = "attempt_ids"
	tableLog      = "attempt_log"
)

// attempt is one of the tail.
type attempt struct {
	wire.Attempt
	Index uint64 `json:"index"`   // of the command that brought it
	Come  int64  `json:"come_ms"` // when
}

func attemptSchemas() []*memdb.TableSchema {
	return []*memdb.TableSchema{
		table(tableLog, index("id", true, func(*wire.AttemptLog) []byte { return text("log") })),
		table(tableSegments, index("id", true, func(s *wire.AttemptSegment) []byte { return number(s.First) })),
		table(tableKnown, index("id", true, func(b *block) []byte { return number(b.First) })),
		table(tableAttempts,
			index("id", true, func(a *attempt) []byte { return number(a.Seq) }),
			index("name", true, func(a *attempt) []byte { return text(a.Student, a.ID) }),
			index("student", false, func(a *attempt) []byte { return append(text(a.Student), number(a.Seq)...) })),
	}
}

// attemptRecord is an empty record of a table here, or nil.
func attemptRecord(name string) any {
	switch name {
	case tableLog:
		return &wire.AttemptLog{}
	case tableSegments:
		return &wire.AttemptSegment{}
	case tableKnown:
		return &block{}
	case tableAttempts:
		return &attempt{}
	}
	return nil
}

func attemptLog(txn *memdb.Txn) wire.AttemptLog {
	if l := first[wire.AttemptLog](txn, tableLog, "id", "log"); l != nil {
		return *l
	}
	return wire.AttemptLog{}
}

// appendAttempts takes what the log does not know, in the order it is in.
func (t *tx) appendAttempts(c wire.AppendAttempts) (string, *wire.Error) {
	l := attemptLog(t.Txn)
	for k, a := range c.Attempts {
		if a.ID == "" || a.Student == "" || a.Skill == "" {
			return "", refuse(wire.CodeInvalid, "attempts[%d]: an id, a student and a skill are needed", k)
		}
		if _, there := logged(t.Txn, a.Student, a.ID); there {
			continue
		}
		l.Last++
		if a.Seq = l.Last; a.Time == 0 {
			// No two are given the same time, so that an extraction, which orders by
			// it, keeps the order of the log.
			l.Time = max(t.now*1000, l.Time+1)
			a.Time = l.Time
		}
		if l.Oldest == 0 {
			l.Oldest = t.now
		}
		t.put(tableAttempts, &attempt{a, t.index, t.now})
	}
	t.put(tableLog, &l)
	return "", nil
}

// logged finds an attempt, in the tail or among the sealed ones still known.
func logged(txn *memdb.Txn, student, id string) (wire.Logged, bool) {
	if a := first[attempt](txn, tableAttempts, "name", student, id); a != nil {
		return wire.Logged{Seq: a.Seq, Index: a.Index}, true
	}
	seq, ok := knownSeq(txn, student, id)
	return wire.Logged{Seq: seq}, ok
}

// sealAttempts replaces the start of the tail by a segment.
func (t *tx) sealAttempts(c wire.SealAttempts) (string, *wire.Error) {
	s, l := c.Segment, attemptLog(t.Txn)
	switch {
	case s.First != l.Sealed+1:
		return "", refuse(wire.CodeConflict, "the log is sealed up to %d: a segment from %d does not follow", l.Sealed, s.First)
	case s.Last < s.First || s.Last > l.Last:
		return "", refuse(wire.CodeInvalid, "a segment from %d to %d; the log ends at %d", s.First, s.Last, l.Last)
	case s.Hash == "":
		return "", refuse(wire.CodeInvalid, "a segment needs the hash of its blob")
	}
	sealed := make([]*attempt, 0, s.Last-s.First+1)
	for seq := s.First; seq <= s.Last; seq++ {
		a := first[attempt](t.Txn, tableAttempts, "id", seq)
		must(0, t.Delete(tableAttempts, a))
		sealed = append(sealed, a)
	}
	l.Known = t.know(sealed)
	if l.Sealed, l.Oldest = s.Last, 0; l.Sealed < l.Last {
		l.Oldest = first[attempt](t.Txn, tableAttempts, "id", s.Last+1).Come
	}
	s.CreateIndex, s.ModifyIndex = t.index, t.index
	t.put(tableSegments, &s)
	t.put(tableLog, &l)
	return "", nil
}
