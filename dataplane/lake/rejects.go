package lake

import "fmt"

// Reject is a row that is no event, or an event that is not to be learnt from.
// It names the row's place at its source, never the student.
type Reject struct {
	At     string `json:"at"`     // place for a person: "log.csv, row 17"
	Column string `json:"column"` // may be empty: the whole row
	Reason string `json:"reason"`
}

// Place is where a person finds what is wrong.
func (r Reject) Place() string {
	if r.Column == "" {
		return r.At
	}
	return fmt.Sprintf("%s, column %q", r.At, r.Column)
}
