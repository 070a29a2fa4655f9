package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"cohort/dkt/infer"
)

// formats are the fields of which a request has exactly one.
func formats() []string {
	return []string{"inputs", "instances", "dataframe_split", "dataframe_records"}
}

// parseJSON reads a request of MLflow's scoring protocol. Errors name the row and
// what is wrong with it.
func (m *model) parseJSON(text []byte) (q query, err error) {
	fields, err := object(text)
	if err != nil {
		return q, err
	}
	found := ""
	for _, name := range formats() {
		if _, ok := fields[name]; ok && found != "" {
			return q, badf("the request has both %s and %s, want exactly one of %s", found, name, strings.Join(formats(), ", "))
		} else if ok {
			found = name
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if name != found && name != "params" {
			return q, badf("field %q is unknown: want exactly one of %s, and params", name, strings.Join(formats(), ", "))
		}
	}
	switch found {
	case "":
		return q, badf("the request has none of %s", strings.Join(formats(), ", "))
	case "inputs", "instances":
		q.rows, err = m.parseRows(found, fields[found])
	case "dataframe_split":
		q.rows, err = m.parseSplit(fields[found])
	case "dataframe_records":
		q.rows, err = m.parseRecords(fields[found])
	}
	if err != nil {
		return q, err
	}
	if params, ok := fields["params"]; ok {
		err = m.parseParams(params, &q)
	}
	return q, err
}

// object reads the request's outermost form.
func object(text []byte) (fields map[string]json.RawMessage, err error) {
	if trimmed := bytes.TrimLeft(text, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, badf("the request is no JSON object: want {\"inputs\": …} or another of %s", strings.Join(formats(), ", "))
	}
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, badf("the request is no JSON: %v", err)
	}
	return fields, nil
}

// unmarshal decodes one JSON value, numbers as they are written.
func unmarshal(text []byte, to any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more follows after the value")
	}
	return nil
}

// parseRows reads inputs and instances: a list of sequences.
func (m *model) parseRows(field string, text []byte) ([][]int32, error) {
	var rows []json.RawMessage
	if err := unmarshal(text, &rows); err != nil {
		return nil, badf("%s is no list of sequences", field)
	}
	if err := count(field, len(rows)); err != nil {
		return nil, err
	}
	all := make([][]int32, len(rows))
	total := 0
	for k, row := range rows {
		at := fmt.Sprintf("%s[%d]", field, k)
		var err error
		if field == "instances" && bytes.HasPrefix(row, []byte("{")) {
			all[k], err = m.parseNamed(at, row)
		} else {
			all[k], err = m.parseCodes(at, row)
		}
		if total += len(all[k]); err == nil {
			err = lengths(at, len(all[k]), total)
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

func count(field string, rows int) error {
	if rows == 0 {
		return badf("%s is empty", field)
	}
	if rows > maxRows {
		return badf("%s has %d sequences, at most %d are answered at once", field, rows, maxRows)
	}
	return nil
}

func lengths(at string, length, total int) error {
	if length == 0 {
		return badf("%s is empty: a sequence has one answer at least", at)
	}
	if total > maxLength {
		return badf("%s: the request has more than %d answers", at, maxLength)
	}
	return nil
}

// parseCodes reads a list of interaction codes.
func (m *model) parseCodes(at string, text []byte) (codes []int32, err error) {
	if bytes.ContainsRune(text, 'n') || json.Unmarshal(text, &codes) != nil { // few are not whole numbers: a null, say
		if codes, err = wholes(at, text); err != nil {
			return nil, err
		}
	}
	for k, c := range codes {
		if c < 0 || int(c) >= 2*len(m.skills) {
			return nil, badf("%s[%d]: code %d is not from 0 to %d: skill k of %d is 2k wrong, 2k+1 right", at, k, c, 2*len(m.skills)-1, len(m.skills))
		}
	}
	return codes, nil
}

// wholes reads numbers that may be written as 3.0, and says which is none.
func wholes(at string, text []byte) (codes []int32, err error) {
	var values []json.RawMessage
	if json.Unmarshal(text, &values) != nil || values == nil {
		return nil, badf("%s is %s, want a list of interaction codes", at, short(text))
	}
	for k, v := range values {
		var f float64
		if json.Unmarshal(v, &f) != nil || f != float64(int32(f)) || bytes.Equal(v, []byte("null")) {
			return nil, badf("%s[%d] is %s, want an interaction code, a whole number", at, k, short(v))
		}
		codes = append(codes, int32(f))
	}
	return codes, nil
}

// short is a value as an error shows it.
func short(text []byte) string {
	const most = 40
	s := []rune(strings.Join(strings.Fields(string(text)), " "))
	if len(s) > most {
		s = append(s[:most], '…')
	}
	return string(s)
}

// parseNamed reads {"skills": [names], "correct": [0 or 1]}.
func (m *model) parseNamed(at string, text []byte) ([]int32, error) {
	var v map[string][]any
	if err := unmarshal(text, &v); err != nil {
		return nil, badf("%s is %s, want {\"skills\": [names], \"correct\": [0 or 1]}", at, short(text))
	}
	for name := range v {
		if name != "skills" && name != "correct" {
			return nil, badf("%s: field %q is unknown, want skills and correct", at, name)
		}
	}
	skills, correct := v["skills"], v["correct"]
	if len(skills) != len(correct) {
		return nil, badf("%s has %d skills and %d of correct", at, len(skills), len(correct))
	}
	codes := make([]int32, len(skills))
	for k := range skills {
		skill, err := m.skill(func() string { return fmt.Sprintf("%s.skills[%d]", at, k) }, skills[k])
		if err != nil {
			return nil, err
		}
		right, err := right(func() string { return fmt.Sprintf("%s.correct[%d]", at, k) }, correct[k])
		if err != nil {
			return nil, err
		}
		codes[k] = infer.Code(skill, right)
	}
	return codes, nil
}

// skill is the number of a name, which JSON may have as a number; at is where it
// stands, for errors alone.
func (m *model) skill(at func() string, v any) (int, error) {
	name, ok := written(v)
	if !ok {
		return 0, badf("%s is %.60v, want the name of a skill", at(), v)
	}
	id, known := m.ids[name]
	if !known {
		return 0, badf("%s: skill %q is not one of the %d that the model knows", at(), short([]byte(name)), len(m.skills))
	}
	return id, nil
}

// written is a string or a number as it was written.
func written(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	}
	return "", false
}

// right reads whether an answer is.
func right(at func() string, v any) (bool, error) {
	if b, ok := v.(bool); ok {
		return b, nil
	}
	s, _ := written(v)
	switch s {
	case "0", "0.0", "false":
		return false, nil
	case "1", "1.0", "true":
		return true, nil
	}
	return false, badf("%s is %.60v, want 0 or 1", at(), v)
}

// parseParams reads {"skills": [names], "output": "list" or "named"}.
func (m *model) parseParams(text []byte, q *query) error {
	var v map[string]any
	if err := unmarshal(text, &v); err != nil {
		return badf("params is no object")
	}
	for name, value := range v {
		switch name {
		case "skills":
			names, ok := value.([]any)
			if !ok || len(names) == 0 || len(names) > len(m.skills) {
				return badf("params.skills: want a list of 1 to %d names of skills", len(m.skills))
			}
			there := make([]bool, len(m.skills))
			for k, n := range names {
				id, err := m.skill(func() string { return fmt.Sprintf("params.skills[%d]", k) }, n)
				if err != nil {
					return err
				}
				if there[id] {
					return badf("params.skills[%d]: skill %q is there twice", k, m.skills[id])
				}
				there[id], q.picks = true, append(q.picks, id)
			}
		case "output":
			if value != "list" && value != "named" {
				return badf("params.output is %v, want \"list\" or \"named\"", value)
			}
			q.named = value == "named"
		default:
			return badf("params.%s is unknown, want skills or output", name)
		}
	}
	return nil
}
