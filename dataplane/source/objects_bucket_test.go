package source

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/dataplane"

	gocmp "github.com/google/go-cmp/cmp"
	"gocloud.dev/blob"
	"gocloud.dev/blob/memblob"
)

// memoryLake is a bucket in memory, of which the lake is what lies below logs/.
func memoryLake(t *testing.T, files map[string][]byte) (*objects, *blob.Bucket) {
	t.Helper()
	b := memblob.OpenBucket(nil)
	for name, data := range files {
		if err := b.WriteAll(t.Context(), "logs/"+name, data, nil); err != nil {
			t.Fatal(err)
		}
	}
	l := &objects{newBucket(b, &url.URL{Scheme: "mem", Host: "b", Path: "/logs/"}), &pattern{}}
	t.Cleanup(func() { _ = l.Close() }) // read only
	return l, b
}

func TestABucketIsReadAsAFolderIs(t *testing.T) {
	rows := answers(60_000)
	plain := parquetBytes(t, rows[:40_000], uncompressedLarge()...)
	if len(plain) <= 2*tailBytes {
		t.Fatalf("%d bytes are too few", len(plain))
	}
	l, b := memoryLake(t, map[string][]byte{"day=1/a.parquet": plain, "day=2/b.csv": csvBytes(t, rows[40_000:])})
	if err := b.WriteAll(t.Context(), "elsewhere/c.csv", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	var got []dataplane.Event
	plan, _ := extract(t, l, nil, &got)
	if d := gocmp.Diff(want(rows), got); d != "" {
		t.Error(d[:min(len(d), 2000)])
	}
	if _, more := extract(t, l, plan, &got); more {
		t.Error("something is new")
	}
	if err := b.WriteAll(t.Context(), "logs/day=2/b.csv", []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	_, _, err := l.Plan(t.Context(), plan)
	mustFail(t, err, "day=2/b.csv", "changed since")
	mustFail(t, l.Read(t.Context(), plan, reader(&got)), "day=2/b.csv", "has changed")
	if err := b.Delete(t.Context(), "logs/day=2/b.csv"); err != nil {
		t.Fatal(err)
	}
	mustFail(t, l.Read(t.Context(), plan, reader(&got)), "day=2/b.csv", "is gone")
}

// fakeGCS answers the requests for lists and objects that the client makes, as
// the real one's documentation says. It is there because none can be installed.
type fakeGCS struct {
	mu         sync.Mutex
	data       map[string]string
	generation map[string]int64
	status     int // of every answer, when not 0
}

func (g *fakeGCS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.status != 0 {
		w.WriteHeader(g.status)
		fmt.Fprintf(w, `{"error":{"code":%d,"message":"not now,\nnot you"}}`, g.status)
		return
	}
	if name, ok := strings.CutPrefix(r.URL.Path, "/lake/"); ok {
		g.read(w, r, name)
		return
	}
	var items []map[string]any
	for name, data := range g.data {
		if strings.HasPrefix(name, r.URL.Query().Get("prefix")) {
			items = append(items, map[string]any{
				"name": name, "bucket": "lake", "size": strconv.Itoa(len(data)), "generation": strconv.FormatInt(g.generation[name], 10),
				"updated": "2026-11-01T00:00:00Z",
			})
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"items": items}) // the client's fault shows
}

func (g *fakeGCS) read(w http.ResponseWriter, r *http.Request, name string) {
	now, ok := g.generation[name]
	if asked := r.URL.Query().Get("generation"); !ok || asked != strconv.FormatInt(now, 10) {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("X-Goog-Generation", strconv.FormatInt(now, 10))
	http.ServeContent(w, r, name, time.Time{}, strings.NewReader(g.data[name]))
}

func (g *fakeGCS) put(name string, data []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.data[name] = string(data)
	g.generation[name]++
}

func (g *fakeGCS) fail(status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.status = status
}

func TestGCSIsReadByGeneration(t *testing.T) {
	g := &fakeGCS{data: map[string]string{}, generation: map[string]int64{}}
	server := httptest.NewServer(g)
	defer server.Close()
	t.Setenv("STORAGE_EMULATOR_HOST", strings.TrimPrefix(server.URL, "http://"))
	rows := answers(100)
	g.put("logs/day=1/a.parquet", parquetBytes(t, rows[:60]))
	l := openLake(t, "gs://lake/logs?anonymous=true", "day=*/*")
	var got []dataplane.Event
	first, _ := extract(t, l, nil, &got)
	g.put("logs/day=2/b.csv", csvBytes(t, rows[60:]))
	second, _ := extract(t, l, first, &got)
	if d := gocmp.Diff(want(rows), got); d != "" {
		t.Error(d)
	}
	g.put("logs/day=2/b.csv", csvBytes(t, rows[60:]))
	mustFail(t, l.Read(t.Context(), second, reader(&got)), "day=2/b.csv", "since this extraction was planned")
	_, _, err := l.Plan(t.Context(), second)
	mustFail(t, err, "day=2/b.csv", "changed since")
	g.fail(http.StatusForbidden)
	_, _, err = l.Plan(t.Context(), second)
	mustFail(t, err, "gs://lake/logs", "access is denied")
	g.fail(http.StatusNotFound)
	_, _, err = l.Plan(t.Context(), second)
	mustFail(t, err, "gs://lake/logs", "no such bucket")
}

// s3Answers is a server that gives every request one answer.
func s3Answers(t *testing.T, status int, body string) Source {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // the client's fault shows
	}))
	t.Cleanup(server.Close)
	return s3At(t, server.URL)
}

func s3At(t *testing.T, endpoint string) Source {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrSECRET", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": t.TempDir() + "/none", "AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	return openLake(t, "s3://lake/logs?region=eu-central-1&use_path_style=true&endpoint="+url.QueryEscape(endpoint), "")
}

func s3Error(code, message string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>` + message + `</Message><RequestId>4442587FB7D0A2F9</RequestId></Error>`
}

func TestWhatS3RefusesIsToldInOneLine(t *testing.T) {
	for code, c := range map[string]struct {
		status int
		says   string
		outage bool
	}{
		"NoSuchBucket":                 {404, "no such bucket", false},
		"AccessDenied":                 {403, "access is denied", false},
		"InvalidAccessKeyId":           {403, "access is denied", false},
		"SignatureDoesNotMatch":        {403, "access is denied", false},
		"ExpiredToken":                 {400, "access is denied", false},
		"PermanentRedirect":            {301, "of another region", false},
		"AuthorizationHeaderMalformed": {400, "of another region", false},
		"SlowDown":                     {503, "SlowDown", true},
	} {
		l := s3Answers(t, c.status, s3Error(code, "it is so,\n"+strings.Repeat("and long ", 99)))
		_, _, err := l.Plan(t.Context(), nil)
		toldAs(t, err, c.outage, c.says)
	}
	l := s3Answers(t, 502, "<html>Bad Gateway</html>")
	_, _, err := l.Plan(t.Context(), nil)
	toldAs(t, err, true, "Bad Gateway")
}

// toldAs holds an error to be one short line of the one kind or the other.
func toldAs(t *testing.T, err error, isOutage bool, says string) {
	t.Helper()
	if _, is := err.(*outage); is != isOutage { //nolint:errorlint // the outermost error is meant
		t.Errorf("an outage is %v: %v", is, err)
	}
	if !isOutage {
		mustFail(t, err, "s3://lake/logs")
	}
	text := fmt.Sprint(err)
	if !strings.Contains(text, says) || strings.Contains(text, "\n") || len(text) > 400 || strings.Contains(text, "SECRET") || strings.Contains(text, "http://") {
		t.Errorf("%q", text)
	}
}

func TestAServerThatIsNotThereIsAnOutage(t *testing.T) {
	server := httptest.NewServer(nil)
	server.Close()
	_, _, err := s3At(t, server.URL).Plan(t.Context(), nil)
	toldAs(t, err, true, "connection refused")
}

func TestMissingCredentialsAndRegionAreToldInOneLine(t *testing.T) {
	s3At(t, "http://127.0.0.1:1") // sets the environment
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	_, _, err := openLake(t, "s3://lake/logs?region=eu-central-1", "").Plan(t.Context(), nil)
	mustFail(t, err, "s3://lake/logs", "no credentials")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
	t.Setenv("AWS_REGION", "")
	_, _, err = openLake(t, "s3://lake/logs", "").Plan(t.Context(), nil)
	mustFail(t, err, "s3://lake/logs", "region is not known")
}

// TestAnObjectThatIsReplacedUnderAReaderIsToldSo has a server that passes over If-Match.
func TestAnObjectThatIsReplacedUnderAReaderIsToldSo(t *testing.T) {
	data := parquetBytes(t, answers(10))
	etag := "1"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("list-type") {
			fmt.Fprintf(w, `<ListBucketResult><Contents><Key>logs/a.parquet</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified><ETag>"1"</ETag><Size>%d</Size></Contents></ListBucketResult>`, len(data))
			return
		}
		if asked := r.Header.Get("If-Match"); asked != `"1"` {
			t.Errorf("the reader asks for version %s", asked)
		}
		w.Header().Set("ETag", `"`+etag+`"`)
		_, _ = w.Write(data) // the client's fault shows
	}))
	defer server.Close()
	l := s3At(t, server.URL)
	var got []dataplane.Event
	plan, _ := extract(t, l, nil, &got)
	if len(got) != 10 {
		t.Errorf("%d events", len(got))
	}
	etag = "2"
	mustFail(t, l.Read(t.Context(), plan, reader(&got)), "a.parquet", "has changed since this extraction was planned")
}

// TestAConnectionThatBreaksIsAnOutage has a server that gives half of each object.
func TestAConnectionThatBreaksIsAnOutage(t *testing.T) {
	for name, data := range map[string][]byte{
		"a.parquet": parquetBytes(t, answers(1000)), "a.csv": csvBytes(t, answers(1000)),
		"large.parquet": parquetBytes(t, answers(150_000), uncompressedLarge()...), "large.csv": csvBytes(t, answers(200_000)),
	} {
		if large := len(data) > wholeBytes; large != strings.HasPrefix(name, "large") {
			t.Fatalf("%s of %d bytes", name, len(data))
		}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Has("list-type") {
				fmt.Fprintf(w, `<ListBucketResult><Contents><Key>logs/%s</Key><LastModified>2026-11-01T00:00:00.000Z</LastModified><ETag>"1"</ETag><Size>%d</Size></Contents></ListBucketResult>`, name, len(data))
				return
			}
			w.Header().Set("ETag", `"1"`)
			from, to := 0, len(data)-1
			if asked := r.Header.Get("Range"); asked != "" {
				if _, err := fmt.Sscanf(asked, "bytes=%d-%d", &from, &to); err != nil {
					t.Error(err)
				}
				w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(data)))
				w.WriteHeader(http.StatusPartialContent)
			}
			part := data[from : to+1]
			if len(part) > tailBytes {
				part = part[:len(part)/2]
				defer panic(http.ErrAbortHandler)
			}
			_, _ = w.Write(part) // the client's fault shows
		}))
		l := s3At(t, server.URL)
		plan, _, err := l.Plan(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		r := reader(new([]dataplane.Event))
		if len(data) > tailBytes {
			toldAs(t, l.Read(t.Context(), plan, r), true, name)
		} else if err := l.Read(t.Context(), plan, r); err != nil {
			t.Error(err)
		}
		server.Close()
	}
}
