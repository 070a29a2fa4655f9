package coordinator_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

func tries(n int) []wire.Attempt {
	var all []wire.Attempt
	for k := range n {
		all = append(all, wire.Attempt{ID: fmt.Sprint(k), Skill: "s1", Correct: k%2 == 0})
	}
	return all
}

func TestAttemptsAreKeptAcrossARestart(t *testing.T) {
	dir := t.TempDir()
	n := alone(t, dir, longLease)
	c := client.New([]string{n.Addr()}, client.Options{Patience: time.Minute})
	defer c.Close()
	r, err := c.SendAttempts(t.Context(), "", "ann", tries(3))
	if err != nil || r.Accepted != 3 || r.Model != nil || !strings.Contains(r.Why, "no model") {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, err := c.SendAttempts(t.Context(), "", "ann", []wire.Attempt{{ID: "x"}}); code(err) != wire.CodeInvalid || !strings.Contains(err.Error(), "attempts[0].skill") {
		t.Errorf("without a skill: %v", err)
	}
	segments, err := c.SealAttempts(t.Context(), 0)
	if err != nil || len(segments) != 1 || segments[0].Last != 3 {
		t.Fatalf("%+v, %v", segments, err)
	}
	var kept []string
	err = lake.ReadAttempts(t.Context(), c.Blobs(lake.ErrNotFound), segments[0], func(a wire.Attempt) error {
		kept = append(kept, a.Student+"/"+a.ID)
		return nil
	})
	if fmt.Sprint(kept) != "[ann/0 ann/1 ann/2]" || err != nil {
		t.Errorf("%v, %v", kept, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = alone(t, dir, longLease)
	defer n.Close() //nolint:errcheck // the test is over
	c2 := client.New([]string{n.Addr()}, client.Options{Patience: time.Minute})
	defer c2.Close()
	if _, err := c2.SendAttempts(t.Context(), "", "ann", tries(5)); err != nil {
		t.Fatal(err)
	}
	if l, err := c2.AttemptLog(t.Context()); err != nil || l.Last != 5 || l.Sealed != 3 {
		t.Errorf("%+v, %v", l, err)
	}
	s, err := c2.Gateway(t.Context())
	if err != nil || !s.Leader || s.Degraded {
		t.Errorf("%+v, %v", s, err)
	}
	for path, want := range map[string]int{"/ping": http.StatusNotFound, "/invocations": http.StatusNotFound, "/elsewhere": http.StatusNotFound} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+n.Addr()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		reply, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(reply.Body)
		_ = reply.Body.Close()
		if reply.StatusCode != want || path == "/ping" && string(text) != "\n" {
			t.Errorf("%s: %d %q", path, reply.StatusCode, text)
		}
	}
}

// Whichever coordinator is asked, and whoever dies: what was acknowledged is in the
// log, once.
func TestAttemptsOutliveTheirLeader(t *testing.T) {
	s := seed(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		defer w.close()
		w.leader()
		c := w.client("user")
		send := func(n int) {
			t.Helper()
			until := time.Now().Add(2 * time.Minute)
			for {
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				_, err := c.SendAttempts(ctx, "", "ann", []wire.Attempt{{ID: fmt.Sprint(n), Skill: "s", Correct: true}})
				cancel()
				if err == nil {
					return
				}
				if time.Now().After(until) || code(err) == wire.CodeInvalid {
					t.Fatal(err)
				}
				sleep(time.Second)
			}
		}
		const half = 10
		for n := range half {
			send(n)
		}
		segments, err := c.SealAttempts(t.Context(), 0)
		if err != nil || len(segments) == 0 {
			t.Fatal(segments, err)
		}
		lost := w.leader()
		w.net.Isolate(lost)
		for n := range 2 * half { // the first half again
			send(n)
		}
		l, err := c.AttemptLog(t.Context())
		if err != nil || l.Last != 2*half {
			t.Errorf("%+v, %v", l, err)
		}
		w.net.Heal(lost)
		w.agree()
	})
}
