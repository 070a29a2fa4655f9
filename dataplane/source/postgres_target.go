package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// pgTarget is what is read: a table, or a query in brackets, by the name of q.
type pgTarget struct {
	name    string // for a person
	id      pgIdentity
	from    string // SQL after FROM
	columns []pgconn.FieldDescription
	key     string // SQL
	keyOID  uint32
}

// pgIdentity tells one target from another.
type pgIdentity struct {
	Source  string `json:"source"` // the table, or the query's hash
	OID     uint32 `json:"oid,omitempty"`
	File    uint32 `json:"file,omitempty"` // changes where a table is cut or rewritten
	Key     string `json:"key"`
	KeyType string `json:"key_type"`
}

// target finds what is read, and its key.
func (s *pgSession) target(ctx context.Context) (*pgTarget, error) {
	t := &pgTarget{name: s.p.name(), key: "q." + pgQuote(s.p.spec.Key)}
	kind := "query"
	if s.p.spec.Table != "" {
		var err error
		if kind, err = s.table(ctx, t); err != nil {
			return nil, err
		}
	} else {
		query := strings.TrimRight(s.p.spec.Query, "; \t\r\n")
		sum := sha256.Sum256([]byte(query))
		t.id.Source = "query sha256:" + hex.EncodeToString(sum[:])
		t.from = "(\n" + query + "\n) AS q" // a line of its own: the query may end in a comment
	}
	var err error
	if t.columns, err = s.fields(ctx, "SELECT q.* FROM "+t.from); err != nil {
		return nil, err
	}
	if !slices.Contains([]string{"r", "p", "m"}, kind) { // those have a column xmin that * leaves out
		if err := t.returnsXmin(s.p.spec.Key); err != nil {
			return nil, err
		}
	}
	return t, s.keyOf(ctx, t)
}

// table finds the table by name, as SQL reads it, and says of what kind it is.
func (s *pgSession) table(ctx context.Context, t *pgTarget) (kind string, err error) {
	const find = `SELECT c.oid, pg_relation_filenode(c.oid), format('%I.%I', n.nspname, c.relname), c.relkind
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)
UNION ALL SELECT 0, 0, '', '' ORDER BY 1 DESC LIMIT 1`
	row, err := s.row(ctx, find, s.p.spec.Table)
	if err != nil {
		return "", err
	}
	if row[2] == "" {
		return "", s.noTable(ctx)
	}
	oid, _ := strconv.ParseUint(row[0], 10, 32)  // a number, as the server gives it
	file, _ := strconv.ParseUint(row[1], 10, 32) // likewise; none where the table is parted
	t.id.Source, t.id.OID, t.id.File = row[2], uint32(oid), uint32(file)
	t.name, t.from = row[2], row[2]+" AS q"
	if kind = row[3]; !slices.Contains([]string{"r", "p", "m", "v"}, kind) {
		return "", &InputError{File: t.name, Text: "it is no table of this server's"}
	}
	return kind, nil
}

// noTable names the table that may have been meant.
func (s *pgSession) noTable(ctx context.Context) error {
	const list = `SELECT quote_ident(c.relname), format('%I.%I', n.nspname, c.relname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm', 'v') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
ORDER BY 2 LIMIT 10000`
	var names []string
	err := s.each(ctx, list, nil, func(row [][]byte) error {
		names = append(names, string(row[0]), string(row[1]))
		return nil
	})
	if err != nil {
		return err
	}
	text := "there is no such table"
	if near := nearest(s.p.spec.Table, names); near != "" {
		text += "; did you mean " + near + "?"
	}
	return &InputError{File: s.p.spec.Table, Text: text}
}

// returnsXmin holds for a query or a view that can be told apart row by row.
func (t *pgTarget) returnsXmin(key string) error {
	for _, c := range t.columns {
		if c.Name == "xmin" && c.DataTypeOID == pgOIDXid {
			return nil
		}
	}
	return &InputError{File: t.name, Text: fmt.Sprintf("it must return columns xmin (of the table whose rows are the events) and %q", key)}
}

// keyOf finds the key's type.
func (s *pgSession) keyOf(ctx context.Context, t *pgTarget) error {
	at, err := t.column("source.postgres.key", s.p.spec.Key)
	if err != nil {
		return err
	}
	t.keyOID = t.columns[at].DataTypeOID
	row, err := s.row(ctx, "SELECT format_type($1::oid, -1)", strconv.FormatUint(uint64(t.keyOID), 10))
	if err != nil {
		return err
	}
	t.id.Key, t.id.KeyType = s.p.spec.Key, row[0]
	return nil
}

// column finds a column by name.
func (t *pgTarget) column(field, name string) (int, error) {
	names := make([]string, len(t.columns))
	for k, c := range t.columns {
		names[k] = c.Name
	}
	if k := slices.Index(names, name); k >= 0 {
		return k, nil
	}
	text := "no such column, for " + field
	if near := nearest(name, names); near != "" {
		text += fmt.Sprintf("; did you mean %q?", near)
	}
	return 0, &InputError{File: t.name, Column: name, Text: sentence(text) + " There are " + clipList(names)}
}

// clipList bounds a list in a message.
func clipList(names []string) string {
	const most = 40
	if len(names) > most {
		names = append(slices.Clone(names[:most]), "…")
	}
	return strings.Join(names, ", ")
}

// pgQuote makes an SQL identifier of any name.
func pgQuote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// same refuses to go on from a plan of something else.
func (t *pgTarget) same(id pgIdentity) error {
	text := ""
	switch {
	case t.id.Source != id.Source && t.id.OID == 0:
		text = "the query has changed since the last plan"
	case t.id.Source != id.Source:
		text = fmt.Sprintf("the last plan is of %s", id.Source)
	case t.id.Key != id.Key || t.id.KeyType != id.KeyType:
		text = fmt.Sprintf("the key was %s (%s) in the last plan, and is %s (%s)", id.Key, id.KeyType, t.id.Key, t.id.KeyType)
	case t.id.OID != id.OID:
		text = "the table was dropped and made again since the last plan"
	default:
		return nil
	}
	return &InputError{File: t.name, Text: text + ": " + pgAgain}
}

// pgAgain ends an error that an increment can't get over.
const pgAgain = "extract it in full again"

var errPgPlan = errors.New("the plan is damaged")
