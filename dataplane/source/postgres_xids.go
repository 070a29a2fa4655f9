package source

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// How rows are told apart. A row carries the id of the transaction that wrote
// it (its xmin). Ids are dealt when a transaction starts to write, rows are seen
// when it commits, so rows with lower ids, and lower keys, keep turning up after
// higher ones. A plan therefore holds the set of ids whose rows it covers:
//
//   - all below the snapshot's xmin: whatever had them is over;
//   - above it, those of the rows that the snapshot shows.
//
// pg_visible_in_snapshot would be wrong here: a savepoint gives later rows an id
// of their own, and a snapshot as SQL shows it lists only the outer ones of those
// in progress. The rows themselves tell both apart, on a standby too, where the
// list is empty. An increment is the rows of this set that are not of the set
// before.
//
// xmin has 32 bits and is counted from the newest id backwards, which is right
// for rows whose transaction is less than 2³² ids ago. A row older than that
// (frozen; the number stays) may pass for a new one for as long as its number
// lies between two plans. That is found out, since it is then missing among the
// rows extracted before, and ends in the error that asks for a full extraction,
// never in a row lost or doubled.

// pgMaxSpans bounds a plan.
const pgMaxSpans = 100_000

// pgSnapshot is the part of pg_current_snapshot that is used, and the newest id.
type pgSnapshot struct {
	xmin, xmax int64
	newest     int64 // from which age() counts
	standby    bool
}

// parsePgSnapshot reads "xmin:xmax:list" and age('3'::xid).
func parsePgSnapshot(text, age string) (s pgSnapshot, err error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return s, errors.New("the server's snapshot is not understood")
	}
	var errs [3]error
	s.xmin, errs[0] = strconv.ParseInt(parts[0], 10, 64)
	s.xmax, errs[1] = strconv.ParseInt(parts[1], 10, 64)
	three, err := strconv.ParseInt(age, 10, 32)
	errs[2] = err
	if errors.Join(errs[:]...) != nil || s.xmin < 3 || s.xmax < s.xmin {
		return s, errors.New("the server's snapshot is not understood")
	}
	low := uint32(three) + 3                      // the newest id's lower half
	s.newest = s.xmax + int64(low-uint32(s.xmax)) // it is at or after xmax
	return s, nil
}

// id is the SQL of a row's transaction id in 64 bits. age() gives the distance
// from the newest id as a signed number of 32 bits.
func (s pgSnapshot) id() string {
	return fmt.Sprintf("(%d - (age(q.xmin)::bigint & 4294967295))", s.newest)
}

// pgTaken is a set of transaction ids: all below Below, and the spans of Also.
type pgTaken struct {
	Below int64      `json:"below"`
	Also  [][2]int64 `json:"also,omitempty"` // first and last, ascending, apart, at or above Below
}

// newPgTaken makes the set of ids below below and of more, in ascending order.
func newPgTaken(below int64, more []int64) pgTaken {
	t := pgTaken{Below: below}
	for _, id := range more {
		if k := len(t.Also) - 1; k >= 0 && t.Also[k][1]+1 >= id {
			t.Also[k][1] = id
		} else {
			t.Also = append(t.Also, [2]int64{id, id})
		}
	}
	return t
}

// has is the SQL that tells whether the set has the id that the SQL id gives.
func (t *pgTaken) has(id string) string {
	if t == nil {
		return "false"
	}
	below := fmt.Sprintf("%s < %d", id, t.Below)
	if len(t.Also) == 0 {
		return "(" + below + ")"
	}
	spans := make([]string, len(t.Also))
	for k, s := range t.Also {
		spans[k] = fmt.Sprintf("[%d,%d]", s[0], s[1])
	}
	return fmt.Sprintf("(%s OR %s <@ '{%s}'::int8multirange)", below, id, strings.Join(spans, ","))
}

// check finds what makes a set none.
func (t *pgTaken) check() error {
	end := t.Below - 2
	for _, s := range t.Also {
		if s[0] < end+2 || s[1] < s[0] || s[1] == 1<<63-1 {
			return errors.New("its transactions are out of order")
		}
		end = s[1]
	}
	if t.Below < 3 || len(t.Also) > pgMaxSpans {
		return errors.New("its transactions are none")
	}
	return nil
}

// parsePgIDs reads {1,2,3}; empty is none.
func parsePgIDs(text string) ([]int64, error) {
	text = strings.Trim(text, "{}")
	if text == "" {
		return nil, nil
	}
	parts := strings.Split(text, ",")
	ids := make([]int64, len(parts))
	for k, p := range parts {
		id, err := strconv.ParseInt(p, 10, 64)
		if err != nil {
			return nil, errors.New("the server's list of transactions is not understood")
		}
		ids[k] = id
	}
	slices.Sort(ids)
	return ids, nil
}
