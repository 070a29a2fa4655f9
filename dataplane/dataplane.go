// Package dataplane holds the names and limits that the parts of the data
// plane share: events, histories, stream and subject names.
package dataplane

// Event is one answer of one student, as a source gives it after masking.
type Event struct {
	Student string // masked student id, 32 hex digits
	Time    int64  // microseconds; orders a student's events
	ID      string // breaks ties of Time, in shortlex order; may be empty
	Item    string
	Skill   string
	Correct bool
	Elapsed int64 // response time, milliseconds; 0 is unknown
}

// MaxElapsed bounds a response time, milliseconds (24 days).
const MaxElapsed = 1<<31 - 1

// History is one student's answers in order, as a shard holds them.
type History struct {
	Student string // masked
	Skill   []int32
	Correct []uint8 // 0 or 1

	// What a model takes beside, see Inputs; nil where it does not.
	Level []uint8 // of each item's difficulty
	Pace  []uint8 // of each response time
}

// Answered is a history with what further inputs are made of.
type Answered struct {
	History
	Item    []int32
	Elapsed []int32 // milliseconds; 0 is unknown
}
