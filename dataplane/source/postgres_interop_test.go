//go:build interop

package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/source"
)

func attemptsColumns() wire.Columns {
	return wire.Columns{
		Student: "student", Item: "item", Skill: "skill", Correct: wire.Correct{Column: "correct"},
		Time: "at", ID: "id", Elapsed: "ms",
	}
}

// puller extracts increment by increment.
type puller struct {
	t       fatal
	src     source.Source
	columns wire.Columns
	last    json.RawMessage
	ids     []string // of all increments, as they came
}

func newPuller(t testing.TB, url string, spec wire.PostgresSpec) *puller {
	t.Helper()
	name := "COHORT_TEST_PG_" + strings.ToUpper(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, t.Name()))
	t.Setenv(name, url)
	spec.URL = "env:" + name
	src, err := source.OpenPostgres(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	})
	return &puller{t: t, src: src, columns: attemptsColumns()}
}

func (p *puller) read(plan json.RawMessage) ([]dataplane.Event, source.Stats, error) {
	var events []dataplane.Event
	r := &source.Reader{
		Mapper: source.NewMapper(p.columns, source.NewMasker([]byte("key")), source.Bounds{}),
		Emit:   func(e dataplane.Event) error { events = append(events, e); return nil },
	}
	err := p.src.Read(context.Background(), plan, r)
	return events, r.Stats, err
}

// pull makes an increment; fewer than none says how many events it must have.
func (p *puller) pull(want int) []dataplane.Event {
	p.t.Helper()
	plan, more, err := p.src.Plan(context.Background(), p.last)
	if err != nil {
		p.t.Fatalf("plan: %v", err)
	}
	var events []dataplane.Event
	if !more {
		if string(plan) != string(p.last) {
			p.t.Fatalf("nothing is new, and the plan is %s", plan)
		}
	} else {
		if events, _, err = p.read(plan); err != nil {
			p.t.Fatalf("read: %v", err)
		}
		if len(events) == 0 {
			p.t.Fatalf("there is more, and nothing to read")
		}
	}
	if want >= 0 && len(events) != want {
		p.t.Fatalf("%d events, want %d", len(events), want)
	}
	p.last = plan
	for _, e := range events {
		p.ids = append(p.ids, e.ID)
	}
	return events
}

// full are the ids of a full extraction.
func (p *puller) full() []string {
	p.t.Helper()
	all := &puller{t: p.t, src: p.src, columns: p.columns}
	all.pull(-1)
	return all.ids
}

func sorted(ids []string) []string { return slices.SortedFunc(slices.Values(ids), dataplane.Shortlex) }

// mustBeInput wants an *InputError that says all of want and nothing secret.
func mustBeInput(t *testing.T, err error, want ...string) {
	t.Helper()
	if _, is := errors.AsType[*source.InputError](err); !is {
		t.Fatalf("%v is no InputError", err)
	}
	saysOnly(t, err, want...)
}

func saysOnly(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	for _, no := range []string{pgTestPassword, pgTestUser, "127.0.0.1", "postgres://", "\n"} {
		if strings.Contains(err.Error(), no) {
			t.Errorf("%q says %q", err, no)
		}
	}
}

func TestPostgres(t *testing.T) {
	s := startPostgres(t)
	for name, test := range map[string]func(*testing.T, string){
		"LateCommitsAreNotSkipped":     lateCommits,
		"AnyOrderOfCommits":            anyOrderOfCommits,
		"WritersSideBySide":            writersSideBySide,
		"PreparedTransactions":         preparedTransactions,
		"PlannedRowsThatChanged":       plannedRowsThatChanged,
		"EarlierRowsThatChanged":       earlierRowsThatChanged,
		"VacuumAndFreezeChangeNothing": vacuum,
		"KeysOfAllTypes":               keysOfAllTypes,
		"ValuesOfAllTypes":             valuesOfAllTypes,
		"QueriesAndViews":              queriesAndViews,
		"WrongInput":                   wrongInput,
		"WrongLogins":                  wrongLogins,
		"LocksAndTimeouts":             locksAndTimeouts,
		"ReadingStopsWhenToldTo":       readingStops,
		"RangesOfKeys":                 rangesOfKeys,
		"AParted_TableOfLateCommits":   partedTable,
	} {
		t.Run(name, func(t *testing.T) {
			test(t, s.database(t, "db_"+strings.ToLower(name)))
		})
	}
}

func lateCommits(t *testing.T, url string) {
	early, late := pgConnect(t, url), pgConnect(t, url)
	pgExec(t, early, attemptsTable)
	insert := func(c *pgconn.PgConn, id int) {
		pgExec(t, c, fmt.Sprintf("INSERT INTO attempts VALUES (%d, 'u', 'i', 's', true, '2024-01-01', 5)", id))
	}
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	p.pull(0)
	pgExec(t, early, "BEGIN")
	insert(early, 1)
	pgExec(t, early, "SAVEPOINT a")
	insert(early, 2) // an id of its own, that no snapshot lists
	insert(late, 3)
	p.pull(1)
	insert(late, 4)
	pgExec(t, early, "COMMIT")
	p.pull(3)
	p.pull(0)
	if d := gocmp.Diff([]string{"3", "1", "2", "4"}, p.ids); d != "" {
		t.Error(d)
	}
}

// anyOrderOfCommits interleaves transactions of several connections by seed.
func anyOrderOfCommits(t *testing.T, url string) {
	const writers = 4
	var conns [writers]*pgconn.PgConn
	for k := range conns {
		conns[k] = pgConnect(t, url)
	}
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts", Batch: 3})
	rapid.Check(t, func(r *rapid.T) {
		for _, c := range conns {
			pgExec(r, c, "ROLLBACK") // what a failed check left open
		}
		pgExec(r, conns[0], "DROP TABLE IF EXISTS attempts; "+attemptsTable)
		p := &puller{t: r, src: p.src, columns: p.columns}
		var open [writers]bool
		var points [writers]int
		var plans []json.RawMessage
		var reads [][]dataplane.Event
		id := 0
		one := func(r *rapid.T) int { return rapid.IntRange(0, writers-1).Draw(r, "writer") }
		insert := func(r *rapid.T) {
			id++
			pgExec(r, conns[one(r)], fmt.Sprintf("INSERT INTO attempts VALUES (%d, 'u%d', 'i', 's', %t, '2024-01-01', 5)", id, id%3, id%2 == 0))
		}
		begun := func(sql string, then func(k int)) func(*rapid.T) {
			return func(r *rapid.T) {
				if k := one(r); open[k] {
					pgExec(r, conns[k], sql)
					then(k)
				}
			}
		}
		end := func(k int) { open[k], points[k] = false, 0 }
		r.Repeat(map[string]func(*rapid.T){
			"insert": insert, "insertAgain": insert,
			"begin": func(r *rapid.T) {
				if k := one(r); !open[k] {
					pgExec(r, conns[k], "BEGIN")
					open[k] = true
				}
			},
			"commit":    begun("COMMIT", end),
			"rollback":  begun("ROLLBACK", end),
			"savepoint": begun("SAVEPOINT p", func(k int) { points[k]++ }),
			"backOrOn": func(r *rapid.T) {
				if k := one(r); points[k] > 0 {
					points[k]--
					pgExec(r, conns[k], rapid.SampledFrom([]string{"ROLLBACK TO p; RELEASE p", "RELEASE p"}).Draw(r, "end"))
				}
			},
			"pull": func(*rapid.T) {
				before := string(p.last)
				if got := p.pull(-1); string(p.last) != before {
					plans, reads = append(plans, p.last), append(reads, got)
				}
			},
		})
		for k := range conns {
			if open[k] {
				pgExec(r, conns[k], "COMMIT")
			}
		}
		p.pull(-1)
		if d := gocmp.Diff(p.full(), sorted(p.ids), emptyIsNil()); d != "" {
			r.Fatalf("increments and a full run: %s", d)
		}
		for k, plan := range plans { // another attempt, later
			got, _, err := p.read(plan)
			if d := gocmp.Diff(reads[k], got); d != "" || err != nil {
				r.Fatalf("plan %d once more: %v %s", k, err, d)
			}
		}
	})
}

func emptyIsNil() gocmp.Option {
	return gocmp.Transformer("emptyIsNil", func(s []string) []string {
		if len(s) == 0 {
			return nil
		}
		return slices.Clone(s)
	})
}

// writersSideBySide lets writers run at their own pace while increments are made.
func writersSideBySide(t *testing.T, url string) {
	seed := interopSeed(t)
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	const writers, transactions = 6, 150
	var done sync.WaitGroup
	for w := range writers {
		conn := pgConnect(t, url)
		rnd := rand.New(rand.NewPCG(seed, uint64(w)))
		done.Go(func() {
			for range transactions {
				if _, err := conn.Exec(context.Background(), randomTransaction(rnd)).ReadAll(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	over := make(chan struct{})
	go func() { done.Wait(); close(over) }()
	p, pulls := newPuller(t, url, wire.PostgresSpec{Table: "attempts", Batch: 7}), 0
	for running := true; running; pulls++ {
		select {
		case <-over:
			running = false
		default:
		}
		p.pull(-1)
	}
	p.pull(0)
	if d := gocmp.Diff(p.full(), sorted(p.ids)); d != "" {
		t.Error(d)
	}
	t.Logf("%d rows in %d increments", len(p.ids), pulls)
}

// randomTransaction inserts rows with and without savepoints, and waits a little
// in between, so that ends come in another order than beginnings.
func randomTransaction(rnd *rand.Rand) string {
	var b strings.Builder
	b.WriteString("BEGIN;")
	for range 1 + rnd.IntN(5) {
		insert := "INSERT INTO attempts (student, skill, correct, at) VALUES ('u', 's', true, now());"
		switch rnd.IntN(4) {
		case 0:
			b.WriteString("SAVEPOINT a;" + insert + "ROLLBACK TO a;")
		case 1:
			b.WriteString("SAVEPOINT a;" + insert)
		case 2:
			fmt.Fprintf(&b, "SELECT pg_sleep(%f);", rnd.Float64()/100)
		}
		b.WriteString(insert)
	}
	b.WriteString([]string{"COMMIT", "COMMIT", "COMMIT", "ROLLBACK"}[rnd.IntN(4)])
	return b.String()
}

func preparedTransactions(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	pgExec(t, c, "BEGIN; INSERT INTO attempts VALUES (1, 'u', 'i', 's', true, '2024-01-01', 5); PREPARE TRANSACTION 'one'")
	loadAttempts(t, c, "attempts", 2, 5)
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	p.pull(5)
	pgExec(t, c, "COMMIT PREPARED 'one'")
	p.pull(1)
}

func plannedRowsThatChanged(t *testing.T, url string) {
	c := pgConnect(t, url)
	for name, test := range map[string]struct {
		sql  string
		want []string
	}{
		"updated":   {"UPDATE attempts SET ms = 1 WHERE id = 25", []string{"1 planned rows", "1 of 10 with id from 21 to before 31", "1 changed, or added since: 25"}},
		"deleted":   {"DELETE FROM attempts WHERE id IN (1, 2, 100)", []string{"3 planned rows", "2 of 10 with id from 1 to before 11 (gone)", "1 of 10 with id from 91 to 100 (gone)"}},
		"lastGone":  {"DELETE FROM attempts WHERE id = 100", []string{"1 of 10 with id from 91 to 100 (gone)"}},
		"moved":     {"UPDATE attempts SET id = 1000 WHERE id = 50", []string{"1 of 10 with id from 41 to before 51 (gone)"}},
		"many":      {"UPDATE attempts SET ms = 1", []string{"100 planned rows", "10 changed, or added since: 1, 2, 3, 4, 5, …", "in 7 more ranges"}},
		"emptied":   {"TRUNCATE attempts", []string{"100 planned rows"}},
		"recreated": {"DROP TABLE attempts; " + attemptsTable, []string{"dropped and made again"}},
		"renamed":   {"ALTER TABLE attempts RENAME COLUMN ms TO took", []string{`column "ms"`, "columns.elapsed"}},
	} {
		t.Run(name, func(t *testing.T) {
			pgExec(t, c, "DROP TABLE IF EXISTS attempts; "+attemptsTable)
			loadAttempts(t, c, "attempts", 1, 100)
			p := newPuller(t, url, wire.PostgresSpec{Table: "attempts", Batch: 10})
			plan, _, err := p.src.Plan(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			pgExec(t, c, test.sql)
			_, _, err = p.read(plan)
			mustBeInput(t, err, append(test.want, "public.attempts")...)
		})
	}
	t.Run("added", func(t *testing.T) { // which is no change
		pgExec(t, c, "DROP TABLE IF EXISTS attempts; "+attemptsTable)
		loadAttempts(t, c, "attempts", 11, 100)
		p := newPuller(t, url, wire.PostgresSpec{Table: "attempts", Batch: 10})
		plan, _, err := p.src.Plan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		pgExec(t, c, "UPDATE attempts SET id = id WHERE false; DELETE FROM attempts WHERE id = 0")
		loadAttempts(t, c, "attempts", 1, 5)
		loadAttempts(t, c, "attempts", 200, 5)
		if events, _, err := p.read(plan); err != nil || len(events) != 100 {
			t.Errorf("%d events, %v", len(events), err)
		}
	})
}

func earlierRowsThatChanged(t *testing.T, url string) {
	c := pgConnect(t, url)
	for name, test := range map[string]struct {
		sql  string
		want []string
	}{
		"updated":   {"UPDATE attempts SET ms = 1 WHERE id IN (25, 26)", []string{"of 100 rows that were extracted before, 98 are as they were"}},
		"deleted":   {"DELETE FROM attempts WHERE id = 1", []string{"99 are as they were"}},
		"emptied":   {"TRUNCATE attempts", []string{"0 are as they were", "cut or rewritten"}},
		"recreated": {"DROP TABLE attempts; " + attemptsTable, []string{"dropped and made again"}},
		"rewritten": {"ALTER TABLE attempts ALTER ms TYPE bigint", []string{"0 are as they were", "cut or rewritten"}},
		"retyped":   {"ALTER TABLE attempts ALTER id DROP IDENTITY; ALTER TABLE attempts ALTER id TYPE numeric", []string{"the key was id (bigint) in the last plan, and is id (numeric)"}},
	} {
		t.Run(name, func(t *testing.T) {
			pgExec(t, c, "DROP TABLE IF EXISTS attempts; "+attemptsTable)
			loadAttempts(t, c, "attempts", 1, 100)
			p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
			p.pull(100)
			pgExec(t, c, test.sql)
			_, _, err := p.src.Plan(t.Context(), p.last)
			mustBeInput(t, err, append(test.want, "public.attempts", "extract it in full again")...)
		})
	}
	t.Run("otherRowsOfTheSameTransactions", func(t *testing.T) { // as after a failover that lost the newest
		pgExec(t, c, "DROP TABLE IF EXISTS attempts; "+attemptsTable)
		loadAttempts(t, c, "attempts", 1, 100)
		p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
		p.pull(100)
		var plan map[string]any
		if err := json.Unmarshal(p.last, &plan); err != nil {
			t.Fatal(err)
		}
		plan["sum"] = "12345"
		forged, err := json.Marshal(plan)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = p.src.Plan(t.Context(), forged)
		mustBeInput(t, err, "not those of then", "extract it in full again")
		plan["xmax"] = 1 << 40
		if forged, err = json.Marshal(plan); err != nil {
			t.Fatal(err)
		}
		_, _, err = p.src.Plan(t.Context(), forged)
		mustBeInput(t, err, "was restored", "extract it in full again")
	})
}

func vacuum(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	loadAttempts(t, c, "attempts", 1, 100)
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	p.pull(100)
	plan := p.last
	for _, sql := range []string{
		"VACUUM FREEZE attempts", "VACUUM FULL attempts", "CLUSTER attempts USING attempts_pkey", "SELECT * FROM attempts FOR UPDATE",
		"ALTER TABLE attempts ADD COLUMN more int DEFAULT 5",
	} {
		pgExec(t, c, sql)
		p.pull(0)
	}
	if events, _, err := p.read(plan); err != nil || len(events) != 100 {
		t.Errorf("%d events, %v", len(events), err)
	}
	loadAttempts(t, c, "attempts", 101, 1)
	p.pull(1)
}
