// Package input gives a model what it may know of an answer beside skill and
// correctness. Item difficulty refines the skill: a pair (skill, level) takes the
// skill's place wherever it stands, in what was answered and in what is asked.
// Response time refines the answer: an interaction is (skill, correct, pace).
// Levels and paces are fitted on training students alone.
package input

import (
	"fmt"
	"slices"

	"cohort/dataplane"
)

// The names of inputs.
const (
	Difficulty = "difficulty"
	Elapsed    = "elapsed"
)

// Answers is what is refined: histories whose skill and item ids index names.
type Answers struct {
	Skills, Items []string
	Students      []dataplane.Answered
}

// Options say what a model takes and how finely.
type Options struct {
	Names  []string
	Trains func(student string) bool
	// Difficulty looks an item up; nil fits items on the training students.
	Difficulty func(item string) (value float64, answers int64, ok bool)

	Levels int     // of a skill's items, at most
	Least  int     // training answers of a level, at least
	Pull   float64 // imaginary answers at the skill's mean that each item has
	Paces  int     // known ones
}

// DefaultOptions are those that did best on real logs.
func DefaultOptions() Options { return Options{Levels: 4, Least: 100, Pull: 10, Paces: 4} }

// MissingError says that answers lack what an input is made of.
type MissingError struct{ Input, What string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("model.inputs: %s: %s", e.Input, e.What)
}

// Fitted is a Refine's result beside the answers: Inputs without the hash of
// Items, and the items that Inputs speaks of, nil without difficulty.
type Fitted struct {
	Inputs *dataplane.Inputs
	Items  map[string]dataplane.Difficulty
}

// Refine changes a's skills and gives its students paces, as o asks. The result
// says how, so that Mapping reads new answers in the same way.
func Refine(a *Answers, o Options) (Fitted, error) {
	f := Fitted{Inputs: &dataplane.Inputs{Names: slices.Sorted(slices.Values(o.Names))}}
	if slices.Contains(o.Names, Difficulty) {
		if err := f.fitLevels(a, o); err != nil {
			return f, err
		}
	}
	if slices.Contains(o.Names, Elapsed) {
		if err := f.fitPaces(a, o); err != nil {
			return f, err
		}
	}
	NewMapping(f.Inputs, f.Items).apply(a)
	return f, nil
}
