//go:build interop

package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/compress"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"gocloud.dev/blob"
	"gocloud.dev/blob/s3blob"
)

// s3Server is a real S3 server that lives as long as a test. Its buckets are
// folders, and its login is in the test's environment.
type s3Server struct {
	endpoint string
	process  *os.Process
}

// The login of the server's only user.
const s3User, s3Secret = "interop", "open-sesame-of-the-lake"

// startS3 installs a server if need be, and starts it on a free port with one
// bucket, named lake.
func startS3(t testing.TB) *s3Server {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "../../.ci/interop/s3/install").Output()
	if err != nil {
		t.Fatalf("install the S3 server: %v", err)
	}
	dir := t.TempDir()
	for _, folder := range []string{"data/lake", "meta"} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": s3User, "AWS_SECRET_ACCESS_KEY": s3Secret, "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_CONFIG_FILE": filepath.Join(dir, "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(dir, "none"),
	} {
		if s, ok := t.(interface{ Setenv(k, v string) }); ok {
			s.Setenv(name, value)
		}
	}
	at := portOfS3(t)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	// The shell ends the server when its standard input ends: on stop, and when
	// the test dies.
	server := exec.Command("sh", "-c", `"$@" & echo $!; cat; kill -9 $!; wait`, "sh", //nolint:noctx // it ends by its input
		strings.TrimSpace(string(out)), "--port", at, "--access", s3User, "--secret", s3Secret, "--quiet",
		"posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	server.Stderr = log
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	said, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // the pipe closes
		_ = server.Wait()
		_ = log.Close()
	})
	var pid int
	if _, err := fmt.Fscan(said, &pid); err != nil {
		t.Fatal(err)
	}
	s := &s3Server{endpoint: "http://" + at}
	if s.process, err = os.FindProcess(pid); err != nil {
		t.Fatal(err)
	}
	s.await(t, log.Name())
	return s
}

// portOfS3 was free a moment ago.
func portOfS3(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // nothing was sent
	return l.Addr().String()
}

// await asks until the server answers.
func (s *s3Server) await(t testing.TB, log string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	b := s.bucket(t, "lake")
	for {
		_, _, err := b.ListPage(ctx, blob.FirstPageToken, 1, nil)
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			text, _ := os.ReadFile(log)
			t.Fatalf("the S3 server does not answer: %v\n%s", err, text)
		}
	}
}

// url is a lake's below prefix of a bucket.
func (s *s3Server) url(bucket, prefix string) string {
	return "s3://" + bucket + "/" + prefix + "?region=us-east-1&use_path_style=true&endpoint=" + url.QueryEscape(s.endpoint)
}

// bucket is for writing.
func (s *s3Server) bucket(t testing.TB, name string) *blob.Bucket {
	t.Helper()
	u, err := url.Parse(s.url(name, ""))
	if err != nil {
		t.Fatal(err)
	}
	b, err := new(s3blob.URLOpener).OpenBucketURL(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() }) // nothing is buffered
	return b
}

func (s *s3Server) put(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := s.bucket(t, "lake").WriteAll(t.Context(), name, data, nil); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server at once.
func (s *s3Server) kill(t testing.TB) {
	t.Helper()
	if err := s.process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
}

// lakeRow is a row of a log as a lake holds it.
type lakeRow struct {
	ID                int64
	User, Item, Skill string
	Correct           bool
	At                time.Time
	MS                int64 // response time
}

// load writes n rows, of which those of a day follow each other, as one Parquet
// file a day: PREFIX/day=2006-01-02/part-0.parquet with columns id, user, item,
// skill, correct, at and ms.
func (s *s3Server) load(t testing.TB, prefix string, n int, row func(k int) lakeRow) (days int) {
	t.Helper()
	for from := 0; from < n; days++ {
		day := row(from).At.UTC().Format(time.DateOnly)
		var rows []lakeRow
		for ; from < n; from++ {
			r := row(from)
			if r.At.UTC().Format(time.DateOnly) != day {
				break
			}
			rows = append(rows, r)
		}
		s.put(t, prefix+"/day="+day+"/part-0.parquet", lakeParquet(t, rows))
	}
	return days
}

// lakeParquet is a file of rows, compressed as Spark does.
func lakeParquet(t testing.TB, rows []lakeRow) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "user", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "item", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "skill", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "correct", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "ms", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.ID)
		for k, text := range []string{r.User, r.Item, r.Skill} {
			b.Field(1 + k).(*array.StringBuilder).Append(text)
		}
		b.Field(4).(*array.BooleanBuilder).Append(r.Correct)
		b.Field(5).(*array.TimestampBuilder).Append(arrow.Timestamp(r.At.UnixMicro()))
		b.Field(6).(*array.Int64Builder).Append(r.MS)
	}
	rec := b.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Snappy)), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Write(rec), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
