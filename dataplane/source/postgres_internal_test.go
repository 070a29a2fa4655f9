package source

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
)

func TestSecretsAreNamedNeverGiven(t *testing.T) {
	t.Setenv("COHORT_TEST_SECRET", "hidden")
	path := t.TempDir() + "/secret"
	empty := t.TempDir() + "/empty"
	for name, text := range map[string]string{path: " hidden\n", empty: " \n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, ref := range []string{"env:COHORT_TEST_SECRET", "file:" + path} {
		if got, err := resolveSecret(ref); got != "hidden" || err != nil {
			t.Errorf("%s gives %q, %v", ref, got, err)
		}
	}
	for ref, want := range map[string]string{
		"env:COHORT_NO_SUCH": "env:COHORT_NO_SUCH: the environment of this worker has no COHORT_NO_SUCH",
		"file:/no/such":      "file:/no/such: no such file or directory",
		"file:" + empty:      "file:" + empty + ": the file is empty",
	} {
		if _, err := resolveSecret(ref); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", ref, err, want)
		}
	}
	for _, ref := range []string{"", "file:", "env:", "vault:word", "postgres://me:word@host/db", "env:postgres://me:word@host/db", "file:postgres://me:word@host", "file:me:word@host", "env:word word"} {
		if _, err := resolveSecret(ref); err == nil || strings.Contains(err.Error(), "word") {
			t.Errorf("%s: %v", ref, err)
		}
	}
}

func TestASnapshotGivesTheNewestTransaction(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		xmin := rapid.Int64Range(3, 1<<40).Draw(r, "xmin")
		xmax := xmin + rapid.Int64Range(0, 1<<20).Draw(r, "xmax")
		newest := xmax + rapid.Int64Range(0, 1<<20).Draw(r, "newest")
		age := func(xid int64) int32 { return int32(uint32(newest) - uint32(xid)) } // as the server counts
		s, err := parsePgSnapshot(fmt.Sprintf("%d:%d:%d", xmin, xmax, xmin), strconv.Itoa(int(age(3))))
		if err != nil || s.xmin != xmin || s.xmax != xmax || s.newest != newest {
			r.Fatalf("%+v, %v", s, err)
		}
		// What id() computes, for any row of the last 2³² transactions.
		xid := newest - rapid.Int64Range(0, 1<<32-1).Draw(r, "age")
		if got := s.newest - int64(age(xid))&4294967295; got != xid {
			r.Fatalf("id %d, want %d", got, xid)
		}
	})
	for _, bad := range [][2]string{{"", "0"}, {"5:4:", "0"}, {"5:6", "0"}, {"a:6:", "0"}, {"5:b:", "0"}, {"5:6:", "x"}, {"5:6:", "4294967296"}, {"2:6:", "0"}} {
		if s, err := parsePgSnapshot(bad[0], bad[1]); err == nil {
			t.Errorf("%q gives %+v", bad, s)
		}
	}
	if got, want := (pgSnapshot{newest: 17}).id(), "(17 - (age(q.xmin)::bigint & 4294967295))"; got != want {
		t.Error(got)
	}
}

func TestATakenSetIsWhatItWasMadeOf(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		below := rapid.Int64Range(3, 50).Draw(r, "below")
		in := map[int64]bool{}
		var ids []int64
		for id := below; id < below+40; id++ {
			if in[id] = rapid.Bool().Draw(r, "in"); in[id] {
				ids = append(ids, id)
			}
		}
		set := newPgTaken(below, ids)
		if err := set.check(); err != nil {
			r.Fatalf("%+v: %v", set, err)
		}
		for id := range below + 45 {
			has := id < set.Below
			for _, s := range set.Also {
				has = has || s[0] <= id && id <= s[1]
			}
			if has != (id < below || in[id]) {
				r.Fatalf("%+v has %d: %v", set, id, has)
			}
		}
	})
	set := newPgTaken(10, []int64{11, 12, 13, 17})
	for text, want := range map[string]string{
		(*pgTaken)(nil).has("x"):      "false",
		(&pgTaken{Below: 7}).has("x"): "(x < 7)",
		set.has("x"):                  "(x < 10 OR x <@ '{[11,13],[17,17]}'::int8multirange)",
	} {
		if text != want {
			t.Errorf("%s, want %s", text, want)
		}
	}
	for _, bad := range []pgTaken{
		{},
		{Below: 2},
		{Below: 10, Also: [][2]int64{{9, 12}}},
		{Below: 10, Also: [][2]int64{{12, 11}}},
		{Below: 10, Also: [][2]int64{{10, 12}, {13, 14}}},
		{Below: 10, Also: [][2]int64{{10, math.MaxInt64}}},
		{Below: 3, Also: make([][2]int64, pgMaxSpans+1)},
	} {
		if bad.check() == nil {
			t.Errorf("%+v passes", bad)
		}
	}
}

func TestListsOfTransactions(t *testing.T) {
	for text, want := range map[string][]int64{"": nil, "{}": nil, "{5}": {5}, "{7,5,6}": {5, 6, 7}} {
		if got, err := parsePgIDs(text); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	if _, err := parsePgIDs("{1,NULL}"); err == nil {
		t.Error("NULL is no id")
	}
}

// aPlan is a sound one of three ranges.
func aPlan() *pgPlan {
	return &pgPlan{
		Version: 1, pgIdentity: pgIdentity{Source: "public.attempts", OID: 16384, File: 16390, Key: "id", KeyType: "bigint"},
		Taken: pgTaken{Below: 740, Also: [][2]int64{{745, 747}}}, Before: &pgTaken{Below: 735}, Xmax: 750, Rows: 100, Sum: "-17", New: 8,
		Ranges: []pgRange{{"5", 3}, {"9", 3}, {"20", 2}}, Last: "25",
	}
}

func TestAPlanIsCanonicalJSON(t *testing.T) {
	const want = `{"version":1,"source":"public.attempts","oid":16384,"file":16390,"key":"id","key_type":"bigint",` +
		`"taken":{"below":740,"also":[[745,747]]},"before":{"below":735},"xmax":750,"rows":100,"sum":"-17","new":8,` +
		`"ranges":[{"first":"5","rows":3},{"first":"9","rows":3},{"first":"20","rows":2}],"last":"25"}`
	raw, err := json.Marshal(aPlan())
	if err != nil || string(raw) != want {
		t.Errorf("%s, %v", raw, err)
	}
	got, err := decodePgPlan(raw)
	if d := cmp.Diff(aPlan(), got, cmp.AllowUnexported(pgPlan{})); d != "" || err != nil {
		t.Errorf("%v %s", err, d)
	}
	for _, none := range []json.RawMessage{nil, json.RawMessage("null")} {
		if p, err := decodePgPlan(none); p != nil || err != nil {
			t.Errorf("%s: %v, %v", none, p, err)
		}
	}
}

func TestADamagedPlanIsRefused(t *testing.T) {
	for name, harm := range map[string]func(p *pgPlan){
		"version": func(p *pgPlan) { p.Version = 2 }, "source": func(p *pgPlan) { p.Source = "" }, "key": func(p *pgPlan) { p.Key = "" },
		"keyType": func(p *pgPlan) { p.KeyType = "" }, "taken": func(p *pgPlan) { p.Taken.Below = 0 }, "before": func(p *pgPlan) { p.Before.Below = 1 },
		"xmax": func(p *pgPlan) { p.Xmax = 739 }, "rows": func(p *pgPlan) { p.Rows = 7 }, "sum": func(p *pgPlan) { p.Sum = "x" },
		"new": func(p *pgPlan) { p.New = 9 }, "none": func(p *pgPlan) { p.New, p.Ranges = 0, nil },
		"range": func(p *pgPlan) { p.Ranges[1].Rows = 0 }, "overflow": func(p *pgPlan) { p.Ranges[0].Rows = math.MaxInt64 },
	} {
		p := aPlan()
		harm(p)
		raw, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodePgPlan(raw); err == nil {
			t.Errorf("%s passes: %s", name, raw)
		}
	}
	for _, text := range []string{"{", "5", `{"version":1}`, `{"version":1,"secret":"u17"}`} {
		if _, err := decodePgPlan(json.RawMessage(text)); err == nil || strings.Contains(err.Error(), "u17") {
			t.Errorf("%s: %v", text, err)
		}
	}
	raw, err := json.Marshal(aPlan())
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{string(raw) + "{}", strings.Replace(string(raw), `"new":`, `"student":"u17","new":`, 1)} {
		if _, err := decodePgPlan(json.RawMessage(more)); err == nil {
			t.Errorf("more than a plan passes: %s", more)
		}
	}
}

func FuzzPostgresPlan(f *testing.F) {
	raw, err := json.Marshal(aPlan())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(raw))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := decodePgPlan(data)
		if err != nil || p == nil {
			return
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := decodePgPlan(again)
		if d := cmp.Diff(p, q, cmp.AllowUnexported(pgPlan{})); d != "" || err != nil {
			t.Fatalf("%v %s", err, d)
		}
	})
}

func TestOnlyThePlannedRowsPassTheTally(t *testing.T) {
	tally := func(keys []string) bool {
		c := &pgTally{plan: aPlan()}
		for _, k := range keys {
			if !c.row([]byte(k)) {
				return false
			}
		}
		return c.whole()
	}
	whole := []string{"5", "6", "7", "9", "10", "11", "20", "25"}
	if !tally(whole) {
		t.Error("the planned rows do not pass")
	}
	for k := range whole {
		less := append(append([]string(nil), whole[:k]...), whole[k+1:]...)
		if tally(less) {
			t.Errorf("without %s passes", whole[k])
		}
		if more := append(append([]string(nil), whole[:k]...), append([]string{"8"}, whole[k:]...)...); tally(more) {
			t.Errorf("8 at %d passes", k)
		}
	}
	if tally(append(whole, "26")) || tally(append(whole[:7:7], "24")) || tally(nil) {
		t.Error("another end passes")
	}
	if shifted := append(append(whole[:2:2], "8"), whole[4:]...); tally(append(shifted, "24", "25")) || tally([]string{"5", "6", "7", "8", "10", "11", "20", "25"}) {
		t.Error("another first key of a range passes")
	}
}

func be[T any](v T) []byte {
	b, err := binary.Append(nil, binary.BigEndian, v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestValuesOfTheBinaryProtocol(t *testing.T) {
	at := func(s string) []byte {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return be(v.UnixMicro() - pgEpoch)
	}
	uuid := []byte{0xa0, 0xee, 0xbc, 0x99, 0x9c, 0x0b, 0x4e, 0xf8, 0xbb, 0x6d, 0x6b, 0xb9, 0xbd, 0x38, 0x0a, 0x11}
	for _, test := range []struct {
		oid   uint32
		value []byte
		want  string
	}{
		{pgOIDBool, []byte{1}, "true"},
		{pgOIDBool, []byte{0}, "false"},
		{pgOIDInt2, be(int16(-7)), "-7"},
		{pgOIDInt4, be(int32(math.MinInt32)), "-2147483648"},
		{pgOIDInt8, be(int64(math.MaxInt64)), "9223372036854775807"},
		{pgOIDFloat4, be(float32(0.1)), "0.1"},
		{pgOIDFloat8, be(1e21), "1000000000000000000000"},
		{pgOIDFloat8, be(1.0), "1"},
		{pgOIDFloat8, be(math.NaN()), "NaN"},
		{pgOIDTimestamptz, at("2024-02-29T23:59:59.000001Z"), "2024-02-29T23:59:59.000001Z"},
		{pgOIDTimestamp, at("1969-12-31T23:59:59.5Z"), "1969-12-31T23:59:59.5Z"},
		{pgOIDTimestamp, be(int64(0)), "2000-01-01T00:00:00Z"},
		{pgOIDTimestamp, be(int64(math.MaxInt64)), "infinity"},
		{pgOIDTimestamp, be(int64(math.MinInt64)), "-infinity"},
		{pgOIDDate, be(int32(0)), "2000-01-01"},
		{pgOIDDate, be(int32(-1)), "1999-12-31"},
		{pgOIDDate, be(int32(8825)), "2024-02-29"},
		{pgOIDDate, be(int32(math.MaxInt32)), "infinity"},
		{pgOIDDate, be(int32(math.MinInt32)), "-infinity"},
		{pgOIDUUID, uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
		{pgOIDText, []byte("ü x"), "ü x"},
		{pgOIDNumeric, []byte("12.50"), "12.50"},
	} {
		_, read := pgReader(test.oid)
		if got, err := read([]byte("<"), test.value); string(got) != "<"+test.want || err != nil {
			t.Errorf("type %d: %s, %v; want %s", test.oid, got, err, test.want)
		}
	}
	for _, oid := range []uint32{pgOIDBool, pgOIDInt2, pgOIDFloat8, pgOIDTimestamp, pgOIDDate, pgOIDUUID} {
		format, read := pgReader(oid)
		if _, err := read(nil, []byte{1, 2, 3}); !errors.Is(err, errPgValue) || format != pgBinary {
			t.Errorf("type %d: %v", oid, err)
		}
	}
}

func FuzzPostgresValues(f *testing.F) {
	f.Add(uint32(pgOIDTimestamptz), be(int64(math.MaxInt64-1)))
	f.Add(uint32(pgOIDDate), be(int32(5)))
	f.Fuzz(func(t *testing.T, oid uint32, value []byte) {
		_, read := pgReader(oid)
		if got, err := read(nil, value); err == nil && oid == pgOIDInt8 {
			if v, err := strconv.ParseInt(string(got), 10, 64); err != nil || v != int64(binary.BigEndian.Uint64(value)) {
				t.Errorf("%s of %x", got, value)
			}
		}
	})
}

// secretServer is a source whose errors must not say what its URL holds.
func secretServer() *postgres {
	return &postgres{spec: wire.PostgresSpec{URL: "env:LOG_URL", Table: "attempts"}}
}

func TestErrorsSayWhatIsWrongAndNothingSecret(t *testing.T) {
	const secret = "s3cret"
	server := func(code string) error {
		return &pgconn.PgError{Severity: "ERROR", Code: code, Message: "the words of the statement", Detail: secret, Hint: secret, Where: secret}
	}
	hidden := func(code string) error {
		return &pgconn.PgError{Severity: "FATAL", Code: code, Message: secret + "\nuser " + secret, Detail: secret}
	}
	outer := func(err error) error { return fmt.Errorf("%s (%s): dial %w", secret, secret, err) }
	p, ctx := secretServer(), context.Background()
	for _, test := range []struct {
		err   error
		login bool
		input bool
		want  string
	}{
		{hidden("28P01"), true, true, "the password is wrong (SQLSTATE 28P01)"},
		{hidden("28000"), true, true, "the login is refused"},
		{hidden("3D000"), true, true, "no such database"},
		{hidden("42501"), true, true, "may not connect"},
		{hidden("22023"), true, true, "the URL sets something"},
		{hidden("42704"), true, true, "the URL sets something"},
		{hidden("53300"), true, false, "too many connections"},
		{hidden("57P03"), true, false, "starts up"},
		{hidden("XX000"), true, false, "refuses the connection (SQLSTATE XX000)"},
		{hidden(""), true, false, "refuses the connection"},
		{outer(syscall.ECONNREFUSED), true, false, "connection refused"},
		{outer(syscall.ECONNRESET), true, false, "was cut"},
		{outer(syscall.ENOENT), true, false, "no socket"},
		{outer(&net.DNSError{Name: secret, Err: secret}), true, false, "host name is not known"},
		{outer(context.DeadlineExceeded), true, false, "no answer in time"},
		{outer(os.ErrDeadlineExceeded), true, false, "no answer in time"},
		{outer(x509.HostnameError{Host: secret, Certificate: &x509.Certificate{}}), true, false, "TLS certificate"},
		{outer(tls.RecordHeaderError{Msg: secret}), true, false, "TLS certificate"},
		{outer(errors.New(secret)), true, false, "no connection"},
		{hidden("42501"), false, true, "attempts: the user may not read it"},
		{hidden("25006"), false, true, "would write"},
		{hidden("22P02"), false, true, "fails on its data"},
		{hidden("21000"), false, true, "fails on its data"},
		{server("42601"), false, true, "the words of the statement (SQLSTATE 42601)"},
		{server("42P01"), false, true, "the words of the statement"},
		{server("42703"), false, true, "the words of the statement"},
		{server("42883"), false, true, "no such function or order"},
		{server("0A000"), false, true, "the words of the statement"},
		{hidden("57P01"), false, false, "the server shuts down"},
		{hidden("57014"), false, false, "cancelled"},
		{hidden("55P03"), false, false, "holds a lock"},
		{hidden("40001"), false, false, "standby"},
		{hidden("XX001"), false, false, "reports a fault (SQLSTATE XX001)"},
		{outer(errors.New(secret)), false, false, "the connection was lost"},
	} {
		got := p.fault(ctx, test.err)
		if test.login {
			got = p.unreachable(ctx, test.err)
		}
		var input *InputError
		if errors.As(got, &input) != test.input || !strings.Contains(got.Error(), test.want) {
			t.Errorf("%v: %v, want %q, InputError %v", test.err, got, test.want, test.input)
		}
		if strings.Contains(got.Error(), secret) || strings.Contains(got.Error(), "\n") || errors.Is(got, test.err) {
			t.Errorf("%v: it gives something away: %v", test.err, got)
		}
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for _, err := range []error{p.fault(ended, server("57014")), p.unreachable(ended, outer(os.ErrDeadlineExceeded))} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
}

func TestVersionsOfServers(t *testing.T) {
	for text, want := range map[string]int{"15.18 (Debian 15.18-0+deb12u1)": 15, "16beta1": 16, "9.6.24": 9, "": 0, "devel": 0, "18": 18} {
		if got := pgMajor(text); got != want {
			t.Errorf("%s is %d", text, got)
		}
	}
}

func TestNamesAndItemsAreQuoted(t *testing.T) {
	if got := pgQuote(`a"b c`); got != `"a""b c"` {
		t.Error(got)
	}
	if got := pgArrayItem(`a"b\,{`); got != `"a\"b\\,{"` {
		t.Error(got)
	}
	if got := clipList(strings.Fields(strings.Repeat("x ", 50))); strings.Count(got, "x") != 40 || !strings.HasSuffix(got, ", …") {
		t.Error(got)
	}
}
