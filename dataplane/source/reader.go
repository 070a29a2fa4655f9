package source

import (
	"context"
	"encoding/json"

	"cohort/dataplane"
	"cohort/dataplane/lake"
)

// A Source is a place that events are extracted from. What an extraction reads
// is fixed by a plan before anything is read, so that every attempt reads the
// same rows. Plans are JSON of the source's own making; they hold positions and
// never a secret, a student or an address.
//
// An *InputError is a fault that no retry helps; any other error may be an
// outage and is tried again by the caller. No error repeats a secret.
type Source interface {
	// Plan fixes what to read: all that is there now and that last, the plan of
	// the extraction before, did not cover (nil: all). more is false when there
	// is nothing new; the plan is then last.
	Plan(ctx context.Context, last json.RawMessage) (plan json.RawMessage, more bool, err error)
	// Read hands r exactly the rows that plan covers and the one before it did
	// not. Rows of it that are gone, or have changed since, are an *InputError
	// that names them.
	Read(ctx context.Context, plan json.RawMessage, r *Reader) error
	// Close lets go of connections.
	Close() error
}

// A Reader takes a source's rows: it maps, counts and hands them on. It is for
// one goroutine.
type Reader struct {
	*Mapper
	Stats  Stats
	Emit   func(dataplane.Event) error
	Reject func(lake.Reject) error // nil: a row that is no event is an *InputError
	Rows   func(rows int64)        // progress, each reportRows rows; may be nil
	// Placed takes events in place of Emit, each with where it stands; nil: Emit does.
	Placed func(e dataplane.Event, at func() string) error
	// Again: the plan has been read before. Of files that have changed since, what is
	// in them now is read, so that it can be told what has changed.
	Again bool
}

const reportRows = 20_000

// Row takes a row. at names its place for a person ("log.csv, row 17",
// "user.attempts/3, offset 991"), and is only called when it must be named.
func (r *Reader) Row(at func() string, v *Values) error {
	r.count()
	e, left, fault := r.Event(v)
	switch {
	case fault != nil:
		return r.reject(at(), fault)
	case left != "":
		r.Stats.drop(left)
		return nil
	}
	r.Stats.Kept++
	if r.Placed != nil {
		return r.Placed(e, at)
	}
	return r.Emit(e)
}

// Bad takes a row that could not be taken apart into values.
func (r *Reader) Bad(at string, fault *Fault) error {
	r.count()
	return r.reject(at, fault)
}

// Leave takes a row that is known to be no event before its values are, such as
// the mark that a row was deleted.
func (r *Reader) Leave(reason string) {
	r.count()
	r.Stats.drop(reason)
}

func (r *Reader) count() {
	r.Stats.Rows++
	if r.Rows != nil && r.Stats.Rows%reportRows == 0 {
		r.Rows(r.Stats.Rows)
	}
}

func (r *Reader) reject(at string, fault *Fault) error {
	if r.Reject == nil {
		return &InputError{File: at, Column: fault.Column, Text: fault.Text}
	}
	r.Stats.Rejected++
	return r.Reject(lake.Reject{At: at, Column: fault.Column, Reason: fault.Text})
}
