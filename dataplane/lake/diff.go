package lake

import (
	"context"
	"fmt"
	"math"
	"strings"

	"cohort/dataplane"
)

// TableDiff says how a table of one feature set differs from another's.
type TableDiff struct {
	Name    string       `json:"name"`
	Added   int64        `json:"added"` // rows
	Removed int64        `json:"removed"`
	Changed int64        `json:"changed"`
	Same    int64        `json:"same"`
	Columns []ColumnDiff `json:"columns"` // that changed
}

// ColumnDiff says how a column changed.
type ColumnDiff struct {
	Name    string `json:"name"`
	Only    string `json:"only,omitempty"` // "a" or "b": the other set has no such column of its type
	Changed int64  `json:"changed"`        // rows of both sets whose values differ
	// MeanDifference is of b − a, over changed rows with a number in both; nil for texts.
	MeanDifference *float64 `json:"mean_difference,omitempty"`
}

// Diff compares feature sets table by table, rows by their keys. Parts that are
// the same blob are not read.
func Diff(ctx context.Context, b Blobs, from, to *FeatureSet) ([]TableDiff, error) {
	var all []TableDiff
	for k := range from.Tables {
		x := &from.Tables[k]
		y := to.Table(x.Name)
		if y == nil {
			all = append(all, TableDiff{Name: x.Name, Removed: x.Rows, Columns: []ColumnDiff{}})
			continue
		}
		d, err := diffTable(ctx, b, x, y)
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	for _, y := range to.Tables {
		if from.Table(y.Name) == nil {
			all = append(all, TableDiff{Name: y.Name, Added: y.Rows, Columns: []ColumnDiff{}})
		}
	}
	return all, nil
}

// differ gathers the differences of two tables.
type differ struct {
	d     TableDiff
	keys  int
	pairs []pair
}

// pair is a column that both tables have.
type pair struct {
	x, y    int
	changed int64
	sum     float64
	numbers int64
}

func diffTable(ctx context.Context, b Blobs, x, y *FeatureTable) (TableDiff, error) {
	if fmt.Sprint(x.Keys) != fmt.Sprint(y.Keys) || len(x.Parts) != len(y.Parts) {
		return TableDiff{}, fmt.Errorf("table %s has other keys in the two sets: %v and %v", x.Name, x.Keys, y.Keys)
	}
	f := &differ{d: TableDiff{Name: x.Name, Columns: []ColumnDiff{}}, keys: len(x.Keys)}
	f.match(x, y)
	for k := range x.Parts {
		if x.Parts[k].Hash == y.Parts[k].Hash {
			f.d.Same += x.Parts[k].Rows
			continue
		}
		s, err := x.Read(ctx, b, k)
		if err != nil {
			return f.d, err
		}
		t, err := y.Read(ctx, b, k)
		if err != nil {
			return f.d, err
		}
		f.part(s, t)
	}
	return f.result(x), nil
}

// match pairs the columns that are no keys.
func (f *differ) match(x, y *FeatureTable) {
	find := func(t *FeatureTable, c TableColumn) int {
		for k, o := range t.Columns {
			if o == c {
				return k
			}
		}
		return -1
	}
	for k, c := range x.Columns[f.keys:] {
		if at := find(y, c); at >= 0 {
			f.pairs = append(f.pairs, pair{x: f.keys + k, y: at})
		} else {
			f.d.Columns = append(f.d.Columns, ColumnDiff{Name: c.Name, Only: "a"})
		}
	}
	for _, c := range y.Columns[f.keys:] {
		if find(x, c) < 0 {
			f.d.Columns = append(f.d.Columns, ColumnDiff{Name: c.Name, Only: "b"})
		}
	}
}

// part merges two parts, whose rows are sorted by key.
func (f *differ) part(s, t *dataplane.Table) {
	k, j := 0, 0
	for k < s.Rows() || j < t.Rows() {
		c := f.compare(s, k, t, j)
		switch {
		case c < 0:
			f.d.Removed++
			k++
		case c > 0:
			f.d.Added++
			j++
		default:
			f.row(s, k, t, j)
			k++
			j++
		}
	}
}

func (f *differ) compare(s *dataplane.Table, k int, t *dataplane.Table, j int) int {
	switch {
	case k == s.Rows():
		return 1
	case j == t.Rows():
		return -1
	}
	for c := range f.keys {
		if d := strings.Compare(s.Columns[c].Texts[k], t.Columns[c].Texts[j]); d != 0 {
			return d
		}
	}
	return 0
}

func (f *differ) row(s *dataplane.Table, k int, t *dataplane.Table, j int) {
	changed := false
	for n := range f.pairs {
		p := &f.pairs[n]
		x, y := &s.Columns[p.x], &t.Columns[p.y]
		if x.Same(k, y, j) {
			continue
		}
		changed = true
		p.changed++
		if d := difference(x, k, y, j); d-d == 0 { // finite
			p.sum += d
			p.numbers++
		}
	}
	if changed {
		f.d.Changed++
	} else {
		f.d.Same++
	}
}

// difference is NaN where a value is no number.
func difference(x *dataplane.Column, k int, y *dataplane.Column, j int) float64 {
	switch x.Kind {
	case dataplane.KindInt:
		return float64(y.Ints[j] - x.Ints[k])
	case dataplane.KindFloat:
		return y.Floats[j] - x.Floats[k]
	case dataplane.KindText:
	}
	return math.NaN()
}

func (f *differ) result(x *FeatureTable) TableDiff {
	for _, p := range f.pairs {
		if p.changed == 0 {
			continue
		}
		c := ColumnDiff{Name: x.Columns[p.x].Name, Changed: p.changed}
		if p.numbers > 0 {
			mean := p.sum / float64(p.numbers)
			c.MeanDifference = &mean
		}
		f.d.Columns = append(f.d.Columns, c)
	}
	return f.d
}
