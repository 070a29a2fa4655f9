//go:build interop

package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

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

func keysOfAllTypes(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, "ALTER DATABASE db_keysofalltypes SET DateStyle = 'SQL, DMY'")
	for _, test := range []struct{ kind, key string }{
		{"bigint", "k - 50"},
		{"smallint", "k"},
		{"numeric", "k / 7.0"},
		{"double precision", "k / 7.0"},
		{"text", `(ARRAY['a', 'B', 'ä', 'Z', '"', '\', '{', ',', ' ', ''''])[k % 10 + 1] || k`},
		{`text COLLATE "de-x-icu"`, "(ARRAY['a', 'B', 'ä', 'Z', 'z'])[k % 5 + 1] || k"},
		{"character varying(20)", "'v' || k"},
		{"character(9)", "'c' || k"},
		{"uuid", "md5(k::text)::uuid"},
		{"timestamptz", "'2024-03-31 00:30:00.000001+05:30'::timestamptz + k * interval '11 minutes 7 microseconds'"},
		{"timestamp", "'2024-03-31'::timestamp + k * interval '1 hour'"},
		{"date", "'2024-03-31'::date + k"},
		{"inet", "'10.0.0.0'::inet + k"},
		{"bytea", `decode(md5(k::text), 'hex')`},
	} {
		t.Run(strings.ReplaceAll(test.kind, " ", "_"), func(t *testing.T) {
			p := newPuller(t, url, wire.PostgresSpec{Table: "logs", Key: "Key of it", Batch: 7})
			p.columns.ID = "n"
			pgExec(t, c, fmt.Sprintf(`DROP TABLE IF EXISTS logs;
CREATE TABLE logs ("Key of it" %s PRIMARY KEY, n int, student text, item text, skill text, correct int, at timestamp, ms float)`, test.kind))
			fill := func(where string) {
				pgExec(t, c, fmt.Sprintf(`INSERT INTO logs SELECT %s, k, 'u', 'i', 's', k %% 2, '2024-01-01', 1.5 FROM generate_series(1, 100) k WHERE %s`, test.key, where))
			}
			fill("k % 3 > 0")
			p.pull(67)
			if at := strings.HasPrefix(test.kind, "time") || test.kind == "date"; at && !strings.Contains(string(p.last), `"first":"2024-0`) {
				t.Errorf("times are not in ISO form: %s", p.last)
			}
			fill("k % 3 = 0")
			p.pull(33)
			want := make([]string, 100)
			for k := range want {
				want[k] = strconv.Itoa(k + 1)
			}
			if d := gocmp.Diff(want, sorted(p.ids)); d != "" {
				t.Error(d)
			}
			plan := p.last
			pgExec(t, c, "DELETE FROM logs WHERE n = 36")
			_, _, err := p.read(plan)
			mustBeInput(t, err, "1 planned rows")
		})
	}
}

func valuesOfAllTypes(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, "ALTER DATABASE db_valuesofalltypes SET TimeZone = 'Asia/Kolkata'; ALTER DATABASE db_valuesofalltypes SET DateStyle = 'SQL, DMY'")
	for _, test := range []struct {
		column, kind, value string
		want                func(e dataplane.Event) (any, any)
	}{
		{"student", "bigint", "17", func(e dataplane.Event) (any, any) { return e.Student, source.NewMasker([]byte("key")).Mask("17") }},
		{"student", "uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", func(e dataplane.Event) (any, any) {
			return e.Student, source.NewMasker([]byte("key")).Mask("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
		}},
		{"student", "character(8)", "'u1'", func(e dataplane.Event) (any, any) { return e.Student, source.NewMasker([]byte("key")).Mask("u1") }},
		{"item", "text", "NULL", func(e dataplane.Event) (any, any) { return e.Item, "" }},
		{"item", "smallint", "-7", func(e dataplane.Event) (any, any) { return e.Item, "-7" }},
		{"item", "integer", "2147483647", func(e dataplane.Event) (any, any) { return e.Item, "2147483647" }},
		{"item", "bigint", "-9223372036854775808", func(e dataplane.Event) (any, any) { return e.Item, "-9223372036854775808" }},
		{"item", "numeric", "12.50", func(e dataplane.Event) (any, any) { return e.Item, "12.50" }},
		{"item", "text", "E'ü\\t中 x'", func(e dataplane.Event) (any, any) { return e.Item, "ü\t中 x" }},
		{"item", "jsonb", `'{"a": 1}'`, func(e dataplane.Event) (any, any) { return e.Item, `{"a": 1}` }},
		{"item", "boolean", "false", func(e dataplane.Event) (any, any) { return e.Item, "false" }},
		{"item", "date", "'1969-02-28'", func(e dataplane.Event) (any, any) { return e.Item, "1969-02-28" }},
		{"item", "timestamptz", "'1969-12-31 23:59:59.999999+00'", func(e dataplane.Event) (any, any) { return e.Item, "1969-12-31T23:59:59.999999Z" }},
		{"correct", "integer", "1", func(e dataplane.Event) (any, any) { return e.Correct, true }},
		{"correct", "boolean", "false", func(e dataplane.Event) (any, any) { return e.Correct, false }},
		{"correct", "double precision", "1", func(e dataplane.Event) (any, any) { return e.Correct, true }},
		{"at", "timestamptz", "'2024-03-01 12:00:00.123456+05:30'", func(e dataplane.Event) (any, any) {
			return e.Time, time.Date(2024, 3, 1, 6, 30, 0, 123456000, time.UTC).UnixMicro()
		}},
		{"at", "timestamp", "'2024-03-01 12:00:00.5'", func(e dataplane.Event) (any, any) {
			return e.Time, time.Date(2024, 3, 1, 12, 0, 0, 500000000, time.UTC).UnixMicro()
		}},
		{"at", "date", "'2024-03-01'", func(e dataplane.Event) (any, any) {
			return e.Time, time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC).UnixMicro()
		}},
		{"at", "bigint", "1700000000", func(e dataplane.Event) (any, any) { return e.Time, int64(1_700_000_000_000_000) }},
		{"at", "numeric", "1700000000.25", func(e dataplane.Event) (any, any) { return e.Time, int64(1_700_000_000_250_000) }},
		{"at", "double precision", "1700000000.25", func(e dataplane.Event) (any, any) { return e.Time, int64(1_700_000_000_250_000) }},
		{"ms", "integer", "NULL", func(e dataplane.Event) (any, any) { return e.Elapsed, int64(0) }},
		{"ms", "real", "1500.5", func(e dataplane.Event) (any, any) { return e.Elapsed, int64(1500) }},
	} {
		t.Run(test.column+"_"+strings.ReplaceAll(test.kind, " ", "_"), func(t *testing.T) {
			row := map[string][2]string{
				"student": {"text", "'u'"}, "item": {"text", "'i'"}, "skill": {"text", "'s'"},
				"correct": {"boolean", "true"}, "at": {"timestamptz", "'2024-01-01'"}, "ms": {"integer", "5"},
			}
			row[test.column] = [2]string{test.kind, test.value}
			columns, values := []string{"id integer"}, []string{"1"}
			for _, name := range []string{"student", "item", "skill", "correct", "at", "ms"} {
				columns, values = append(columns, name+" "+row[name][0]), append(values, row[name][1])
			}
			pgExec(t, c, fmt.Sprintf("DROP TABLE IF EXISTS log; CREATE TABLE log (%s); INSERT INTO log VALUES (%s)",
				strings.Join(columns, ", "), strings.Join(values, ", ")))
			p := newPuller(t, url, wire.PostgresSpec{Table: "log"})
			if got, want := test.want(p.pull(1)[0]); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		})
	}
	t.Run("rowsThatAreNoEventsAreNamed", func(t *testing.T) {
		pgExec(t, c, "DROP TABLE IF EXISTS attempts; "+attemptsTable+
			"; INSERT INTO attempts VALUES (7, NULL, 'i', 's', true, '2024-01-01'), (8, 'u', 'i', 's', NULL, '2024-01-01'), (9, 'u', 'i', 's', true, 'infinity')")
		p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
		plan, _, err := p.src.Plan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = p.read(plan)
		mustBeInput(t, err, "public.attempts, id 7", `column "student"`)
	})
}

func queriesAndViews(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable+"; CREATE TABLE skills (skill text PRIMARY KEY, name text); INSERT INTO skills SELECT 's' || k, 'skill ' || k FROM generate_series(0, 119) k")
	pgExec(t, c, "CREATE VIEW named AS SELECT a.xmin, a.id, student, item, name AS skill, correct, at, ms FROM attempts a JOIN skills USING (skill)")
	loadAttempts(t, c, "attempts", 1, 50)
	query := wire.PostgresSpec{Query: "SELECT a.xmin, a.id, student, item, name AS skill, correct, at, ms\nFROM attempts a JOIN skills USING (skill) WHERE a.id <> 13 -- unlucky\n;", Batch: 10}
	p := newPuller(t, url, query)
	if events := p.pull(49); !strings.HasPrefix(events[0].Skill, "skill ") {
		t.Errorf("%+v", events[0])
	}
	v := &puller{t: t, src: newPuller(t, url, wire.PostgresSpec{Table: "named"}).src, columns: p.columns}
	v.pull(50)
	loadAttempts(t, c, "attempts", 51, 2)
	p.pull(2)
	v.pull(2)
	query.Query = strings.Replace(query.Query, "13", "14", 1)
	_, _, err := newPuller(t, url, query).src.Plan(t.Context(), p.last)
	mustBeInput(t, err, "source.postgres.query", "the query has changed", "extract it in full again")
}

func wrongInput(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable+`; CREATE TABLE "Mixed" (id int, doc json); INSERT INTO "Mixed" VALUES (1, '{}');
CREATE TABLE twice (id int); INSERT INTO twice VALUES (1), (2), (2); CREATE TABLE nulls (id int); INSERT INTO nulls VALUES (1), (NULL);
CREATE VIEW plain AS SELECT id, student FROM attempts; CREATE SEQUENCE counter;
INSERT INTO attempts VALUES (1, 'u', 'i', 's', true, '2024-01-01', 5)`)
	for name, test := range map[string]struct {
		spec wire.PostgresSpec
		want []string
	}{
		"noTable":         {wire.PostgresSpec{Table: "atempts"}, []string{"atempts: there is no such table; did you mean attempts"}},
		"noTableSchema":   {wire.PostgresSpec{Table: "public.attempt"}, []string{"did you mean public.attempts"}},
		"otherCase":       {wire.PostgresSpec{Table: "Mixed"}, []string{`did you mean "Mixed"`}},
		"noTableName":     {wire.PostgresSpec{Table: "a b c"}, []string{"a b c"}},
		"noKey":           {wire.PostgresSpec{Table: "attempts", Key: "idd"}, []string{`column "idd"`, "source.postgres.key", `did you mean "id"`, "student, item"}},
		"sequence":        {wire.PostgresSpec{Table: "counter"}, []string{"no table"}},
		"keyTwice":        {wire.PostgresSpec{Table: "twice"}, []string{`column "id"`, "not unique"}},
		"keyNull":         {wire.PostgresSpec{Table: "nulls"}, []string{`column "id"`, "NULL in 1 rows"}},
		"keyWithoutOrder": {wire.PostgresSpec{Table: `"Mixed"`, Key: "doc"}, []string{"order"}},
		"viewWithoutXmin": {wire.PostgresSpec{Table: "plain"}, []string{"public.plain", "must return columns xmin", `"id"`}},
		"queryNoXmin":     {wire.PostgresSpec{Query: "SELECT * FROM attempts"}, []string{"source.postgres.query: it must return columns xmin", `"id"`}},
		"queryOddXmin":    {wire.PostgresSpec{Query: "SELECT 5 AS xmin, * FROM attempts"}, []string{"must return columns xmin"}},
		"queryNoKey":      {wire.PostgresSpec{Query: "SELECT xmin, student FROM attempts"}, []string{`column "id"`, "xmin, student"}},
		"queryNullXmin":   {wire.PostgresSpec{Query: "SELECT a.xmin, t.id FROM (SELECT DISTINCT id FROM twice) t LEFT JOIN attempts a USING (id)"}, []string{`column "xmin"`, "NULL in 1 rows"}},
		"querySyntax":     {wire.PostgresSpec{Query: "SELEC xmin"}, []string{"source.postgres.query", "syntax error", "42601"}},
		"queryNoTable":    {wire.PostgresSpec{Query: "SELECT xmin, * FROM atempts"}, []string{`relation "atempts" does not exist`}},
		"queryNoColumn":   {wire.PostgresSpec{Query: "SELECT xmin, ident FROM attempts"}, []string{`column "ident" does not exist`}},
		"queryTwo":        {wire.PostgresSpec{Query: "SELECT xmin, id FROM attempts); DROP TABLE attempts; --"}, []string{"source.postgres.query"}},
		"queryWrites":     {wire.PostgresSpec{Query: "SELECT xmin, nextval('counter') AS id FROM attempts"}, []string{"would write", "25006"}},
		"queryOfData":     {wire.PostgresSpec{Query: "SELECT xmin, id, student::int AS n FROM attempts WHERE student::int > 0"}, []string{"fails on its data", "22P02"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := newPuller(t, url, test.spec).src.Plan(t.Context(), nil)
			mustBeInput(t, err, test.want...)
		})
	}
	for name, columns := range map[string]wire.Columns{
		`"skil", for`:            {Student: "student", Skill: "skil", Correct: wire.Correct{Column: "correct"}, Time: "at"},
		"may not be the student": {Student: "id", Skill: "skill", Correct: wire.Correct{Column: "correct"}, Time: "at"},
	} {
		p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
		plan, _, err := p.src.Plan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		p.columns = columns
		_, _, err = p.read(plan)
		mustBeInput(t, err, strings.TrimSuffix(name, ", for"))
	}
}

func wrongLogins(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable+"; CREATE ROLE nobody_reads LOGIN PASSWORD 'pw-of-nobody'; CREATE ROLE no_login PASSWORD 'pw-of-nobody'")
	plan := func(url string) error {
		_, _, err := newPuller(t, url, wire.PostgresSpec{Table: "public.attempts"}).src.Plan(t.Context(), nil)
		if err == nil {
			t.Fatalf("%s: no error", url)
		}
		if strings.Contains(err.Error(), "pw-of-nobody") || strings.Contains(err.Error(), "nobody_reads") || strings.Contains(err.Error(), "no_login") {
			t.Errorf("%v", err)
		}
		return err
	}
	login := pgTestUser + ":" + pgTestPassword
	mustBeInput(t, plan(strings.Replace(url, pgTestPassword, "wrong", 1)), "source.postgres.url (env:COHORT_TEST_PG", "the password is wrong", "28P01")
	mustBeInput(t, plan(strings.Replace(url, login, "no_login:pw-of-nobody", 1)), "the login is refused", "28000")
	mustBeInput(t, plan(strings.Replace(url, "/db_", "/no_db_", 1)), "no such database", "3D000")
	mustBeInput(t, plan(strings.Replace(url, login, "nobody_reads:pw-of-nobody", 1)), "public.attempts", "may not read", "42501")
	mustBeInput(t, plan(url+"&DateStyle=nonsense"), "the URL sets something")
	outage := func(err error, want ...string) {
		t.Helper()
		if _, is := errors.AsType[*source.InputError](err); is {
			t.Errorf("%v is an InputError", err)
		}
		saysOnly(t, err, append(want, "source.postgres.url (env:COHORT_TEST_PG")...)
	}
	outage(plan(fmt.Sprintf("postgres://u:p@127.0.0.1:%d/d?sslmode=disable", freePort(t))), "connection refused")
	outage(plan(strings.Replace(url, "127.0.0.1", "no-such-host.invalid", 1)), "can't be reached")
	outage(plan(strings.Replace(url, "disable", "require", 1)), "can't be reached")
	outage(plan("postgres:///db?host=/no/such/folder&user=u"), "no socket")
}

func locksAndTimeouts(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	loadAttempts(t, c, "attempts", 1, 20_000)
	p := newPuller(t, url+"&statement_timeout=1", wire.PostgresSpec{Table: "attempts"})
	_, _, err := p.src.Plan(t.Context(), nil)
	var input *source.InputError
	if err == nil || errors.As(err, &input) {
		t.Fatalf("%v", err)
	}
	saysOnly(t, err, "cancelled", "57014")
	pgExec(t, c, "ALTER ROLE "+pgTestUser+" IN DATABASE db_locksandtimeouts SET statement_timeout = 1")
	p = newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	p.pull(20_000)
}

func readingStops(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	loadAttempts(t, c, "attempts", 1, 50_000)
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts"})
	plan, _, err := p.src.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stop := errors.New("stop")
	for _, test := range []struct {
		emit func() error
		want error
	}{{func() error { return stop }, stop}, {func() error { cancel(); return nil }, context.Canceled}} {
		err := p.src.Read(ctx, plan, &source.Reader{
			Mapper: source.NewMapper(p.columns, source.NewMasker(nil), source.Bounds{}),
			Emit:   func(dataplane.Event) error { return test.emit() },
		})
		if !errors.Is(err, test.want) {
			t.Errorf("%v, want %v", err, test.want)
		}
	}
	if _, _, err := p.src.Plan(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	eventually(t, "no session is left", func() bool {
		r, err := c.Exec(context.Background(), "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'cohort' AND datname = current_database()").ReadAll()
		return err == nil && string(r[0].Rows[0][0]) == "0"
	})
}

func rangesOfKeys(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, attemptsTable)
	loadAttempts(t, c, "attempts", 1, 45)
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts", Batch: 20})
	p.pull(45)
	loadAttempts(t, c, "attempts", 50, 3)
	p.pull(3)
	type plan struct {
		Source, Key string
		Rows, New   int64
		Ranges      []struct {
			First string
			Rows  int64
		}
		Last string
	}
	var got plan
	if err := json.Unmarshal(p.last, &got); err != nil {
		t.Fatal(err)
	}
	want := plan{Source: "public.attempts", Key: "id", Rows: 48, New: 3, Last: "52"}
	want.Ranges = append(want.Ranges, struct {
		First string
		Rows  int64
	}{"50", 3})
	if d := gocmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if again, more, err := p.src.Plan(t.Context(), p.last); err != nil || more || string(again) != string(p.last) {
		t.Errorf("%s, %v, %v", again, more, err)
	}
}

func partedTable(t *testing.T, url string) {
	c := pgConnect(t, url)
	pgExec(t, c, `CREATE TABLE attempts (id bigint PRIMARY KEY, student text, item text, skill text, correct boolean, at timestamptz, ms integer) PARTITION BY RANGE (id);
CREATE TABLE a1 PARTITION OF attempts FOR VALUES FROM (0) TO (50); CREATE TABLE a2 PARTITION OF attempts FOR VALUES FROM (50) TO (1000)`)
	p := newPuller(t, url, wire.PostgresSpec{Table: "attempts", Batch: 9})
	loadAttempts(t, c, "attempts", 1, 90)
	p.pull(90)
	loadAttempts(t, c, "attempts", 100, 5)
	p.pull(5)
	pgExec(t, c, "ALTER TABLE attempts DETACH PARTITION a1")
	_, _, err := p.src.Plan(t.Context(), p.last)
	mustBeInput(t, err, "of 95 rows that were extracted before, 46 are as they were")
}
