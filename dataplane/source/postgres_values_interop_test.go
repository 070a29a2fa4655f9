//go:build interop

package source_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/source"
)

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
