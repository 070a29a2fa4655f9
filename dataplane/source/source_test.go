package source_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

func columns() wire.Columns {
	return wire.Columns{Student: "user", Item: "item", Skill: "skill", Correct: wire.Correct{Column: "right"}, Time: "at", ID: "id"}
}

func read(t testing.TB, text string, c wire.Columns) ([]dataplane.Event, source.Stats, error) {
	t.Helper()
	var events []dataplane.Event
	stats, err := source.ReadCSV(t.Context(), strings.NewReader(text), source.CSVOptions{
		File: "log.csv", Columns: c, Mask: source.NewMasker([]byte("key")),
	}, func(e dataplane.Event) error { events = append(events, e); return nil })
	return events, stats, err
}

const header = "id,user,item,skill,right,at\n"

func TestRowsBecomeMaskedEvents(t *testing.T) {
	text := "\uFEFF" + header + "7, u1 ,\"a, b\",k1,1,3\r\n8,u1,c,k2,0,2015-10-22 17:36:23.5\n9,u2,c,,1,5\n"
	m := source.NewMasker([]byte("key"))
	want := []dataplane.Event{
		{Student: m.Mask("u1"), Time: 3_000_000, ID: "7", Item: "a, b", Skill: "k1", Correct: true},
		{Student: m.Mask("u1"), Time: 1445535383500000, ID: "8", Item: "c", Skill: "k2"},
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"plain": text, "gzip": packed.String()} {
		got, stats, err := read(t, text, columns())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if d := cmp.Diff(source.Stats{Rows: 3, Kept: 2, Dropped: []source.Drop{{Reason: "skill is empty", Rows: 1}}}, stats); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	if len(want[0].Student) != 32 || strings.Contains(want[0].Student, "u1") {
		t.Errorf("masked as %s", want[0].Student)
	}
}

func TestAnswersMayBeWords(t *testing.T) {
	c := columns()
	c.Correct = wire.Correct{Column: "right", Right: "CORRECT", Wrong: "INCORRECT", Drop: []string{"STUDY"}}
	got, stats, err := read(t, header+"1,u,i,k,CORRECT,1\n2,u,i,k,INCORRECT,2\n3,u,i,k,STUDY,3\n", c)
	if err != nil || len(got) != 2 || !got[0].Correct || got[1].Correct || stats.Dropped[0].Rows != 1 {
		t.Errorf("%+v, %+v, %v", got, stats, err)
	}
}

func TestFaultsNameFileRowAndColumn(t *testing.T) {
	long := strings.Repeat("x", 10<<20)
	row := "1,u,i,k,1,1\n"
	var cut bytes.Buffer
	z := gzip.NewWriter(&cut)
	for k := range 5000 {
		line := header
		if k > 0 {
			line = fmt.Sprintf("%d,u%d,i,k,1,%d\n", k, k*7919%4001, k*104729%65521)
		}
		if _, err := z.Write([]byte(line)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":         {"", []string{"log.csv: the file is empty"}},
		"missing":       {"id,user,item,skil,right,at\n" + row, []string{`column "skill"`, `did you mean "skil"`, "user"}},
		"answer":        {header + row + "2,u,i,k,yes,2\n", []string{"row 3", `column "right"`, `"yes"`}},
		"student":       {header + "1, ,i,k,1,1\n", []string{"row 2", `column "user"`, "empty"}},
		"time":          {header + "1,u,i,k,1,noon\n", []string{"row 2", `column "at"`, `"noon"`}},
		"fields":        {header + "1,u,i,k,1\n", []string{"row 2", "fields"}},
		"quote":         {header + "1,\"u,i,k,1,1\n", []string{"row 2"}},
		"long-line":     {header + long, []string{"row 2", "line"}},
		"nul":           {header + "1,u\x00,i,k,1,1\n", []string{"row 2", "NUL"}},
		"utf8":          {header + "1,u\xff,i,k,1,1\n", []string{"row 2", "UTF-8"}},
		"truncated":     {cut.String()[:cut.Len()-30], []string{"cut off"}},
		"damaged":       {"\x1f\x8bnot gzip at all", []string{"gzip"}},
		"time-too-big":  {header + "1,u,i,k,1,99999999999999999\n", []string{"row 2"}},
		"time-decimals": {header + "1,u,i,k,1,1.1234567\n", []string{"row 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := read(t, c.text, columns())
			var fault *source.InputError
			if !errors.As(err, &fault) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("%v", err)
			}
			for _, w := range append(c.want, "log.csv") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

func TestTimesAreExact(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-2": -2_000_000, "1.5": 1_500_000, "-1.000001": -1_000_001, "1445553393833": 1445553393833_000_000,
		"1970-01-01 00:00:01": 1_000_000, "1970-01-01T00:00:01Z": 1_000_000, "1970-01-02": 86_400_000_000, "1970-01-01T01:00:00+01:00": 0,
	} {
		got, _, err := read(t, header+"1,u,i,k,1,"+text+"\n", columns())
		if err != nil || got[0].Time != want {
			t.Errorf("%s is %v, %v; want %d", text, got, err, want)
		}
	}
}

func TestFoldsAreMaskedAlike(t *testing.T) {
	fold := func(text string) (*lake.Folds, error) {
		return source.ReadFolds(t.Context(), strings.NewReader(text), source.FoldOptions{
			File: "folds.csv", Student: "user", Column: "fold", Mask: source.NewMasker([]byte("key")),
		})
	}
	f, err := fold("user,fold\nu1,3\nu2,1\n")
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := f.Fold(source.NewMasker([]byte("key")).Mask("u1")); k != 3 || !ok || f.Len() != 2 {
		t.Errorf("fold %d, %v", k, ok)
	}
	for text, want := range map[string]string{
		"user,part\nu,1\n":        `column "fold"`,
		"usr,fold\nu,1\n":         `column "user"`,
		"user,fold\nu,x\n":        "row 2",
		"user,fold\n ,1\n":        "empty",
		"user,fold\nu,1\nu,2\n":   "row 3",
		"user,fold\nu,1\nu,2,3\n": "row 3",
		"":                        "empty",
	} {
		if _, err := fold(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestKeysAreNamedNeverGiven(t *testing.T) {
	t.Setenv("COHORT_TEST_KEY", "secret")
	path := t.TempDir() + "/key"
	if err := os.WriteFile(path, []byte(" from file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for ref, want := range map[string]string{"": source.DefaultMaskKey, "env:COHORT_TEST_KEY": "secret", "file:" + path: "from file"} {
		key, named, err := source.ResolveKey(ref)
		if err != nil || string(key) != want || named != (ref != "") {
			t.Errorf("%q gives %q, %v, %v", ref, key, named, err)
		}
	}
	for _, ref := range []string{"env:COHORT_NO_SUCH", "file:/no/such", "secret", "vault:x"} {
		if _, _, err := source.ResolveKey(ref); err == nil || strings.Contains(ref, ":") && !strings.Contains(err.Error(), ref) && !strings.HasPrefix(ref, "vault") {
			t.Errorf("%q: %v", ref, err)
		}
	}
	a, b := source.NewMasker([]byte("a")), source.NewMasker([]byte("b"))
	if a.Mask("u") == b.Mask("u") || a.Fingerprint() == b.Fingerprint() {
		t.Error("masks do not follow their keys")
	}
}

func TestReadingStopsWhenToldTo(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := source.ReadCSV(ctx, strings.NewReader(header), source.CSVOptions{Columns: columns(), Mask: source.NewMasker(nil)}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	stop := errors.New("stop")
	_, err = source.ReadCSV(t.Context(), strings.NewReader(header+"1,u,i,k,1,1\n"), source.CSVOptions{Columns: columns(), Mask: source.NewMasker(nil)},
		func(dataplane.Event) error { return stop })
	if !errors.Is(err, stop) {
		t.Error(err)
	}
}

// shared is real data beside the repository; its licence keeps it out of it.
const shared = "../../../shared/data/"

func open(t *testing.T, name string) *os.File {
	t.Helper()
	f, err := os.Open(shared + name)
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("no %s: real data is not part of the repository; beside it go test and make cover run this", shared+name)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() }) // read only
	return f
}

func TestAssist2009ByProtocolM(t *testing.T) {
	f := open(t, "assist2009_events.csv.gz")
	events := lake.NewEvents()
	stats, err := source.ReadCSV(t.Context(), f, source.CSVOptions{
		File: "assist2009", Mask: source.NewMasker([]byte(source.DefaultMaskKey)),
		Columns: wire.Columns{Student: "user_id", Item: "problem_id", Skill: "skill_id", Correct: wire.Correct{Column: "correct"}, Time: "order_id"},
	}, events.Add)
	if err != nil {
		t.Fatal(err)
	}
	b := lake.NewMemory()
	m, id, err := lake.WriteDataset(t.Context(), b, events, "mask")
	if err != nil {
		t.Fatal(err)
	}
	s, _, err := lake.WriteShards(t.Context(), b, id, lake.Combine, 16)
	if err != nil {
		t.Fatal(err)
	}
	got := []int64{stats.Rows, m.Students, int64(len(m.Skills)), s.Answers, int64(len(s.Skills))}
	if d := cmp.Diff([]int64{325_589, 4150, 110, 274_561, 136}, got); d != "" {
		t.Error(d)
	}
}

func TestMoFaCTSAsExported(t *testing.T) {
	f := open(t, "mofacts_stats_events.csv.gz")
	stats, err := source.ReadCSV(t.Context(), f, source.CSVOptions{
		File: "mofacts", Mask: source.NewMasker(nil),
		Columns: wire.Columns{
			Student: "Anon.Student.Id", Item: "Problem.Name", Skill: "KC..Default.", Time: "CF..Response.Time.",
			Correct: wire.Correct{Column: "Outcome", Right: "CORRECT", Wrong: "INCORRECT", Drop: []string{"STUDY"}},
		},
	}, func(dataplane.Event) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(source.Stats{Rows: 58_316, Kept: 55_122, Dropped: []source.Drop{{Reason: "Outcome is STUDY", Rows: 3194}}}, stats); d != "" {
		t.Error(d)
	}
}

func FuzzReadCSV(f *testing.F) {
	f.Add([]byte(header + "1,u,i,k,1,1\n"))
	f.Add([]byte("\uFEFF" + header + "1,\"u\nv\",i,k,0,2015-10-22\n"))
	f.Add([]byte("\x1f\x8b\x08\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		events, stats, err := read(t, string(data), columns())
		if int64(len(events)) != stats.Kept {
			t.Fatalf("%d events, %d kept", len(events), stats.Kept)
		}
		if err != nil && strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("an error of several lines: %q", err)
		}
	})
}

func FuzzReadFolds(f *testing.F) {
	f.Add([]byte("user,fold\nu,1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = source.ReadFolds(t.Context(), bytes.NewReader(data), source.FoldOptions{
			File: "f", Student: "user", Column: "fold", Mask: source.NewMasker(nil),
		})
	})
}

func BenchmarkReadCSV(b *testing.B) {
	text := header + strings.Repeat("12345,84044,84733,54,1,12345\n", 100_000)
	rows := 0
	for b.Loop() {
		_, stats, err := read(b, text, columns())
		if err != nil {
			b.Fatal(err)
		}
		rows += int(stats.Rows)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
