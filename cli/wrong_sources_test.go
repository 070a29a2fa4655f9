//go:build linux

package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow"
	"github.com/apache/arrow/go/v17/arrow/array"
	"github.com/apache/arrow/go/v17/arrow/memory"
	"github.com/apache/arrow/go/v17/parquet"
	"github.com/apache/arrow/go/v17/parquet/pqarrow"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"cohort/dkt/simulate"
)

// wrongs makes the files and the servers of wrong inputs.
type wrongs struct {
	dir  string
	rows [][]string // of a right log, without its header
}

const rightHeader = "order_id,user_id,problem_id,skill_id,skill_name,correct\n"

func newWrongs(t *testing.T) *wrongs {
	t.Helper()
	var b bytes.Buffer
	if _, err := simulate.WriteCSV(&b, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if lines[0]+"\n" != rightHeader {
		t.Fatalf("the simulated header is %q", lines[0])
	}
	w := &wrongs{dir: t.TempDir()}
	for _, line := range lines[1:] {
		w.rows = append(w.rows, strings.Split(line, ","))
	}
	return w
}

// file writes a file and gives its path.
func (w *wrongs) file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// text is the log with each row changed.
func (w *wrongs) text(change func(k int, row []string)) string {
	var b strings.Builder
	b.WriteString(rightHeader)
	for k, row := range w.rows {
		row = append([]string{}, row...)
		change(k, row)
		b.WriteString(strings.Join(row, ",") + "\n")
	}
	return b.String()
}

// events is the section of a log with each row changed.
func (w *wrongs) events(t *testing.T, name string, change func(k int, row []string)) string {
	t.Helper()
	return w.named(t, name, w.text(change))
}

// named is the section of a log.
func (w *wrongs) named(t *testing.T, name, text string) string {
	t.Helper()
	return fmt.Sprintf("data: {events: %q}\n", w.file(t, name, text))
}

// clock gives rows times of a clock, an hour from one to the next; the last is now.
func (w *wrongs) clock(change func(k int, at time.Time) time.Time) func(int, []string) {
	now := time.Now()
	return func(k int, row []string) {
		at := now.Add(-time.Duration(len(w.rows)-k) * time.Hour)
		row[0] = change(k, at).UTC().Format(time.RFC3339)
	}
}

// lake is a source that reads a folder of one file.
func (w *wrongs) lake(t *testing.T, folder, name string, content []byte) string {
	t.Helper()
	w.file(t, folder+"/"+name, string(content))
	return fmt.Sprintf("source: {kind: lake, lake: {url: %q}}\n", filepath.Join(w.dir, folder))
}

// parquetOf is n rows of the log as a Parquet file.
func (w *wrongs) parquetOf(t *testing.T, n int) []byte {
	t.Helper()
	var fields []arrow.Field
	for name := range strings.SplitSeq(strings.TrimSpace(rightHeader), ",") {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String})
	}
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, row := range w.rows[:n] {
		for k, cell := range row {
			b.Field(k).(*array.StringBuilder).Append(cell)
		}
	}
	record := b.NewRecord()
	defer record.Release()
	var out bytes.Buffer
	f, err := pqarrow.NewFileWriter(schema, &out, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Write(record); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// topic fills a topic of a broker of its own: the log as JSON, each value changed.
func (w *wrongs) topic(t *testing.T, topic string, change func(k int, value map[string]string)) (broker string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	names := strings.Split(strings.TrimSpace(rightHeader), ",")
	var records []*kgo.Record
	for k, row := range w.rows {
		value := map[string]string{}
		for c, name := range names {
			value[name] = row[c]
		}
		change(k, value)
		text, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, &kgo.Record{Value: text})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return c.ListenAddrs()[0]
}

// refusing is the address of a PostgreSQL server that knows no password but another.
func refusing(t *testing.T) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			refuse(c)
		}
	}()
	return l.Addr().String()
}

func refuse(c net.Conn) {
	defer func() { _ = c.Close() }() // the client may have ended it
	b := pgproto3.NewBackend(c, c)
	if _, err := b.ReceiveStartupMessage(); err != nil {
		return
	}
	b.Send(&pgproto3.AuthenticationCleartextPassword{})
	if b.Flush() != nil {
		return
	}
	if _, err := b.Receive(); err != nil {
		return
	}
	b.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: `password authentication failed for user "joe"`})
	_ = b.Flush()
}
