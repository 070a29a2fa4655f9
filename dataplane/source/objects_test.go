package source

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// extract plans and reads once; more is false where nothing was new.
func extract(t testing.TB, l Source, last json.RawMessage, to *[]dataplane.Event) (plan json.RawMessage, more bool) {
	t.Helper()
	plan, more, err := l.Plan(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	if more {
		if err := l.Read(t.Context(), plan, reader(to)); err != nil {
			t.Fatal(err)
		}
	}
	return plan, more
}

func byID(events []dataplane.Event) []dataplane.Event {
	return slices.SortedFunc(slices.Values(events), func(a, b dataplane.Event) int { return dataplane.Shortlex(a.ID, b.ID) })
}

// want are the events of rows.
func want(rows []answer) []dataplane.Event {
	mask := NewMasker([]byte("k"))
	events := []dataplane.Event{}
	for _, r := range rows {
		events = append(events, dataplane.Event{
			Student: mask.Mask(fmt.Sprint(r.user)), Time: r.at.UnixMicro(), ID: fmt.Sprint(r.id), Item: r.item, Skill: r.skill,
			Correct: r.correct, Elapsed: int64(r.ms),
		})
	}
	return events
}

// mustFail holds an error to be an *InputError of one line that holds all parts.
func mustFail(t testing.TB, err error, parts ...string) {
	t.Helper()
	if _, ok := errors.AsType[*InputError](err); !ok {
		t.Errorf("no InputError: %v", err)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q does not say %q", err, p)
		}
	}
	if strings.ContainsAny(err.Error(), "\n\r") {
		t.Errorf("several lines: %q", err)
	}
}

func TestParquetAndCSVOfTheSameRowsAreTheSameEvents(t *testing.T) {
	rows := answers(3000)
	for name, data := range map[string][]byte{"a.parquet": parquetBytes(t, rows), "a.csv": csvBytes(t, rows)} {
		dir, got := t.TempDir(), []dataplane.Event{}
		put(t, dir, name, data)
		extract(t, openLake(t, dir, ""), nil, &got)
		if d := gocmp.Diff(want(rows), got); d != "" {
			t.Error(name, d)
		}
	}
}

// deal writes rows as so many files of drawn formats.
func deal(t *rapid.T, tb testing.TB, rows []answer) (names []string, files map[string][]byte) {
	files = map[string][]byte{}
	for k, left := 0, rows; len(left) > 0; k++ {
		n := rapid.IntRange(1, len(left)).Draw(t, "rows")
		name := fmt.Sprintf("day=%02d/part-%d", rapid.IntRange(1, 3).Draw(t, "day"), k)
		if rapid.Bool().Draw(t, "parquet") {
			name += ".parquet"
			files[name] = parquetBytes(tb, left[:n])
		} else {
			name += ".csv"
			files[name] = csvBytes(tb, left[:n])
		}
		names, left = append(names, name), left[n:]
	}
	return names, files
}

func TestAnySplitIntoIncrementsGivesTheEventsOfAFullRead(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := answers(rapid.IntRange(1, 60).Draw(rt, "n"))
		names, files := deal(rt, t, rows)
		dir := t.TempDir()
		l := openLake(t, dir+"/.", "")
		var plan json.RawMessage
		var got, full []dataplane.Event
		for k, name := range rapid.Permutation(names).Draw(rt, "order") {
			put(t, dir, name, files[name])
			if k == len(names)-1 || rapid.Bool().Draw(rt, "now") {
				plan, _ = extract(t, l, plan, &got)
			}
		}
		if again, more := extract(t, l, plan, &got); more || string(again) != string(plan) {
			rt.Fatalf("something is new where nothing is: %s", again)
		}
		extract(t, l, nil, &full)
		if d := gocmp.Diff(byID(full), byID(got)); d != "" {
			rt.Fatal(d)
		}
		if d := gocmp.Diff(byID(want(rows)), byID(full)); d != "" {
			rt.Fatal(d)
		}
	})
}

func TestAPlanHoldsWhatIsNewAndADigestOfTheRest(t *testing.T) {
	dir := t.TempDir()
	stamp := time.Date(2026, 11, 2, 3, 4, 5, 6000, time.UTC)
	file := func(name, data string) {
		put(t, dir, name, []byte(data))
		if err := os.Chtimes(filepath.Join(dir, name), stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	file("day=1/a.csv", "x")
	file("b.csv.gz", "12")
	file("_temporary/c.csv", "x")
	file("day=1/.a.csv.crc", "x")
	file("day=1/_SUCCESS", "")
	file("README.md", "x")
	l := openLake(t, "file://"+dir, "")
	first, more, err := l.Plan(t.Context(), nil)
	if err != nil || !more {
		t.Fatal(more, err)
	}
	const golden = `{"version":1,"new":[{"name":"b.csv.gz","size":2,"version":"1793588645000006000"},{"name":"day=1/a.csv","size":1,"version":"1793588645000006000"}]}`
	if d := gocmp.Diff(golden, string(first)); d != "" {
		t.Error(d)
	}
	file("day=2/a.csv", "y")
	second, more, err := l.Plan(t.Context(), first)
	if err != nil || !more {
		t.Fatal(more, err)
	}
	const next = `{"version":1,"new":[{"name":"day=2/a.csv","size":1,"version":"1793588645000006000"}],"earlier":{"":{"b.csv.gz":"DlLI5sdcWdFl"},"day=1/":{"a.csv":"vcY76FHiv5Bm"}}}`
	if d := gocmp.Diff(next, string(second)); d != "" {
		t.Error(d)
	}
}

func TestPatternsChooseBySegments(t *testing.T) {
	names := []string{"a.csv", "day=1/a.csv", "day=1/a.parquet", "day=1/x/b.parquet", "other/a.parquet", "day=1/_x/b.parquet", "day=1/.b.parquet", "x.txt"}
	for pattern, want := range map[string]string{
		"":                  "a.csv day=1/a.csv day=1/a.parquet day=1/x/b.parquet other/a.parquet",
		"*":                 "a.csv x.txt",
		"day=*/*.parquet":   "day=1/a.parquet",
		"day=?/a.*":         "day=1/a.csv day=1/a.parquet",
		"**/*.parquet":      "day=1/a.parquet day=1/x/b.parquet other/a.parquet",
		"day=1/**":          "day=1/a.csv day=1/a.parquet day=1/x/b.parquet",
		"day=1/a.csv":       "day=1/a.csv",
		"day=[12]/x/b.par*": "day=1/x/b.parquet",
		"none/*":            "",
	} {
		p, err := parsePattern(pattern)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, n := range names {
			if p.match(n) {
				got = append(got, n)
				if !strings.HasPrefix(n, p.prefix()) {
					t.Errorf("%q: %s does not begin with %q", pattern, n, p.prefix())
				}
			}
		}
		if d := gocmp.Diff(want, strings.Join(got, " ")); d != "" {
			t.Errorf("%q: %s", pattern, d)
		}
	}
	for _, bad := range []string{"a[", "a//b", "/a", "a/"} {
		_, err := parsePattern(bad)
		mustFail(t, err, bad, "no pattern")
	}
}

func TestOnlyTheFoldersThatCanMatchAreOpened(t *testing.T) {
	dir, got := t.TempDir(), []dataplane.Event{}
	put(t, dir, "day=1/a.csv", csvBytes(t, answers(2)))
	put(t, dir, "day=1/_temporary/b.csv", nil)
	for _, broken := range []string{"other", "day=1/_temporary/c.csv", "day=1/.d.csv"} {
		if err := os.Symlink(filepath.Join(dir, "nowhere"), filepath.Join(dir, broken)); err != nil {
			t.Fatal(err)
		}
	}
	extract(t, openLake(t, dir, "day=*/*.csv"), nil, &got)
	if len(got) != 2 {
		t.Error(got)
	}
	_, _, err := openLake(t, dir, "").Plan(t.Context(), nil)
	mustFail(t, err, "other", "no such file")
}

func TestLinksLeadToFilesAndFolders(t *testing.T) {
	dir, got := t.TempDir(), []dataplane.Event{}
	put(t, dir, "real/day=1/a.csv", csvBytes(t, answers(3)))
	for from, to := range map[string]string{"root": "real", "real/day=2": "real/day=1", "real/c.csv": "real/day=1/a.csv"} {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, from)); err != nil {
			t.Fatal(err)
		}
	}
	extract(t, openLake(t, dir+"/root", ""), nil, &got)
	if len(got) != 9 {
		t.Errorf("%d events", len(got))
	}
}

// later moves a file's modification time on, as a write does.
func later(t testing.TB, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	at := info.ModTime().Add(time.Second)
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestWhatWasExtractedMustStayAsItWas(t *testing.T) {
	dir, got := t.TempDir(), []dataplane.Event{}
	for _, name := range []string{"a.csv", "b.csv"} {
		put(t, dir, name, csvBytes(t, answers(2)))
	}
	l := openLake(t, dir, "")
	plan, _ := extract(t, l, nil, &got)
	put(t, dir, "c.csv", csvBytes(t, answers(1)))
	plan, _ = extract(t, l, plan, &got)
	later(t, dir+"/b.csv")
	_, _, err := l.Plan(t.Context(), plan)
	mustFail(t, err, "b.csv", "has changed since; extract it in full again")
	if err := os.Remove(dir + "/b.csv"); err != nil {
		t.Fatal(err)
	}
	_, _, err = l.Plan(t.Context(), plan)
	mustFail(t, err, "b.csv", "is gone; extract it in full again")
}

func TestAPlanIsReadAsItWasMadeOrNotAtAll(t *testing.T) {
	for _, format := range []string{"csv", "parquet"} {
		encode := map[string]func(testing.TB, []answer) []byte{
			"csv": csvBytes, "parquet": func(t testing.TB, rows []answer) []byte { return parquetBytes(t, rows) },
		}[format]
		dir := t.TempDir()
		path := dir + "/b." + format
		put(t, dir, "a."+format, encode(t, answers(5)))
		put(t, dir, "b."+format, encode(t, answers(7)))
		l := openLake(t, dir, "")
		plan, _, err := l.Plan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		put(t, dir, "c."+format, encode(t, answers(2))) // it came too late
		for range 2 {
			var got []dataplane.Event
			if err := l.Read(t.Context(), plan, reader(&got)); err != nil || len(got) != 12 {
				t.Errorf("%d events, %v", len(got), err)
			}
		}
		later(t, path)
		mustFail(t, l.Read(t.Context(), plan, reader(new([]dataplane.Event))), "b."+format, "has changed since this extraction was planned")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		mustFail(t, l.Read(t.Context(), plan, reader(new([]dataplane.Event))), "b."+format, "is gone since this extraction was planned")
	}
}

// TestAFileThatIsWrittenToWhileItIsReadIsRefused changes it at the first event.
// Read again, a plan's files are taken as they are by now, and each event with where
// it stands; a file that came later is not the plan's, one that is gone is an error.
func TestAPlanIsReadAgainOverWhatHasChanged(t *testing.T) {
	for ending, bytesOf := range map[string]func(testing.TB, []answer) []byte{
		"csv": csvBytes, "parquet": func(t testing.TB, rows []answer) []byte { return parquetBytes(t, rows) },
	} {
		dir, rows := t.TempDir(), answers(20)
		put(t, dir, "a."+ending, bytesOf(t, rows[:10]))
		put(t, dir, "b."+ending, bytesOf(t, rows[10:]))
		l := openLake(t, dir, "")
		plan, _, err := l.Plan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		rows[13].correct = !rows[13].correct
		put(t, dir, "b."+ending, bytesOf(t, rows[10:]))
		later(t, dir+"/b."+ending)
		put(t, dir, "c."+ending, bytesOf(t, rows))
		var got []dataplane.Event
		mustFail(t, l.Read(t.Context(), plan, reader(&got)), "b."+ending, "has changed since this extraction was planned")
		got = nil
		r := reader(&[]dataplane.Event{})
		places := map[string]string{}
		r.Again, r.Placed = true, func(e dataplane.Event, at func() string) error {
			got = append(got, e)
			places[e.ID] = at()
			return nil
		}
		if err := l.Read(t.Context(), plan, r); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(byID(want(rows)), byID(got)) {
			t.Errorf("%s: read are %v", ending, got)
		}
		row := map[string]string{"csv": "b.csv, row 5", "parquet": "b.parquet, row 4"}[ending] // a CSV's header is row 1
		if places["14"] != row {
			t.Errorf("the event that was altered stands at %q, want %q", places["14"], row)
		}
		if err := os.Remove(dir + "/b." + ending); err != nil {
			t.Fatal(err)
		}
		mustFail(t, l.Read(t.Context(), plan, r), "b."+ending, "is gone since this extraction was planned")
	}
}

func TestAFileThatIsWrittenToWhileItIsReadIsRefused(t *testing.T) {
	rows := answers(30_000)
	for name, data := range map[string][]byte{"a.csv": csvBytes(t, rows), "a.parquet": parquetBytes(t, rows)} {
		dir := t.TempDir()
		put(t, dir, name, data)
		l := openLake(t, dir, "")
		plan, _, err := l.Plan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r, n := reader(new([]dataplane.Event)), 0
		r.Emit = func(dataplane.Event) error {
			if n++; n == 1 {
				put(t, dir, name, data[:len(data)/3])
				later(t, filepath.Join(dir, name))
			}
			return nil
		}
		mustFail(t, l.Read(t.Context(), plan, r), name, "has changed since")
	}
}

func TestRejectsNameFileAndRow(t *testing.T) {
	rows := answers(20_000)
	rows[3].skill, rows[16_999].user = "", -1
	dir := t.TempDir()
	put(t, dir, "day=2026-11-01/a.parquet", parquetBytes(t, rows))
	l := openLake(t, dir, "")
	plan, _, err := l.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := reader(new([]dataplane.Event))
	r.c.Correct.Right, r.c.Correct.Wrong = "true", "no" // every wrong answer is a fault
	var got []lake.Reject
	r.Reject = func(j lake.Reject) error { got = append(got, j); return nil }
	if err := l.Read(t.Context(), plan, r); err != nil {
		t.Fatal(err)
	}
	last := got[len(got)-1]
	if last.At != "day=2026-11-01/a.parquet, row 19999" || last.Column != "correct" || r.Stats.Rows != 20_000 ||
		r.Stats.Kept+r.Stats.Rejected+r.Stats.Dropped[0].Rows != r.Stats.Rows {
		t.Errorf("%+v of %+v", last, r.Stats)
	}
	r.Reject = nil
	mustFail(t, l.Read(t.Context(), plan, r), "day=2026-11-01/a.parquet, row 1,", `column "correct"`)
}

func TestFilesOfOtherSchemasWillDoWhileTheColumnsAreThere(t *testing.T) {
	dir, got := t.TempDir(), []dataplane.Event{}
	put(t, dir, "a.parquet", parquetBytes(t, answers(5)))
	put(t, dir, "b.csv", []byte("ms,at,correct,skill,item,user,id,more\n1,2026-11-01,1,k,i,9,77,x\n"))
	put(t, dir, "c.csv", []byte("ms,at,correct,skill,item,user,id\n"))
	put(t, dir, "d.parquet", parquetBytes(t, nil))
	plan, _ := extract(t, openLake(t, dir, ""), nil, &got)
	if len(got) != 6 {
		t.Errorf("%d events", len(got))
	}
	put(t, dir, "e.parquet", recordBytes(t, typedRecord(t)))
	l := openLake(t, dir, "")
	plan, _, err := l.Plan(t.Context(), plan)
	if err != nil {
		t.Fatal(err)
	}
	r := reader(&got)
	r.names[FieldSkill] = "int31"
	mustFail(t, l.Read(t.Context(), plan, r), "e.parquet", `"user"`, "columns.student", "The file has ")
	r = reader(&got)
	for f := range r.names {
		r.names[f] = ""
	}
	r.names[FieldSkill] = "int31"
	mustFail(t, l.Read(t.Context(), plan, r), "e.parquet", `"int31"`, "columns.skill", "did you mean \"int")
}

func TestWrongLakesAreToldInOneLine(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "x.txt", nil)
	for url, parts := range map[string][]string{
		dir + "/none":               {"none", "no such"},
		dir + "/x.txt":              {"x.txt", "no folder"},
		"file://" + dir + "/none":   {"none", "no such"},
		"file://host" + dir:         {"three slashes"},
		"ftp://host/x":              {"ftp://host/x", "s3://"},
		"s3://user:secret@bucket/x": {"s3://bucket/x", "no login"},
		"s3://bucket/x?regoin=e":    {"s3://bucket/x", "regoin"},
		"s3://b\x01ucket":           {"cannot be read"},
		"gs://bucket/x":             {"gs://bucket/x", "no Google credentials"},
	} {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", dir+"/none.json")
		_, err := OpenLake(t.Context(), wire.LakeSpec{URL: url})
		mustFail(t, err, parts...)
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Error(err)
		}
	}
	for pattern, parts := range map[string][]string{
		"":      {dir, "holds no file that matches *.parquet"},
		"*.txt": {"x.txt", "neither in .parquet"},
		"day=*": {"day=*"},
	} {
		_, _, err := openLake(t, dir, pattern).Plan(t.Context(), nil)
		mustFail(t, err, parts...)
	}
	for _, plan := range []string{"", "x", `{"version":2}`, `{"version":1,"x":1}`} {
		_, _, err := openLake(t, dir, "").Plan(t.Context(), json.RawMessage(plan))
		mustFail(t, err, "plan")
		mustFail(t, openLake(t, dir, "").Read(t.Context(), json.RawMessage(plan), nil), "plan")
	}
	put(t, dir, "a\xff.csv", nil)
	_, _, err := openLake(t, dir, "*.csv").Plan(t.Context(), nil)
	mustFail(t, err, `a\xff.csv`, "not UTF-8")
}

func TestReadingALakeStopsWhenToldTo(t *testing.T) {
	dir := t.TempDir()
	for k := range 5 {
		put(t, dir, fmt.Sprintf("%d.parquet", k), parquetBytes(t, answers(9000)))
	}
	l := openLake(t, dir, "")
	plan, _, err := l.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	r, n := reader(nil), 0
	r.Emit = func(dataplane.Event) error {
		if n++; n == 10_000 {
			return stop
		}
		return nil
	}
	if err := l.Read(t.Context(), plan, r); !errors.Is(err, stop) || n != 10_000 {
		t.Error(n, err)
	}
}

// compact is a bound of a plan's bytes an object over the years.
func TestAPlanOfYearsStaysSmall(t *testing.T) {
	p := lakePlan{Version: lakePlanVersion}
	for k := range 3 * 365 {
		p.New = append(p.New, object{fmt.Sprintf("day=%06d/part-00000.parquet", k), 1 << 20, "d41d8cd98f00b204e9800998ecf8427e"})
	}
	next := lakePlan{Version: lakePlanVersion, Earlier: p.known()}
	plan, err := next.encode()
	if each := len(plan) / len(p.New); err != nil || each > 60 {
		t.Errorf("%d bytes an object: %v", each, err)
	}
	back, err := parseLakePlan(plan)
	if d := cmp.Compare(len(back.known()), len(p.New)); err != nil || d != 0 {
		t.Error(err, d)
	}
}
