package stream_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/dataplane"
	"cohort/dataplane/stream"
)

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func server(t *testing.T, dir, host string, port int) *stream.Server {
	t.Helper()
	s, err := stream.StartServer(t.Context(), stream.ServerConfig{Dir: dir, Host: host, Port: port, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func connect(t *testing.T, s *stream.Server) *stream.Conn {
	t.Helper()
	c, err := s.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestShardsGoThroughTheStream(t *testing.T) {
	s := server(t, t.TempDir(), "127.0.0.1", 0)
	defer s.Close()
	for name, dial := range map[string]func() (*stream.Conn, error){
		"in-process": func() (*stream.Conn, error) { return s.Connect(t.Context()) },
		"tcp":        func() (*stream.Conn, error) { return stream.Dial(t.Context(), s.URL(), discard()) },
	} {
		t.Run(name, func(t *testing.T) {
			c, err := dial()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			want := [][]byte{bytes.Repeat([]byte{1}, dataplane.MaxMessage), []byte("two"), []byte("three")}
			if _, err := c.FetchShard(t.Context(), name, 3, 3); !errors.Is(err, stream.ErrMissing) {
				t.Errorf("before: %v", err)
			}
			for range 2 { // publishing again replaces
				if err := c.PublishShard(t.Context(), name, 3, want); err != nil {
					t.Fatal(err)
				}
			}
			got, err := c.FetchShard(t.Context(), name, 3, len(want))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error("the messages differ")
			}
			if _, err := c.FetchShard(t.Context(), name, 3, 4); !errors.Is(err, stream.ErrMissing) {
				t.Errorf("more than there are: %v", err)
			}
			if err := c.PublishShard(t.Context(), name, 4, [][]byte{make([]byte, dataplane.MaxMessage+1)}); err == nil {
				t.Error("a message above the limit was published")
			}
			if err := c.Purge(t.Context()); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if _, err := c.FetchShard(t.Context(), name, 3, 3); !errors.Is(err, stream.ErrMissing) || time.Since(start) > 30*time.Second {
				t.Errorf("emptied: %v after %v", err, time.Since(start))
			}
		})
	}
}

func TestLogsArePagedAndAwaited(t *testing.T) {
	s := server(t, t.TempDir(), "", 0)
	defer s.Close()
	if s.URL() != "" {
		t.Errorf("a server without a listener is at %s", s.URL())
	}
	c := connect(t, s)
	defer c.Close()
	ctx := t.Context()
	var lines []string
	for k := range 7 {
		lines = append(lines, fmt.Sprint("line ", k))
	}
	if err := errors.Join(c.Log(ctx, "j", "j/train/0", lines), c.Log(ctx, "other.job", "x", []string{"not this"})); err != nil {
		t.Fatal(err)
	}
	var got []string
	var from uint64
	for range 4 {
		page, next, err := c.ReadLog(ctx, "j", from, 3, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page {
			if l.Task != "j/train/0" || l.Time == 0 {
				t.Errorf("%+v", l)
			}
			got = append(got, l.Text)
		}
		from = next
	}
	if d := cmp.Diff(lines, got); d != "" {
		t.Error(d)
	}
	done := make(chan error, 1)
	go func() { done <- c.Log(context.WithoutCancel(ctx), "j", "j/test/0", []string{"late"}) }()
	page, _, err := c.ReadLog(ctx, "j", from, 3, time.Minute)
	if err != nil || len(page) != 1 || page[0].Text != "late" {
		t.Errorf("%+v, %v", page, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestAStreamSurvivesItsServer(t *testing.T) {
	dir := t.TempDir()
	s := server(t, dir, "", 0)
	c := connect(t, s)
	if err := c.PublishShard(t.Context(), "set", 0, [][]byte{[]byte("x")}); err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.Close()
	s = server(t, dir, "", 0)
	defer s.Close()
	c = connect(t, s)
	defer c.Close()
	if got, err := c.FetchShard(t.Context(), "set", 0, 1); err != nil || string(got[0]) != "x" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	if _, err := stream.StartServer(t.Context(), stream.ServerConfig{Dir: "/proc/no-such", Logger: discard()}); err == nil {
		t.Error("a server without a folder")
	}
	if _, err := stream.Dial(t.Context(), "nats://127.0.0.1:1", discard()); err == nil {
		t.Error("a connection to nobody")
	}
}

// The whole stream runs on simulated time.
func TestTheStreamWorksInABubble(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := server(t, dir, "", 0)
		c := connect(t, s)
		if err := c.PublishShard(t.Context(), "set", 0, [][]byte{[]byte("x")}); err != nil {
			t.Fatal(err)
		}
		if got, err := c.FetchShard(t.Context(), "set", 0, 1); err != nil || string(got[0]) != "x" {
			t.Errorf("%q, %v", got, err)
		}
		c.Close()
		s.Close()
		<-time.After(time.Minute) // on the bubble's clock: what the server still waits for
	})
}
