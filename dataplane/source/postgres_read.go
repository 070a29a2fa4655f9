package source

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Read implements Source. One statement gives the plan's rows in order of their
// key: by the key's index or by a sort, whichever the server finds cheaper. The
// key is compared with the ranges' as it comes by.
func (p *postgres) Read(ctx context.Context, raw json.RawMessage, r *Reader) error {
	plan, err := decodePgPlan(raw)
	if err == nil && plan == nil {
		err = errPgPlan
	}
	if err != nil {
		return &InputError{File: p.name(), Text: err.Error()}
	}
	check := &pgTally{plan: plan}
	err = p.read(ctx, plan, check, r)
	if errors.Is(err, errPgTally) {
		return p.whatChanged(ctx, plan)
	}
	return err
}

func (p *postgres) read(ctx context.Context, plan *pgPlan, check *pgTally, r *Reader) error {
	s, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	t, err := s.target(ctx)
	if err != nil {
		return err
	}
	if err := t.same(plan.pgIdentity); err != nil {
		return err
	}
	cols, err := t.pick(r.Names(), p.spec.Key)
	if err != nil {
		return err
	}
	return s.stream(ctx, t, plan, cols, check, r)
}

// pgColumns are the columns that a Reader wants: formats of the key and of
// them, and by Field their place in the row, 0 where there is none.
type pgColumns struct {
	names   []string // SQL; the key first
	formats []int16
	at      [NumFields]int
	read    [NumFields]pgAppend
}

// pick finds the columns.
func (t *pgTarget) pick(names [NumFields]string, key string) (*pgColumns, error) {
	if names[FieldStudent] == key {
		return nil, &InputError{File: "source.postgres.key", Text: "it may not be the student: plans and messages hold keys"}
	}
	c := &pgColumns{names: []string{t.key}, formats: []int16{pgText}}
	keys := fieldKeys()
	for f, name := range names {
		if name == "" {
			continue
		}
		k, err := t.column(keys[f], name)
		if err != nil {
			return nil, err
		}
		format, read := pgReader(t.columns[k].DataTypeOID)
		c.at[f], c.read[f] = len(c.names), read
		c.names, c.formats = append(c.names, "q."+pgQuote(name)), append(c.formats, format)
	}
	return c, nil
}

// stream hands the plan's rows to r.
func (s *pgSession) stream(ctx context.Context, t *pgTarget, plan *pgPlan, c *pgColumns, check *pgTally, r *Reader) error {
	where, params := t.within(plan)
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s ORDER BY %s",
		strings.Join(c.names, ", "), t.from, where, plan.wanted(s.snap.id()), t.key)
	rows := s.conn.ExecParams(ctx, sql, params, nil, nil, c.formats)
	var v Values
	var text []byte
	var key []byte
	at := func() string { return fmt.Sprintf("%s, %s %s", t.name, plan.Key, clip(string(key))) }
	for rows.NextRow() {
		row := rows.Values()
		if key = row[0]; !check.row(key) {
			return errPgTally
		}
		var err error
		if text, err = c.values(row, text[:0], &v); err != nil {
			return fmt.Errorf("%s: %w", at(), err)
		}
		if err := r.Row(at, &v); err != nil {
			return err
		}
	}
	if _, err := rows.Close(); err != nil {
		return s.p.fault(ctx, err)
	}
	if !check.whole() {
		return errPgTally
	}
	return nil
}

// within is the SQL that holds between the plan's least and greatest key.
func (t *pgTarget) within(plan *pgPlan) (string, [][]byte) {
	return fmt.Sprintf("%s >= $1::%s AND %[1]s <= $2::%[2]s", t.key, t.id.KeyType),
		[][]byte{[]byte(plan.Ranges[0].First), []byte(plan.Last)}
}

// values reads a row. The values share one text; buf is where it is made.
func (c *pgColumns) values(row [][]byte, buf []byte, v *Values) ([]byte, error) {
	var end [NumFields]int
	for f, k := range c.at {
		if k > 0 && row[k] != nil {
			var err error
			if buf, err = c.read[f](buf, row[k]); err != nil {
				return buf, err
			}
		}
		end[f] = len(buf)
	}
	text, start := string(buf), 0
	for f, e := range end {
		v[f], start = text[start:e], e
	}
	return buf, nil
}

// errPgTally says that the rows that came are not those of the plan.
var errPgTally = errors.New("not the planned rows")

// pgTally compares rows, as they come by, with a plan's ranges: each begins at
// its place with its first key.
type pgTally struct {
	plan  *pgPlan
	rows  int64
	next  int   // range
	begin int64 // rows before it
	last  []byte
}

// row takes a row's key.
func (c *pgTally) row(key []byte) bool {
	if c.rows == c.begin && c.next < len(c.plan.Ranges) {
		r := c.plan.Ranges[c.next]
		if string(key) != r.First {
			return false
		}
		c.begin += r.Rows
		c.next++
	}
	if c.rows++; c.rows == c.plan.New {
		c.last = append(c.last, key...)
	}
	return c.rows <= c.plan.New
}

// whole says whether all came.
func (c *pgTally) whole() bool { return c.rows == c.plan.New && string(c.last) == c.plan.Last }
