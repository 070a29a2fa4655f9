package source

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// pgSummary is what a plan knows of the table as a whole.
type pgSummary struct {
	rows, oldRows int64 // seen; of them those of the plan before
	sum, oldSum   string
	ids           []int64 // of rows, at or above the snapshot's xmin
	first, last   string  // keys of new rows, where hasRange
	hasRange      bool
}

// continues refuses a plan before that does not lead to this one.
func (s *pgSession) continues(t *pgTarget, before *pgPlan) error {
	if before == nil {
		return nil
	}
	if err := t.same(before.pgIdentity); err != nil {
		return err
	}
	if s.snap.xmax < before.Xmax {
		return s.changed(t.name, "the server knows fewer transactions than at the last plan: it is another one, or was restored: "+pgAgain)
	}
	return nil
}

// changed is an *InputError, but not on a standby, which may just lag behind.
func (s *pgSession) changed(file, text string) error {
	if s.snap.standby {
		return fmt.Errorf("%s: %s, unless this standby lags behind", file, text)
	}
	return &InputError{File: file, Text: text}
}

// summary counts the table's rows in one scan.
func (s *pgSession) summary(ctx context.Context, t *pgTarget, before *pgPlan) (*pgSummary, error) {
	row, err := s.row(ctx, s.summarySQL(t, before))
	if err != nil {
		return nil, err
	}
	var n [4]int64
	for k := range n {
		if n[k], err = strconv.ParseInt(row[k], 10, 64); err != nil {
			return nil, fmt.Errorf("%s: the server's counts are not understood", t.name)
		}
	}
	sum := &pgSummary{rows: n[0], oldRows: n[1], sum: row[4], oldSum: row[5], first: row[7], last: row[8], hasRange: pgHasMin(t.keyOID)}
	if n[2] > 0 {
		return nil, &InputError{File: t.name, Column: s.p.spec.Key, Text: fmt.Sprintf("the key is NULL in %d rows", n[2])}
	}
	if n[3] > 0 {
		return nil, &InputError{File: t.name, Column: "xmin", Text: fmt.Sprintf("it is NULL in %d rows", n[3])}
	}
	if sum.ids, err = parsePgIDs(row[6]); err != nil {
		return nil, fmt.Errorf("%s: %w", t.name, err)
	}
	return sum, s.unchanged(t, sum, before)
}

// summarySQL gives counts, checksums, ids and bounds. The inner select is kept
// apart by OFFSET, so that each row's terms are computed once.
func (s *pgSession) summarySQL(t *pgTarget, before *pgPlan) string {
	hash := fmt.Sprintf(`hashtextextended(%s::text COLLATE "C", 0)`, t.key)
	if slices.Contains([]uint32{pgOIDInt2, pgOIDInt4, pgOIDInt8}, t.keyOID) {
		hash = fmt.Sprintf("hashint8extended(%s::bigint, 0)", t.key)
	}
	bounds := "NULL, NULL"
	if pgHasMin(t.keyOID) {
		bounds = "min(k) FILTER (WHERE NOT old), max(k) FILTER (WHERE NOT old)"
	}
	return fmt.Sprintf(`SELECT count(*), count(*) FILTER (WHERE old), count(*) FILTER (WHERE k IS NULL), count(*) FILTER (WHERE id IS NULL),
coalesce(sum(h), 0), coalesce(sum(h) FILTER (WHERE old), 0), array_agg(DISTINCT id) FILTER (WHERE id >= %d), %s
FROM (SELECT %s AS k, %s AS id, %s AS h, %s AS old FROM %s OFFSET 0) AS r`,
		s.snap.xmin, bounds, t.key, s.snap.id(), hash, before.taken().has(s.snap.id()), t.from)
}

// taken is what the plan and those before cover; of none, nothing.
func (p *pgPlan) taken() *pgTaken {
	if p == nil {
		return nil
	}
	return &p.Taken
}

// unchanged compares the rows that were extracted before with those of then.
func (s *pgSession) unchanged(t *pgTarget, sum *pgSummary, before *pgPlan) error {
	if before == nil || sum.oldRows == before.Rows && sum.oldSum == before.Sum {
		return nil
	}
	text := fmt.Sprintf("of %d rows that were extracted before, %d are as they were; the others have changed or are gone", before.Rows, sum.oldRows)
	if sum.oldRows >= before.Rows {
		text = "rows that were extracted before are not those of then"
	}
	if t.id.File != before.File {
		text += " (the table was cut or rewritten since)"
	}
	return s.changed(t.name, text+". An event log only grows: "+pgAgain)
}

// plan covers what the snapshot shows. Its ranges are yet to be found.
func (s *pgSession) plan(t *pgTarget, sum *pgSummary, before *pgPlan) *pgPlan {
	return &pgPlan{
		Version: pgPlanVersion, pgIdentity: t.id, Xmax: s.snap.xmax,
		Taken: newPgTaken(s.snap.xmin, sum.ids), Before: before.taken(),
		Rows: sum.rows, Sum: sum.sum, New: sum.rows - sum.oldRows,
	}
}

// ranges cuts the new rows into ranges of keys.
func (s *pgSession) ranges(ctx context.Context, t *pgTarget, sum *pgSummary, plan *pgPlan) error {
	if len(plan.Taken.Also) > pgMaxSpans {
		return fmt.Errorf("%s: rows of more than %d transactions are newer than one that is still open: end it (pg_stat_activity, xact_start)", t.name, pgMaxSpans)
	}
	long := max(int64(s.p.spec.Batch), (plan.New+pgMaxRanges-1)/pgMaxRanges)
	where, params := "NOT "+plan.Before.has(s.snap.id()), []string(nil)
	if sum.hasRange {
		where += fmt.Sprintf(" AND %s >= $1::%s AND %[1]s <= $2::%[2]s", t.key, t.id.KeyType)
		params = []string{sum.first, sum.last}
	}
	sql := fmt.Sprintf(`SELECT n, k, twice FROM (
SELECT k, row_number() OVER w AS n, k = lag(k) OVER w AS twice FROM (SELECT %s AS k FROM %s WHERE %s) AS keys WINDOW w AS (ORDER BY k)
) AS r WHERE (n - 1) %% %d = 0 OR n = %d OR twice`, t.key, t.from, where, long, plan.New)
	var seen int64
	err := s.each(ctx, sql, params, func(row [][]byte) error {
		if string(row[2]) == "t" {
			return &InputError{File: t.name, Column: s.p.spec.Key, Text: "the key is not unique: a value stands in more than one row"}
		}
		n, err := strconv.ParseInt(string(row[0]), 10, 64)
		if err != nil {
			return errors.New("the server's row numbers are not understood")
		}
		if (n-1)%long == 0 {
			plan.Ranges = append(plan.Ranges, pgRange{First: string(row[1]), Rows: min(long, plan.New-n+1)})
		}
		seen, plan.Last = n, string(row[1])
		return nil
	})
	if err == nil && seen != plan.New {
		err = fmt.Errorf("%s: the server counts %d rows, then %d", t.name, plan.New, seen)
	}
	return err
}
