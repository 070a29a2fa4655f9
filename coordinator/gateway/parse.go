package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"cohort/coordinator/wire"
	"cohort/dataplane"
)

// Bounds of a request for attempts.
const (
	maxAttempts = 1000    // of a request
	maxText     = 4 << 20 // bytes of its body
	maxStudent  = 256     // bytes of ids and names
	maxID       = 128
	maxName     = 256
	maxTime     = 1 << 53 // microseconds: year 2255
)

func invalid(format string, args ...any) error { return refusal(wire.CodeInvalid, format, args...) }

// attemptFields are the fields of an attempt as a client writes it.
type attemptFields struct {
	ID      *string `json:"id"`
	Student string  `json:"student"` // empty: the path's
	Item    string  `json:"item"`
	Skill   *string `json:"skill"`
	Correct *bool   `json:"correct"`
	Time    int64   `json:"time_us"`
	Elapsed int64   `json:"elapsed_ms"`
}

// parseAttempts reads a request: one attempt, or a list of them. Errors name the
// field, and no student.
func parseAttempts(w http.ResponseWriter, r *http.Request) (student string, all []wire.Attempt, err error) {
	if student, err = name("student", r.PathValue("student"), maxStudent); err != nil {
		return "", nil, err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxText))
	if err != nil {
		return "", nil, invalid("the body can't be read, or is longer than %d bytes", maxText)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil || fields == nil {
		return "", nil, invalid(`the body is no JSON object: want an attempt, or {"attempts": [attempts]}`)
	}
	one := func(at string, text []byte) error {
		a, err := parseAttempt(at, text, student)
		all = append(all, a)
		return err
	}
	many, ok := fields["attempts"]
	if !ok {
		err := one("", text)
		return student, all, err
	}
	for field := range fields {
		if field != "attempts" {
			return "", nil, invalid("%.40s is unknown beside attempts", field)
		}
	}
	var list []json.RawMessage
	if json.Unmarshal(many, &list) != nil || len(list) == 0 {
		return "", nil, invalid("attempts: want a list of one attempt or more")
	}
	if len(list) > maxAttempts {
		return "", nil, invalid("attempts: %d of them; at most %d are taken at once", len(list), maxAttempts)
	}
	for k, text := range list {
		if err := one(fmt.Sprintf("attempts[%d].", k), text); err != nil {
			return "", nil, err
		}
	}
	return student, all, nil
}

func parseAttempt(at string, text []byte, student string) (a wire.Attempt, err error) {
	var f attemptFields
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return a, fieldFault(at, err)
	}
	if s := strings.TrimSpace(f.Student); s != "" && s != student {
		return a, invalid("%sstudent is another than the path's", at)
	}
	switch {
	case f.ID == nil:
		return a, invalid("%sid is missing: an attempt sent again under its id counts once", at)
	case f.Skill == nil:
		return a, invalid("%sskill is missing", at)
	case f.Correct == nil:
		return a, invalid("%scorrect is missing: true or false", at)
	case f.Time < 0 || f.Time > maxTime:
		return a, invalid("%stime_us is %d, no time in microseconds since 1970", at, f.Time)
	case f.Elapsed < 0 || f.Elapsed > dataplane.MaxElapsed:
		return a, invalid("%selapsed_ms is %d, want 0 to %d", at, f.Elapsed, int64(dataplane.MaxElapsed))
	}
	a = wire.Attempt{Student: student, Correct: *f.Correct, Time: f.Time, Elapsed: f.Elapsed}
	if a.ID, err = name(at+"id", *f.ID, maxID); err != nil {
		return a, err
	}
	if a.Skill, err = name(at+"skill", *f.Skill, maxName); err != nil {
		return a, err
	}
	if f.Item != "" {
		a.Item, err = name(at+"item", f.Item, maxName)
	}
	return a, err
}

// fieldFault says which field does not decode.
func fieldFault(at string, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		if wrong.Field == "" {
			return invalid("%s: want an attempt, a JSON object", strings.TrimSuffix(at, "."))
		}
		want := map[string]string{"bool": "true or false", "int64": "a whole number", "string": "a text"}
		return invalid("%s%s is a %s, want %s", at, wrong.Field, wrong.Value, want[wrong.Type.Name()])
	}
	if field, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return invalid("%s%s is unknown; known: id, item, skill, correct, time_us, elapsed_ms", at, strings.Trim(field, `"`))
	}
	return invalid("%s: no JSON object", cmp.Or(strings.TrimSuffix(at, "."), "the body"))
}

// name checks a text that names something. What a table's reader would trim is
// trimmed here.
func name(field, s string, most int) (string, error) {
	s = strings.TrimSpace(s)
	switch {
	case s == "":
		return "", invalid("%s is empty", field)
	case len(s) > most:
		return "", invalid("%s is longer than %d bytes", field, most)
	case !utf8.ValidString(s) || slices.Contains([]byte(s), 0):
		return "", invalid("%s is no text", field)
	}
	return s, nil
}
