package source_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgproto3"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/source"
)

// pgReply is what a pretended server says to a statement.
type pgReply struct {
	names []string // of columns
	types []uint32 // of columns; 0 is text
	rows  [][]any  // string: as it stands; int64: in 8 bytes; nil: NULL
	code  string   // of an error after the rows
}

// pgScript answers a statement; it knows it by a part of its text.
type pgScript []struct {
	part  string
	reply pgReply
}

func (s pgScript) find(sql string) pgReply {
	for _, one := range s {
		if strings.Contains(sql, one.part) {
			return one.reply
		}
	}
	return pgReply{code: "42601"}
}

// pretendPostgres speaks the protocol as a server of the version does that knows
// but the statements of the script. It gives its URL by reference.
func pretendPostgres(t *testing.T, version string, script func() pgScript) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // ends the loop below
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go pretend(c, version, script())
		}
	}()
	t.Setenv("COHORT_TEST_PRETENDED", fmt.Sprintf("postgres://me:hidden@%s/db?sslmode=disable&connect_timeout=5", l.Addr()))
	return "env:COHORT_TEST_PRETENDED"
}

func pretend(c net.Conn, version string, script pgScript) {
	defer func() { _ = c.Close() }() // the client may have ended it
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationOk{})
	b.Send(&pgproto3.ParameterStatus{Name: "server_version", Value: version})
	b.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	var reply pgReply
	for b.Flush() == nil {
		m, err := b.Receive()
		if err != nil {
			return
		}
		switch m := m.(type) {
		case *pgproto3.Query:
			b.Send(&pgproto3.CommandComplete{CommandTag: []byte("BEGIN")})
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'T'})
		case *pgproto3.Parse:
			reply = script.find(m.Query)
			b.Send(&pgproto3.ParseComplete{})
		case *pgproto3.Bind:
			b.Send(&pgproto3.BindComplete{})
		case *pgproto3.Describe:
			if m.ObjectType == 'S' {
				b.Send(&pgproto3.ParameterDescription{})
			}
			b.Send(reply.description())
		case *pgproto3.Execute:
			reply.sendRows(b)
		case *pgproto3.Sync:
			b.Send(&pgproto3.ReadyForQuery{TxStatus: 'T'})
		case *pgproto3.Terminate:
			return
		}
	}
}

func (r pgReply) description() *pgproto3.RowDescription {
	d := &pgproto3.RowDescription{}
	for k := range max(len(r.names), r.width()) {
		f := pgproto3.FieldDescription{DataTypeOID: 25}
		if k < len(r.names) {
			f.Name = []byte(r.names[k])
		}
		if k < len(r.types) && r.types[k] != 0 {
			f.DataTypeOID = r.types[k]
		}
		d.Fields = append(d.Fields, f)
	}
	return d
}

func (r pgReply) width() int {
	if len(r.rows) == 0 {
		return 0
	}
	return len(r.rows[0])
}

func (r pgReply) sendRows(b *pgproto3.Backend) {
	for _, row := range r.rows {
		values := make([][]byte, len(row))
		for k, v := range row {
			switch v := v.(type) {
			case string:
				values[k] = []byte(v)
			case int64:
				values[k] = binary.BigEndian.AppendUint64(nil, uint64(v))
			}
		}
		b.Send(&pgproto3.DataRow{Values: values})
	}
	if r.code != "" {
		b.Send(&pgproto3.ErrorResponse{Severity: "ERROR", Code: r.code, Message: "words"})
		return
	}
	b.Send(&pgproto3.CommandComplete{CommandTag: []byte("SELECT")})
}

// threeRows is a server with a table of three rows, of which all are new.
func threeRows() pgScript {
	return pgScript{
		{"pg_current_snapshot", pgReply{rows: [][]any{{"740:750:741", "747", "f"}}}},
		{"to_regclass", pgReply{rows: [][]any{{"16384", "16390", "public.attempts", "r"}}}},
		{"quote_ident", pgReply{rows: [][]any{{"attempts", "public.attempts"}}}},
		{"SELECT q.* FROM", pgReply{names: []string{"id", "student", "skill", "correct", "at"}, types: []uint32{20, 0, 0, 0, 20}}},
		{"format_type", pgReply{rows: [][]any{{"bigint"}}}},
		{"SELECT count(*), ", pgReply{rows: [][]any{{"3", "0", "0", "0", "-17", "0", "{745,746}", "5", "9"}}}},
		{"row_number()", pgReply{rows: [][]any{{"1", "5", nil}, {"3", "9", "f"}}}},
		{`SELECT q."id", q."student"`, pgReply{rows: [][]any{
			{"5", "u", "s", "1", int64(7)}, {"6", "u", nil, "0", int64(8)}, {"9", "v", "s", "0", int64(9)},
		}}},
	}
}

// with is the script with another answer to one of its statements.
func (s pgScript) with(part string, reply pgReply) func() pgScript {
	return func() pgScript {
		changed := append(pgScript(nil), s...)
		for k := range changed {
			if changed[k].part == part {
				changed[k].reply = reply
			}
		}
		return changed
	}
}

func openPretended(t *testing.T, version string, script func() pgScript) source.Source {
	t.Helper()
	src, err := source.OpenPostgres(t.Context(), wire.PostgresSpec{URL: pretendPostgres(t, version, script), Table: "attempts"})
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func readPretended(ctx context.Context, src source.Source, plan json.RawMessage) ([]dataplane.Event, source.Stats, error) {
	var events []dataplane.Event
	r := &source.Reader{
		Mapper: source.NewMapper(wire.Columns{Student: "student", Skill: "skill", Correct: wire.Correct{Column: "correct"}, Time: "at"},
			source.NewMasker([]byte("key")), source.Bounds{}),
		Emit: func(e dataplane.Event) error { events = append(events, e); return nil },
	}
	err := src.Read(ctx, plan, r)
	return events, r.Stats, err
}

func TestPostgresPlansAndReads(t *testing.T) {
	src := openPretended(t, "15.1", threeRows)
	plan, more, err := src.Plan(t.Context(), nil)
	const want = `{"version":1,"source":"public.attempts","oid":16384,"file":16390,"key":"id","key_type":"bigint",` +
		`"taken":{"below":740,"also":[[745,746]]},"xmax":750,"rows":3,"sum":"-17","new":3,"ranges":[{"first":"5","rows":3}],"last":"9"}`
	if err != nil || !more || string(plan) != want {
		t.Fatalf("%v, %v\n%s\n%s", more, err, plan, want)
	}
	events, stats, err := readPretended(t.Context(), src, plan)
	mask := source.NewMasker([]byte("key"))
	wantEvents := []dataplane.Event{
		{Student: mask.Mask("u"), Skill: "s", Correct: true, Time: 7_000_000},
		{Student: mask.Mask("v"), Skill: "s", Time: 9_000_000},
	}
	if d := cmp.Diff(wantEvents, events); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	if d := cmp.Diff(source.Stats{Rows: 3, Kept: 2, Dropped: []source.Drop{{Reason: "skill is empty", Rows: 1}}}, stats); d != "" {
		t.Error(d)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
}

func TestPostgresWithNothingNew(t *testing.T) {
	last, _, err := openPretended(t, "15.1", threeRows).Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	src := openPretended(t, "15.1", threeRows().with("SELECT count(*), ", pgReply{rows: [][]any{{"3", "3", "0", "0", "-17", "-17", nil, nil, nil}}}))
	if plan, more, err := src.Plan(t.Context(), last); err != nil || more || string(plan) != string(last) {
		t.Errorf("%s, %v, %v", plan, more, err)
	}
}

// TestPostgresFaults has for each answer of a server the error that comes of it.
func TestPostgresFaults(t *testing.T) {
	last, _, err := openPretended(t, "15.1", threeRows).Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	counts := func(c ...any) pgReply { return pgReply{rows: [][]any{c}} }
	for name, test := range map[string]struct {
		version, part string
		reply         pgReply
		last          json.RawMessage
		input         bool
		want          string
	}{
		"old":           {version: "13.9", input: true, want: "source.postgres.url (env:COHORT_TEST_PRETENDED): the server is PostgreSQL 13: 14 or newer"},
		"oddSnapshot":   {part: "pg_current_snapshot", reply: counts("x", "0", "f"), want: "snapshot is not understood"},
		"noSnapshot":    {part: "pg_current_snapshot", want: "no row"},
		"shutdown":      {part: "SELECT count(*), ", reply: pgReply{code: "57P01"}, want: "the server shuts down"},
		"noTable":       {part: "to_regclass", reply: counts("0", "0", "", ""), input: true, want: "there is no such table; did you mean attempts"},
		"foreignTable":  {part: "to_regclass", reply: counts("5", "0", "public.attempts", "f"), input: true, want: "no table of this server's"},
		"keyNull":       {part: "SELECT count(*), ", reply: counts("3", "0", "2", "0", "0", "0", "{745}", "5", "9"), input: true, want: `column "id": the key is NULL in 2 rows`},
		"xminNull":      {part: "SELECT count(*), ", reply: counts("3", "0", "0", "1", "0", "0", "{745}", "5", "9"), input: true, want: `column "xmin": it is NULL in 1 rows`},
		"oddCounts":     {part: "SELECT count(*), ", reply: counts("x", "0", "0", "1", "0", "0", "{745}", "5", "9"), want: "counts are not understood"},
		"oddIDs":        {part: "SELECT count(*), ", reply: counts("3", "0", "0", "0", "0", "0", "{x}", "5", "9"), want: "list of transactions is not understood"},
		"keyTwice":      {part: "row_number()", reply: pgReply{rows: [][]any{{"1", "5", nil}, {"2", "5", "t"}}}, input: true, want: "not unique"},
		"otherCount":    {part: "row_number()", reply: pgReply{rows: [][]any{{"1", "5", nil}}}, want: "counts 3 rows, then 1"},
		"oddNumbers":    {part: "row_number()", reply: pgReply{rows: [][]any{{"x", "5", nil}}}, want: "row numbers are not understood"},
		"earlierGone":   {part: "SELECT count(*), ", reply: counts("2", "2", "0", "0", "5", "5", nil, nil, nil), last: last, input: true, want: "of 3 rows that were extracted before, 2 are as they were"},
		"earlierOther":  {part: "SELECT count(*), ", reply: counts("3", "3", "0", "0", "5", "5", nil, nil, nil), last: last, input: true, want: "not those of then"},
		"truncated":     {part: "to_regclass", reply: counts("16384", "16391", "public.attempts", "r"), last: last, input: true, want: "0 are as they were; the others have changed or are gone (the table was cut or rewritten since)"},
		"recreated":     {part: "to_regclass", reply: counts("16385", "16391", "public.attempts", "r"), last: last, input: true, want: "dropped and made again"},
		"otherTable":    {part: "to_regclass", reply: counts("16384", "16390", "public.others", "r"), last: last, input: true, want: "the last plan is of public.attempts"},
		"otherKeyType":  {part: "format_type", reply: counts("text"), last: last, input: true, want: "the key was id (bigint) in the last plan, and is id (text)"},
		"restored":      {part: "pg_current_snapshot", reply: counts("100:110:", "107", "f"), last: last, input: true, want: "was restored"},
		"standbyBehind": {part: "pg_current_snapshot", reply: counts("100:110:", "107", "t"), last: last, want: "unless this standby lags behind"},
		"damagedPlan":   {last: json.RawMessage("{}"), input: true, want: "attempts: the plan is of version 0"},
	} {
		t.Run(name, func(t *testing.T) {
			version := test.version
			if version == "" {
				version = "15.1"
			}
			_, _, err := openPretended(t, version, threeRows().with(test.part, test.reply)).Plan(t.Context(), test.last)
			pretendedFault(t, err, test.input, test.want)
		})
	}
}

func pretendedFault(t *testing.T, err error, input bool, want string) {
	t.Helper()
	var is *source.InputError
	if err == nil || errors.As(err, &is) != input || !strings.Contains(err.Error(), want) {
		t.Fatalf("%v, want %q, InputError %v", err, want, input)
	}
	for _, no := range []string{"hidden", "127.0.0.1", "me:", "\n"} {
		if strings.Contains(err.Error(), no) {
			t.Errorf("%q says %q", err, no)
		}
	}
}

func TestPostgresRowsThatChanged(t *testing.T) {
	plan, _, err := openPretended(t, "15.1", threeRows).Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	select3 := `SELECT q."id", q."student"`
	short := append(threeRows(),
		pgScript{{"width_bucket", pgReply{rows: [][]any{{"1", "2", "7"}}}}, {"ORDER BY 1 LIMIT", pgReply{rows: [][]any{{"6"}, {"8"}}}}}...)
	gone := pgReply{rows: [][]any{{"5", "u", "s", "1", int64(7)}, {"9", "v", "s", "0", int64(9)}}}
	for name, test := range map[string]struct {
		script func() pgScript
		input  bool
		want   string
	}{
		"changed":   {short.with(select3, gone), true, "1 planned rows have changed or are gone since the plan: 1 of 3 with id from 5 to 9 (7 changed, or added since: 6, 8, …). Run the extraction again"},
		"none":      {short.with(select3, pgReply{}), true, "1 planned rows"},
		"first":     {short.with(select3, pgReply{rows: [][]any{{"6", "u", "s", "1", int64(7)}}}), true, "1 planned rows"},
		"more":      {short.with(select3, pgReply{rows: append(append([][]any(nil), threeRows()[7].reply.rows...), []any{"10", "u", "s", "1", int64(1)})}), true, "1 planned rows"},
		"noEvent":   {short.with(select3, pgReply{rows: [][]any{{"5", nil, "s", "1", int64(7)}}}), true, `public.attempts, id 5, column "student"`},
		"oddValue":  {short.with(select3, pgReply{rows: [][]any{{"5", "u", "s", "1", "xyz"}}}), false, "public.attempts, id 5: the server's value is not of its type"},
		"lost":      {short.with(select3, pgReply{rows: gone.rows[:1], code: "57P02"}), false, "the server has crashed"},
		"recreated": {short.with("to_regclass", pgReply{rows: [][]any{{"7", "7", "public.attempts", "r"}}}), true, "dropped and made again"},
		"noColumn":  {short.with("SELECT q.* FROM", pgReply{names: []string{"id", "studnt"}}), true, `column "student": no such column, for columns.student; did you mean "studnt"? There are id, studnt`},
		"noChange":  {append(threeRows(), pgScript{{"width_bucket", pgReply{rows: [][]any{{"1", "3", "0"}}}}}...).with(select3, gone), true, "another order"},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := readPretended(t.Context(), openPretended(t, "15.1", test.script), plan)
			pretendedFault(t, err, test.input, test.want)
		})
	}
	_, _, err = readPretended(t.Context(), openPretended(t, "15.1", threeRows), nil)
	pretendedFault(t, err, true, "the plan is damaged")
}

func TestOpeningPostgres(t *testing.T) {
	t.Setenv("COHORT_TEST_NO_URL", "nonsense me:hidden@127.0.0.1")
	for want, s := range map[string]wire.PostgresSpec{
		"either table or query":        {URL: "env:COHORT_TEST_NO_URL"},
		"source.postgres: give":        {URL: "env:COHORT_TEST_NO_URL", Table: "t", Query: "q"},
		"source.postgres.batch: -1":    {URL: "env:COHORT_TEST_NO_URL", Table: "t", Batch: -1},
		"source.postgres.url: env:":    {URL: "env:COHORT_NO_SUCH_URL", Table: "t"},
		"never given itself":           {URL: "postgres://me:hidden@127.0.0.1/db", Table: "t"},
		"it is no URL of a PostgreSQL": {URL: "env:COHORT_TEST_NO_URL", Table: "t"},
	} {
		_, err := source.OpenPostgres(t.Context(), s)
		pretendedFault(t, err, true, want)
	}
}

func TestPostgresThatNeverAnswers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	t.Setenv("COHORT_TEST_SILENT", fmt.Sprintf("postgres://me:hidden@%s/db?sslmode=disable&connect_timeout=1", l.Addr()))
	src, err := source.OpenPostgres(t.Context(), wire.PostgresSpec{URL: "env:COHORT_TEST_SILENT", Table: "t"})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = src.Plan(t.Context(), nil)
	pretendedFault(t, err, false, "can't be reached: no answer in time")
}
