//go:build interop

package source_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"

	"github.com/google/go-cmp/cmp"
)

func lakeAnswer(k int) lakeRow {
	return lakeRow{
		ID: int64(k) + 1, User: fmt.Sprintf("user-%d", k*7919%20_011), Item: fmt.Sprintf("item-%d", k*31%5003), Skill: fmt.Sprint(k * 17 % 110),
		Correct: k*k%3 != 0, At: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(k) * 1_234_567 * time.Microsecond), MS: int64(k % 9000),
	}
}

func lakeMapper() *source.Mapper {
	return source.NewMapper(wire.Columns{
		Student: "user", Item: "item", Skill: "skill", Correct: wire.Correct{Column: "correct"}, Time: "at", ID: "id", Elapsed: "ms",
	}, source.NewMasker([]byte("k")), source.Bounds{})
}

func openS3Lake(t testing.TB, url string) source.Source {
	t.Helper()
	l, err := source.OpenLake(t.Context(), wire.LakeSpec{URL: url, Pattern: "day=*/*"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() }) // read only
	return l
}

// readLake plans and reads once.
func readLake(t testing.TB, l source.Source, last json.RawMessage, events *lake.Events) (plan json.RawMessage, more bool) {
	t.Helper()
	plan, more, err := l.Plan(t.Context(), last)
	if err != nil {
		t.Fatal(err)
	}
	if more {
		if err := l.Read(t.Context(), plan, &source.Reader{Mapper: lakeMapper(), Emit: events.Add}); err != nil {
			t.Fatal(err)
		}
	}
	return plan, more
}

func datasetID(t testing.TB, events *lake.Events) string {
	t.Helper()
	_, id, err := lake.WriteDataset(t.Context(), lake.NewMemory(), events, "mask")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// refusal holds an error to be an *InputError of one line that says all parts.
func refusal(t testing.TB, err error, parts ...string) {
	t.Helper()
	if _, ok := errors.AsType[*source.InputError](err); !ok {
		t.Fatalf("no InputError: %v", err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("%q does not say %q", err, p)
		}
	}
	if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), s3Secret) || strings.Contains(err.Error(), "http") {
		t.Errorf("%q", err)
	}
}

func TestInteropS3IncrementsAreAFullRead(t *testing.T) {
	s := startS3(t)
	const n = 200_000 // rows of three days
	days := s.load(t, "all", n, lakeAnswer)
	if days != 3 {
		t.Errorf("%d days", days)
	}
	s.put(t, "all/_SUCCESS", nil)
	whole := lake.NewEvents()
	plan, _ := readLake(t, openS3Lake(t, s.url("lake", "all")), nil, whole)
	if _, more := readLake(t, openS3Lake(t, s.url("lake", "all/")), plan, whole); more || whole.Len() != n {
		t.Errorf("%d events, more %v", whole.Len(), more)
	}
	parts, last := lake.NewEvents(), json.RawMessage(nil)
	for from := 0; from < n; from += 50_000 {
		s.load(t, fmt.Sprintf("parts/day=%d", from), 50_000, func(k int) lakeRow { return lakeAnswer(from + k) })
		l, err := source.OpenLake(t.Context(), wire.LakeSpec{URL: s.url("lake", "parts")})
		if err != nil {
			t.Fatal(err)
		}
		last, _ = readLake(t, l, last, parts)
	}
	if d := cmp.Diff(datasetID(t, whole), datasetID(t, parts)); d != "" {
		t.Error(d)
	}
}

func TestInteropS3ChangedAndGoneObjectsAreNamed(t *testing.T) {
	s := startS3(t)
	s.load(t, "log", 1000, lakeAnswer)
	l := openS3Lake(t, s.url("lake", "log"))
	plan, _ := readLake(t, l, nil, lake.NewEvents())
	const name = "day=2026-09-01/part-0.parquet"
	s.put(t, "log/"+name, lakeParquet(t, []lakeRow{lakeAnswer(7)}))
	r := &source.Reader{Mapper: lakeMapper(), Emit: lake.NewEvents().Add}
	refusal(t, l.Read(t.Context(), plan, r), name, "has changed since this extraction was planned")
	_, _, err := l.Plan(t.Context(), plan)
	refusal(t, err, name, "has changed since; extract it in full again")
	if err := s.bucket(t, "lake").Delete(t.Context(), "log/"+name); err != nil {
		t.Fatal(err)
	}
	refusal(t, l.Read(t.Context(), plan, r), name, "is gone since this extraction was planned")
	s.put(t, "log/day=2026-09-02/b.parquet", lakeParquet(t, nil))
	_, _, err = l.Plan(t.Context(), plan)
	refusal(t, err, name, "is gone; extract it in full again")
}

// TestInteropS3ALargeObjectIsPinnedToItsVersion replaces one between two of its ranges.
func TestInteropS3ALargeObjectIsPinnedToItsVersion(t *testing.T) {
	s := startS3(t)
	rows := make([]lakeRow, 900_000)
	for k := range rows {
		rows[k] = lakeAnswer(k)
		rows[k].Item = fmt.Sprintf("item-%d-of-many", k)
	}
	data := lakeParquet(t, rows)
	if len(data) < 9<<20 {
		t.Fatalf("%d bytes are too few", len(data))
	}
	s.put(t, "log/day=1/a.parquet", data)
	l := openS3Lake(t, s.url("lake", "log"))
	plan, _, err := l.Plan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	events := lake.NewEvents()
	if err := l.Read(t.Context(), plan, &source.Reader{Mapper: lakeMapper(), Emit: events.Add}); err != nil || events.Len() != len(rows) {
		t.Fatal(events.Len(), err)
	}
	n := 0
	err = l.Read(t.Context(), plan, &source.Reader{Mapper: lakeMapper(), Emit: func(dataplane.Event) error {
		if n++; n == 1 {
			s.put(t, "log/day=1/a.parquet", append([]byte("PAR1"), data...))
		}
		return nil
	}})
	if err != nil { // all of it may have been read already
		refusal(t, err, "day=1/a.parquet", "has changed since")
	} else if n != len(rows) {
		t.Errorf("%d events", n)
	}
}

func TestInteropS3RefusalsAreToldInOneLine(t *testing.T) {
	s := startS3(t)
	_, _, err := openS3Lake(t, s.url("none", "log")).Plan(t.Context(), nil)
	refusal(t, err, "s3://none/log", "no such bucket")
	_, _, err = openS3Lake(t, s.url("lake", "empty")).Plan(t.Context(), nil)
	refusal(t, err, "s3://lake/empty", "holds no file that matches day=*/*")
	_, _, err = openS3Lake(t, strings.Replace(s.url("lake", "log"), "us-east-1", "eu-central-1", 1)).Plan(t.Context(), nil)
	refusal(t, err, "s3://lake/log", "region")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wrong")
	_, _, err = openS3Lake(t, s.url("lake", "log")).Plan(t.Context(), nil)
	refusal(t, err, "s3://lake/log", "access is denied", "SignatureDoesNotMatch")
	t.Setenv("AWS_ACCESS_KEY_ID", "nobody")
	_, _, err = openS3Lake(t, s.url("lake", "log")).Plan(t.Context(), nil)
	refusal(t, err, "s3://lake/log", "No user exists with the provided access key ID")
}

func TestInteropS3AServerThatDiesIsAnOutage(t *testing.T) {
	s := startS3(t)
	days := s.load(t, "log", 700_000, lakeAnswer)
	l := openS3Lake(t, s.url("lake", "log"))
	plan, _, err := l.Plan(t.Context(), nil)
	if err != nil || days < 9 {
		t.Fatal(days, err)
	}
	n := 0
	err = l.Read(t.Context(), plan, &source.Reader{Mapper: lakeMapper(), Emit: func(dataplane.Event) error {
		if n++; n == 1000 {
			s.kill(t)
		}
		return nil
	}})
	for _, err := range []error{err, func() error { _, _, err := l.Plan(t.Context(), nil); return err }()} {
		if _, is := errors.AsType[*source.InputError](err); is || err == nil || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "http") {
			t.Errorf("%v", err)
		}
		t.Log(err)
	}
}

// TestInteropS3Rate states how fast a lake on S3 is read, by the clock and by the
// processor's time of the reader alone, which a busy machine does not stretch.
func TestInteropS3Rate(t *testing.T) {
	s := startS3(t)
	const n = 1_000_000
	days := s.load(t, "log", n, lakeAnswer)
	l := openS3Lake(t, s.url("lake", "log"))
	events, start, used := lake.NewEvents(), time.Now(), processorTime(t)
	readLake(t, l, nil, events)
	took := time.Since(start)
	used = processorTime(t) - used
	if events.Len() != n {
		t.Errorf("%d events", events.Len())
	}
	t.Logf("%d events of %d days: %.0f events/s, %.0f events a second of one core", n, days, n/took.Seconds(), n/used.Seconds())
}

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
