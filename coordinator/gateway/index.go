package gateway

import (
	"fmt"
	"os"
	"path/filepath"

	"cohort/coordinator/wire"
)

// index finds sealed attempts by student and by ID. All of it follows from the
// segments: lost, it is made anew from them. It may be ahead of what the state
// says is sealed, never of the log.
type index interface {
	// through is the Seq up to which attempts are in the index.
	through() (uint64, error)
	// add takes attempts in the order of the log; those it has already are passed over.
	add(attempts []wire.Attempt) error
	// seq finds an attempt.
	seq(student, id string) (seq uint64, ok bool, err error)
	// stand is how many attempts of a student are here, and through, as of one moment.
	stand(student string) (count, through uint64, err error)
	// place is how many of a student's attempts come before Seq seq.
	place(student string, seq uint64) (uint64, error)
	// window is a student's attempts from one place to another of his own.
	window(student string, from, to uint64) ([]wire.StepAttempt, error)
	// reset empties the index.
	reset() error
	close() error
}

// openIndex opens the index below dir, or one in memory.
func openIndex(dir string) (index, error) {
	if dir == "" {
		return newMemory(), nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make folder of the index: %w", err)
	}
	path := filepath.Join(dir, "attempts.db")
	found, err := openFile(path)
	if err == nil {
		return found, nil
	}
	if _, is := err.(*damageError); !is { //nolint:errorlint // made by openFile, unwrapped
		return nil, err
	}
	// It is but an index: made anew from the segments.
	if err := os.Remove(path); err != nil {
		return nil, fmt.Errorf("remove a damaged index: %w", err)
	}
	return openFile(path)
}

// missing says that the index lacks what it should have.
func missing(from, to uint64) error {
	return fmt.Errorf("the index of attempts lacks some from %d to %d of a student", from, to)
}

func gap(through, seq uint64) error {
	return fmt.Errorf("the index of attempts goes up to %d: %d does not follow", through, seq)
}
