package serve

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"cohort/dkt/infer"
)

// columns are what a frame must have; it may have others. A row is one answer,
// and a student's rows are in order.
func columns() []string { return []string{"student", "skill", "correct"} }

// frame gathers the rows of a frame by student, in the order in which students
// first appear.
type frame struct {
	m    *model
	at   map[string]int // place of a student in rows
	rows [][]int32
	n    int
}

func (m *model) newFrame() *frame { return &frame{m: m, at: map[string]int{}} }

// add takes a row; where names it for errors, which never tell the student.
func (f *frame) add(where func() string, student, skill, correct any) error {
	name, ok := written(student)
	if !ok || name == "" {
		return badf("%s, column student: want the student's id", where())
	}
	id, err := f.m.skill(func() string { return where() + ", column skill" }, skill)
	if err != nil {
		return err
	}
	is, err := right(func() string { return where() + ", column correct" }, correct)
	if err != nil {
		return err
	}
	k, known := f.at[name]
	if !known {
		k = len(f.rows)
		f.at[name], f.rows = k, append(f.rows, nil)
	}
	f.rows[k] = append(f.rows[k], infer.Code(id, is))
	if f.n++; f.n > maxLength {
		return lengths(where(), 1, f.n)
	}
	return nil
}

func (f *frame) done(field string) ([][]int32, error) { return f.rows, count(field, len(f.rows)) }

// parseSplit reads {"columns": [names], "data": [[values], …]}, "index" aside.
func (m *model) parseSplit(text []byte) ([][]int32, error) {
	var v struct {
		Columns []string `json:"columns"`
		Index   []any    `json:"index"`
		Data    [][]any  `json:"data"`
	}
	if err := unmarshal(text, &v); err != nil {
		return nil, badf("dataframe_split: want {\"columns\": [names], \"data\": [[values], …]}")
	}
	places, err := locate("dataframe_split.columns", v.Columns)
	if err != nil {
		return nil, err
	}
	f := m.newFrame()
	for k, row := range v.Data {
		where := func() string { return fmt.Sprintf("dataframe_split.data[%d]", k) }
		if len(row) != len(v.Columns) {
			return nil, badf("%s has %d values, there are %d columns", where(), len(row), len(v.Columns))
		}
		if err := f.add(where, row[places[0]], row[places[1]], row[places[2]]); err != nil {
			return nil, err
		}
	}
	return f.done("dataframe_split.data")
}

// locate finds where the columns are.
func locate(what string, names []string) (places [3]int, err error) {
	for k, want := range columns() {
		if places[k] = slices.Index(names, want); places[k] < 0 {
			return places, badf("%s: column %q is missing, want %s", what, want, strings.Join(columns(), ", "))
		}
	}
	return places, nil
}

// parseRecords reads [{"student": …, "skill": …, "correct": …}, …].
func (m *model) parseRecords(text []byte) ([][]int32, error) {
	var records []map[string]any
	if err := unmarshal(text, &records); err != nil {
		return nil, badf("dataframe_records: want a list of objects with %s", strings.Join(columns(), ", "))
	}
	f := m.newFrame()
	for k, r := range records {
		where := func() string { return fmt.Sprintf("dataframe_records[%d]", k) }
		for _, want := range columns() {
			if _, ok := r[want]; !ok {
				return nil, badf("%s: column %q is missing", where(), want)
			}
		}
		if err := f.add(where, r["student"], r["skill"], r["correct"]); err != nil {
			return nil, err
		}
	}
	return f.done("dataframe_records")
}

// parseCSV reads a frame as CSV with a header.
func (m *model) parseCSV(text []byte) ([][]int32, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	header, err := r.Read()
	if err != nil {
		return nil, badf("the CSV has no header, want %s", strings.Join(columns(), ","))
	}
	places, err := locate("the CSV's header", header)
	if err != nil {
		return nil, err
	}
	f := m.newFrame()
	for row := 2; ; row++ {
		v, err := r.Read()
		if errors.Is(err, io.EOF) {
			return f.done("the CSV")
		}
		where := func() string { return fmt.Sprintf("row %d of the CSV", row) }
		if err != nil {
			return nil, badf("%s: %v", where(), err)
		}
		if err := f.add(where, v[places[0]], v[places[1]], v[places[2]]); err != nil {
			return nil, err
		}
	}
}

// quote is a name as JSON.
func quote(name string) []byte {
	b, _ := json.Marshal(name) // of a string: never fails
	return b
}
