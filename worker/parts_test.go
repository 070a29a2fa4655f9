package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

var _ Coordinator = (*client.Client)(nil)

func newPatient(m *memory) *patient { return &patient{blobs: m, log: slog.New(slog.DiscardHandler)} }

func TestBlobsAreTriedAgainUntilTheyAreThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := &memory{fail: []error{errDown, &wire.Error{Code: wire.CodeNoLeader}}}
		p := newPatient(m)
		long := strings.Repeat("a blob", 1000)
		r := strings.NewReader("skip " + long)
		if _, err := r.Seek(5, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		hash, size, err := p.Put(t.Context(), r)
		if err != nil || size != 6000 {
			t.Fatalf("put: %d bytes, %v", size, err)
		}
		m.fail = []error{errDown}
		if again, _, err := p.Put(t.Context(), io.MultiReader(strings.NewReader(long))); err != nil || again != hash {
			t.Errorf("put of a stream: %s, %v", again, err)
		}
		m.fail = []error{errDown}
		if ok, err := p.Has(t.Context(), hash); !ok || err != nil {
			t.Errorf("has: %v, %v", ok, err)
		}
		m.torn, m.fail = 3, []error{errDown, errDown}
		rc, err := p.Get(t.Context(), hash)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(rc)
		if err := errors.Join(err, rc.Close()); err != nil || string(b) != long {
			t.Errorf("read %d bytes over broken connections: %v", len(b), err)
		}
	})
}

func TestLastingErrorsOfBlobsComeAtOnce(t *testing.T) {
	t.Parallel()
	for _, want := range []error{
		&fs.PathError{Op: "write", Path: "/full", Err: errors.New("no space left")},
		&wire.Error{Code: wire.CodeDenied, Message: "denied"}, lake.ErrNotFound, lake.ErrCorrupt,
	} {
		p := newPatient(&memory{fail: []error{fmt.Errorf("wrapped: %w", want)}})
		if _, err := p.Get(t.Context(), "x"); !errors.Is(err, want) {
			t.Errorf("%v became %v", want, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	p := newPatient(&memory{fail: []error{errDown, errDown, errDown, errDown}})
	if _, _, err := p.Put(ctx, bytes.NewReader(nil)); !errors.Is(err, errDown) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v", err)
	}
}

func TestACorruptBlobIsFound(t *testing.T) {
	t.Parallel()
	m := &memory{blobs: map[string][]byte{"feed": []byte("not what hashes to feed")}}
	rc, err := newPatient(m).Get(t.Context(), "feed")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(rc); !errors.Is(err, lake.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
}

func TestAStoreThatStaysBrokenIsBelieved(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := &wire.Error{Code: wire.CodeInternal, Message: "no space left on device"}
		m := &memory{fail: []error{full, full, full, full, full, full}}
		if _, _, err := newPatient(m).Put(t.Context(), strings.NewReader("x")); !errors.Is(err, full) || len(m.fail) != 1 {
			t.Errorf("put: %v with %d tries left", err, len(m.fail))
		}
		m.fail = []error{full, full, full, full}
		if _, _, err := newPatient(m).Put(t.Context(), strings.NewReader("x")); err != nil {
			t.Errorf("put after a short trouble: %v", err)
		}
	})
}

func TestReportsAreBoundedAndLoseNoNewLine(t *testing.T) {
	t.Parallel()
	c := newCluster()
	r := newReports(c)
	of := wire.TokenOf{Task: "job/a/0", Token: 7}
	c.down = true
	for k := range maxLines + 10 {
		r.line(of, fmt.Sprint("line ", k))
	}
	r.flush(t.Context(), of) // fails: the lines wait
	r.put(of, wire.Progress{Message: "later", Done: 3, Lines: []string{"last"}})
	c.down = false
	r.flush(t.Context(), of)
	if c.last.Task != of.Task || c.last.Token != of.Token || c.last.Message != "later" || c.last.Done != 3 {
		t.Errorf("report %+v", c.last)
	}
	if n := len(c.lines); n != maxLines+1 || c.lines[0] != "(11 lines left out)" || c.lines[n-1] != "last" || c.lines[1] != "line 11" {
		t.Errorf("%d lines from %q, %q to %q", n, c.lines[0], c.lines[1], c.lines[n-1])
	}
	r.flush(t.Context(), of) // nothing new
	if len(c.lines) != maxLines+1 {
		t.Error("lines were sent twice")
	}
	r.forget(of)
	r.flush(t.Context(), of)
	if len(r.open) != 0 {
		t.Error("a forgotten task is still there")
	}
}

func TestTaskLogsReachTheNodeAndTheJob(t *testing.T) {
	t.Parallel()
	var node bytes.Buffer
	c := newCluster()
	r := newReports(c)
	of := wire.TokenOf{Task: "t", Token: 1}
	log := slog.New(r.handler(of, slog.NewTextHandler(&node, nil)))
	log.With("a", 1).WithGroup("g").Warn("take care", "what", "two words")
	log.Debug("not this")
	r.flush(t.Context(), of)
	if len(c.lines) != 1 || !strings.Contains(c.lines[0], `WARN take care a=1 what="two words"`) {
		t.Errorf("lines %q", c.lines)
	}
	if s := node.String(); !strings.Contains(s, "take care") || strings.Contains(s, "not this") {
		t.Errorf("node log %q", s)
	}
}
