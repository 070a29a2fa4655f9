// Package input gives a model what it may know of an answer beside skill and
// correctness: the difficulty of the item, answered or asked, and the response
// time of the answer, each as one of a few values. Where the values lie is fitted
// on training students alone, and a training student's own answers have no part in
// how hard his items seem: they would tell what he answered.
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

// Answers are what inputs are added to: histories whose item ids index Items.
type Answers struct {
	Items    []string
	Students []dataplane.Answered
}

// Fit finds items' difficulties from the answers of students that trains names;
// an item that none of them answered is not there.
type Fit func(a Answers, trains func(student string) bool) map[string]dataplane.Difficulty

// Options say what a model takes and how finely.
type Options struct {
	Names  []string
	Trains func(student string) bool
	Fit    Fit

	Levels int     // of difficulty, at most
	Pull   float64 // imaginary answers, as hard as the skill's mean, of each item
	Folds  int     // parts of the training students, each fitted without itself
	Paces  int     // of known response times, at most
}

// DefaultOptions did best on real logs.
func DefaultOptions() Options {
	return Options{Fit: Proportion, Levels: 8, Pull: 10, Folds: 5, Paces: 4}
}

// MissingError says that answers lack what an input is made of.
type MissingError struct{ Input, What string }

func (e *MissingError) Error() string {
	return fmt.Sprintf("model.inputs: %s: %s", e.Input, e.What)
}

// Fitted says what was added. Inputs lacks the hash of Items, the items that it
// speaks of: nil without difficulty.
type Fitted struct {
	Inputs *dataplane.Inputs
	Items  map[string]dataplane.Difficulty
}

// Add gives a's students levels and paces, as o asks; skills is the number of
// skills. A Mapping of the result reads the answers of others in the same way.
func Add(a Answers, skills int, o Options) (Fitted, error) {
	f := Fitted{Inputs: &dataplane.Inputs{Names: slices.Sorted(slices.Values(o.Names))}}
	if slices.Contains(o.Names, Difficulty) {
		if err := f.addLevels(a, skills, o); err != nil {
			return f, err
		}
	}
	if slices.Contains(o.Names, Elapsed) {
		if err := f.addPaces(a, o); err != nil {
			return f, err
		}
	}
	return f, nil
}
