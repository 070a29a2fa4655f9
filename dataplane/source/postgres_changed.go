package source

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// pgShort is a range of which planned rows are missing.
type pgShort struct {
	at         int
	rows, left int64 // planned; of them those that are as they were
	others     int64 // rows of the range that the plan does not know
}

const (
	pgNamedRanges = 3
	pgNamedKeys   = 5
)

// whatChanged names the planned rows that are missing. A row that was changed
// has a new transaction, as has one that was added since; it can't be told which.
func (p *postgres) whatChanged(ctx context.Context, plan *pgPlan) error {
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
	short, err := s.short(ctx, t, plan)
	if err != nil {
		return err
	}
	if len(short) == 0 {
		return s.changed(t.name, "its rows come in another order than at the plan: has a collation changed? Run the extraction again")
	}
	var missing int64
	var text []string
	for k, r := range short {
		if missing += r.rows - r.left; k >= pgNamedRanges {
			continue
		}
		one, err := s.describe(ctx, t, plan, r)
		if err != nil {
			return err
		}
		text = append(text, one)
	}
	if more := len(short) - pgNamedRanges; more > 0 {
		text = append(text, fmt.Sprintf("and so in %d more ranges", more))
	}
	return s.changed(t.name, fmt.Sprintf("%d planned rows have changed or are gone since the plan: %s. Run the extraction again", missing, strings.Join(text, "; ")))
}

// short finds the ranges that are not whole.
func (s *pgSession) short(ctx context.Context, t *pgTarget, plan *pgPlan) ([]pgShort, error) {
	where, params := t.within(plan)
	firsts := make([]string, len(plan.Ranges))
	for k, r := range plan.Ranges {
		firsts[k] = pgArrayItem(r.First)
	}
	sql := fmt.Sprintf(`SELECT width_bucket(%s, $3::%s[]), count(*) FILTER (WHERE %s), count(*) FILTER (WHERE NOT %s)
FROM %s WHERE %s GROUP BY 1`, t.key, t.id.KeyType, plan.wanted(s.snap.id()), plan.Taken.has(s.snap.id()), t.from, where)
	found := make([]pgShort, len(plan.Ranges))
	for k, r := range plan.Ranges {
		found[k] = pgShort{at: k, rows: r.Rows}
	}
	all := []string{string(params[0]), string(params[1]), "{" + strings.Join(firsts, ",") + "}"}
	err := s.each(ctx, sql, all, func(row [][]byte) error {
		var n [3]int64
		for k := range n {
			n[k], _ = strconv.ParseInt(string(row[k]), 10, 64) // a number, as the server gives it
		}
		if k := n[0] - 1; k >= 0 && k < int64(len(found)) {
			found[k].left, found[k].others = n[1], n[2]
		}
		return nil
	})
	var short []pgShort
	for _, r := range found {
		if r.left != r.rows {
			short = append(short, r)
		}
	}
	return short, err
}

// describe puts a range into words, with the first few keys that the plan does
// not know.
func (s *pgSession) describe(ctx context.Context, t *pgTarget, plan *pgPlan, r pgShort) (string, error) {
	key, less, last := plan.Key, "<=", plan.Last
	if r.at+1 < len(plan.Ranges) {
		less, last = "<", plan.Ranges[r.at+1].First
	}
	first := plan.Ranges[r.at].First
	text := fmt.Sprintf("%d of %d with %s from %s", r.rows-r.left, r.rows, key, clip(first))
	if text += " to "; less == "<" {
		text += "before "
	}
	text += clip(last)
	if r.others == 0 {
		return text + " (gone)", nil
	}
	bounds := fmt.Sprintf("%s >= $1::%s AND %[1]s %[3]s $2::%[2]s", t.key, t.id.KeyType, less)
	sql := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND NOT %s ORDER BY 1 LIMIT %d",
		t.key, t.from, bounds, plan.Taken.has(s.snap.id()), pgNamedKeys)
	var keys []string
	err := s.each(ctx, sql, []string{first, last}, func(row [][]byte) error {
		keys = append(keys, clip(string(row[0])))
		return nil
	})
	if r.others > pgNamedKeys {
		keys = append(keys, "…")
	}
	return fmt.Sprintf("%s (%d changed, or added since: %s)", text, r.others, strings.Join(keys, ", ")), err
}

// pgArrayItem quotes an element of an array's text.
func pgArrayItem(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
