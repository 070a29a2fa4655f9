package state

import "cohort/coordinator/wire"

// AttemptLog is where the attempt log stands.
func (v *View) AttemptLog() wire.AttemptLog { return attemptLog(v.txn) }

// Logged finds an attempt by its student and ID: one of the tail, or of the
// newest KeepKnown that are sealed.
func (v *View) Logged(student, id string) (wire.Logged, bool) { return logged(v.txn, student, id) }

// AttemptsOf are a student's attempts that are in no segment, in order.
func (v *View) AttemptsOf(student string) []wire.Attempt {
	var found []wire.Attempt
	for a := range each[attempt](v, tableAttempts, "student", student) {
		found = append(found, a.Attempt)
	}
	return found
}

// AttemptTail are up to limit of the oldest attempts that are in no segment; 0
// is all.
func (v *View) AttemptTail(limit int) []wire.Attempt {
	var found []wire.Attempt
	for a := range each[attempt](v, tableAttempts, "id") {
		if limit > 0 && len(found) == limit {
			break
		}
		found = append(found, a.Attempt)
	}
	return found
}

// AttemptSegments are the segments that hold attempts after a position, in order.
func (v *View) AttemptSegments(after uint64) []wire.AttemptSegment {
	found := []wire.AttemptSegment{}
	it := must(v.txn.LowerBound(tableSegments, "id", after+1))
	for r := it.Next(); r != nil; r = it.Next() {
		found = append(found, *r.(*wire.AttemptSegment))
	}
	if len(found) > 0 && found[0].First == after+1 {
		return found
	}
	// after lies within a segment, or nothing follows.
	if last, ok := must(v.txn.ReverseLowerBound(tableSegments, "id", after)).Next().(*wire.AttemptSegment); ok && last.Last > after {
		found = append([]wire.AttemptSegment{*last}, found...)
	}
	return found
}
