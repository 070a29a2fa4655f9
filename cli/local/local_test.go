package local_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cohort/cli/local"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
)

func TestMain(m *testing.M) {
	// Of a command that raft's end overtook.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/hashicorp/raft.(*deferError).Error"))
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func start(t *testing.T, c local.Config) *local.Cluster {
	t.Helper()
	c.Logger = quiet()
	cluster, err := local.Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := cluster.Ready(ctx); err != nil {
		t.Fatal(errors.Join(err, cluster.Close()))
	}
	return cluster
}

func statuses(t *testing.T, url string) map[string]wire.NodeStatus {
	t.Helper()
	c := client.New([]string{url}, client.Options{})
	defer c.Close()
	nodes, err := c.Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]wire.NodeStatus{}
	for _, n := range nodes {
		m[n.ID] = n.Status
	}
	return m
}

func TestAFolderServesOneClusterAfterTheOther(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "data")
	first := start(t, local.Config{Workers: 3, DataDir: dir})
	if got := statuses(t, first.URL()); len(got) != 3 || got["w3"] != wire.NodeReady {
		t.Errorf("got %v", got)
	}
	if _, err := local.Start(t.Context(), local.Config{Workers: 1, DataDir: dir, Logger: quiet()}); !errors.Is(err, local.ErrLocked) ||
		!strings.Contains(err.Error(), fmt.Sprintf("process %d", os.Getpid())) {
		t.Errorf("a second cluster in the folder: %v", err)
	}
	begin := time.Now()
	if err := errors.Join(first.Close(), first.Close()); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > time.Minute {
		t.Errorf("close took %v", took)
	}
	// A smaller cluster places nothing on the workers that are gone.
	second := start(t, local.Config{Workers: 1, DataDir: dir})
	got := statuses(t, second.URL())
	if got["w1"] != wire.NodeReady || got["w2"] == wire.NodeReady || got["w3"] == wire.NodeReady {
		t.Errorf("got %v", got)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
	// A larger one takes them up again.
	third := start(t, local.Config{Workers: 2, DataDir: dir})
	if got := statuses(t, third.URL()); got["w2"] != wire.NodeReady {
		t.Errorf("got %v", got)
	}
	if err := third.Close(); err != nil {
		t.Error(err)
	}
}

func TestWrongConfigurationsLeaveNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		name, want string
		config     local.Config
	}{
		{"no-workers", "workers is 0; want 1 to 256", local.Config{DataDir: dir, Logger: quiet()}},
		{"no-folder", "data folder is missing", local.Config{Workers: 1, Logger: quiet()}},
		{"no-logger", "logger is missing", local.Config{Workers: 1, DataDir: dir}},
		{"not-loopback", "http 192.0.2.1:80 can be reached by others", local.Config{Workers: 1, DataDir: dir, Logger: quiet(), HTTP: "192.0.2.1:80"}},
		{"no-port", `http "localhost": want HOST:PORT`, local.Config{Workers: 1, DataDir: dir, Logger: quiet(), HTTP: "localhost"}},
		{"kernels", "sse", local.Config{Workers: 1, DataDir: filepath.Join(dir, "k"), Logger: quiet(), Kernels: "sse"}},
	} {
		if _, err := local.Start(t.Context(), c.config); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v %v", entries, err)
	}
}

func TestAWorkersReplicasHideAsItsListenerDoes(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "w")
	for want, serve := range map[string]string{
		"serve 0.0.0.0:0 can be reached by others": "0.0.0.0:0",
		`serve "here": want HOST:PORT`:             "here",
	} {
		c := local.Worker{ID: "w1", DataDir: dir, Listen: "127.0.0.1:0", Serve: serve, Logger: quiet()}
		if _, err := local.StartWorker(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a folder was made")
	}
}

func TestAnEndedContextStopsTheStart(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := local.Start(ctx, local.Config{Workers: 2, DataDir: t.TempDir(), Logger: quiet()}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAPortInUseIsNamed(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // tests
	taken, free := l.Addr().String(), "127.0.0.1:0"
	for _, name := range []string{"http", "raft", "gossip", "stream"} {
		c := local.Coordinator{ID: "c", DataDir: t.TempDir(), HTTP: free, Raft: free, Gossip: free, Stream: free, Logger: quiet()}
		*map[string]*string{"http": &c.HTTP, "raft": &c.Raft, "gossip": &c.Gossip, "stream": &c.Stream}[name] = taken
		_, err := local.StartCoordinator(t.Context(), c)
		want := name + " " + taken + ": address already in use; end what listens there or choose another port"
		if !errors.Is(err, syscall.EADDRINUSE) || err.Error() != want {
			t.Errorf("%s: got %v", name, err)
		}
	}
	w := local.Worker{ID: "w", DataDir: t.TempDir(), Coordinators: []string{"127.0.0.1:1"}, Listen: taken, Logger: quiet()}
	if _, err := local.StartWorker(t.Context(), w); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("worker: got %v", err)
	}
}

func TestAFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(t.TempDir(), "lock")
	if err := os.Mkdir(locked, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(file, "below"), filepath.Dir(locked)} {
		if _, err := local.Lock(dir); !errors.Is(err, local.ErrFolder) || errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v", dir, err)
		}
	}
}

// Nodes of their own: the worker registers by the network, hands back its
// place at Stop, and a worker without a coordinator ends in time too.
func TestNodesOfTheirOwn(t *testing.T) {
	t.Parallel()
	free := "127.0.0.1:0"
	c, err := local.StartCoordinator(t.Context(), local.Coordinator{
		ID: "c", DataDir: t.TempDir(), HTTP: free, Raft: free, Gossip: free, Stream: free, Logger: quiet(),
	})
	if err != nil {
		t.Fatal(err)
	}
	w, err := local.StartWorker(t.Context(), local.Worker{ID: "w", DataDir: t.TempDir(), Coordinators: []string{c.URL()}, Listen: free, Cores: 1, Logger: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := w.Ready(ctx); err != nil || w.Addr() == "" {
		t.Fatal(err)
	}
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
	if got := statuses(t, c.URL()); got["w"] == wire.NodeReady {
		t.Errorf("the worker that left is %v", got)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
