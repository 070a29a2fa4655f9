package dataplane

import (
	"fmt"
	"slices"
)

// Kind is what a column of a table holds. Float64s are kept to the bit; NaN is
// "not applicable".
type Kind string

// The kinds.
const (
	KindText  Kind = "string"
	KindInt   Kind = "int64"
	KindFloat Kind = "float64"
)

// Column is a table's column: the slice of its kind has a value for each row.
type Column struct {
	Name   string
	Kind   Kind
	Texts  []string
	Ints   []int64
	Floats []float64
}

// Len is the number of values.
func (c *Column) Len() int { return len(c.Texts) + len(c.Ints) + len(c.Floats) }

// Value is row k's value: a string, an int64 or a float64.
func (c *Column) Value(k int) any {
	switch c.Kind {
	case KindText:
		return c.Texts[k]
	case KindInt:
		return c.Ints[k]
	case KindFloat:
	}
	return c.Floats[k]
}

// Same reports whether row k of c and row j of d, of the same kind, hold the
// same value; NaN is the same as NaN.
func (c *Column) Same(k int, d *Column, j int) bool {
	switch c.Kind {
	case KindText:
		return c.Texts[k] == d.Texts[j]
	case KindInt:
		return c.Ints[k] == d.Ints[j]
	case KindFloat:
	}
	x, y := c.Floats[k], d.Floats[j]
	return x == y || x != x && y != y
}

// Table is a small table in memory: columns of equal length.
type Table struct{ Columns []Column }

// Rows is the number of rows.
func (t *Table) Rows() int {
	if len(t.Columns) == 0 {
		return 0
	}
	return t.Columns[0].Len()
}

// Column finds a column by name, or answers nil.
func (t *Table) Column(name string) *Column {
	k := slices.IndexFunc(t.Columns, func(c Column) bool { return c.Name == name })
	if k < 0 {
		return nil
	}
	return &t.Columns[k]
}

// Empty is a table of the same columns without rows.
func (t *Table) Empty() *Table {
	e := &Table{}
	for _, c := range t.Columns {
		e.Columns = append(e.Columns, Column{Name: c.Name, Kind: c.Kind})
	}
	return e
}

// SameColumns reports whether two tables have the same columns in the same order.
func (t *Table) SameColumns(o *Table) bool {
	return slices.EqualFunc(t.Columns, o.Columns, func(a, b Column) bool { return a.Name == b.Name && a.Kind == b.Kind })
}

// Append copies rows from to to−1 of a table of the same columns.
func (t *Table) Append(o *Table, from, to int) {
	for k := range t.Columns {
		c, d := &t.Columns[k], &o.Columns[k]
		switch c.Kind {
		case KindText:
			c.Texts = append(c.Texts, d.Texts[from:to]...)
		case KindInt:
			c.Ints = append(c.Ints, d.Ints[from:to]...)
		case KindFloat:
			c.Floats = append(c.Floats, d.Floats[from:to]...)
		}
	}
}

// Check reports a column whose length is not the table's, or whose kind is unknown.
func (t *Table) Check() error {
	for _, c := range t.Columns {
		of := map[Kind]int{KindText: len(c.Texts), KindInt: len(c.Ints), KindFloat: len(c.Floats)}
		if n, ok := of[c.Kind]; !ok || n != t.Rows() || n != c.Len() {
			return fmt.Errorf("column %s of kind %q has %d values for %d rows", c.Name, c.Kind, c.Len(), t.Rows())
		}
	}
	return nil
}
