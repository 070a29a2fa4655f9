package consensus

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/raft"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func TestTheLogComesBackAsItWasWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.db")
	s, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	if first, err := s.FirstIndex(); first != 0 || err != nil {
		t.Errorf("an empty log begins at %d, %v", first, err)
	}
	var logs []*raft.Log
	for k := range uint64(10) {
		logs = append(logs, &raft.Log{Index: k + 1, Term: 2, Type: raft.LogCommand, Data: []byte{byte(k), 0}, AppendedAt: time.Unix(5, 0).UTC()})
	}
	if err := errors.Join(s.StoreLogs(logs), s.StoreLog(logs[3]), s.SetUint64([]byte("term"), 7), s.Set([]byte("vote"), []byte("c1"))); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.DeleteRange(1, 2), s.DeleteRange(9, 10), s.Close()); err != nil {
		t.Fatal(err)
	}
	if s, err = openStore(path); err != nil { // also after a cut at the end
		t.Fatal(err)
	}
	first, err1 := s.FirstIndex()
	last, err2 := s.LastIndex()
	if first != 3 || last != 8 || err1 != nil || err2 != nil {
		t.Errorf("log from %d to %d, want 3 to 8: %v, %v", first, last, err1, err2)
	}
	var l raft.Log
	if err := s.GetLog(5, &l); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(*logs[4], l); d != "" {
		t.Error(d)
	}
	if err := s.GetLog(9, &l); !errors.Is(err, raft.ErrLogNotFound) {
		t.Error(err)
	}
	if n, err := s.GetUint64([]byte("term")); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if v, err := s.Get([]byte("vote")); string(v) != "c1" || err != nil {
		t.Errorf("%q, %v", v, err)
	}
	if _, err := s.GetUint64([]byte("none")); err == nil || err.Error() != "not found" {
		t.Errorf("raft knows a missing value by its text, got %v", err)
	}
	if _, err := s.GetUint64([]byte("vote")); err == nil {
		t.Error("two bytes were read as a number")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := openStore("/proc/no-such"); err == nil {
		t.Error("a file that can't be made was opened")
	}
}

func TestAnIncompleteConfigurationIsRefused(t *testing.T) {
	_, err := Open(Config{Timings: Timings{Lease: 2, Heartbeat: 1}})
	for _, what := range []string{"id", "transport", "state", "lease"} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v does not name %s", err, what)
		}
	}
}

// alone is a member that leads itself.
func alone(t *testing.T, dir string, s *state.Store) *Node {
	t.Helper()
	addr, transport := raft.NewInmemTransport("")
	n, err := Open(Config{
		ID: "c1", Dir: dir, Transport: transport, Bootstrap: []Peer{{"c1", string(addr)}},
		Timings: DefaultTimings(), State: s, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	for leading := range n.Changes() {
		if leading {
			break
		}
	}
	return n
}

// lost is what raft had queued when it shut down: it never answers.
type lost chan struct{}

func (l lost) Error() error { <-l; return nil }

func TestWhoWaitsForALostAnswerIsTold(t *testing.T) {
	t.Parallel()
	n, l := alone(t, "", state.New()), make(lost)
	defer close(l)
	found := make(chan error, 1)
	go func() { found <- n.await(context.Background(), l) }()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-found:
		if !errors.Is(err, ErrUnknown) {
			t.Errorf("told %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("it waits for a member that is gone")
	}
}

// A member alone proposes, snapshots and goes on after a restart.
func TestOneMemberAlone(t *testing.T) {
	dir := t.TempDir()
	open := func(s *state.Store) *Node { return alone(t, dir, s) }
	s := state.New()
	n := open(s)
	env, err := state.Envelope(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: 3}, "test", "")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := n.Propose(t.Context(), env); err != nil || out.Code != wire.OK {
		t.Fatalf("%+v, %v", out, err)
	}
	ahead := env
	ahead.Needs = wire.FeatureLevel + 1
	var refused *wire.Error
	if _, err := n.Propose(t.Context(), ahead); !errors.As(err, &refused) || refused.Code != wire.CodeNoLeader {
		t.Errorf("a body that older voters do not know: %v", err)
	}
	if err := errors.Join(n.VerifyLeader(t.Context()), n.Barrier(t.Context()), n.raft.Snapshot().Error()); err != nil {
		t.Fatal(err)
	}
	if id, _ := n.Leader(); id != "c1" || !n.IsLeader() {
		t.Errorf("the leader is %q", id)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Propose(t.Context(), env); !errors.Is(err, ErrNotLeader) {
		t.Errorf("after the end: %v", err)
	}
	again := state.New()
	n = open(again)
	if err := n.Barrier(t.Context()); err != nil || again.Read().Level() != 3 {
		t.Errorf("after a restart the level is %d, %v", again.Read().Level(), err)
	}
	if voters, err := n.Voters(); err != nil || len(voters) != 1 {
		t.Errorf("voters %v, %v", voters, err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}
