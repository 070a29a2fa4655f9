package local

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"
	"cohort/worker"
	"cohort/worker/collective"
)

// Bounds of a worker.
const (
	drainGrace  = 5 * time.Second // for its batch tasks to finish at Stop
	dialTimeout = 2 * time.Second // to another member
)

// Worker configures a worker.
type Worker struct {
	ID, DataDir  string
	Coordinators []string // HOST:PORT or URL
	Listen       string   // HOST:PORT for members of rounds
	Advertise    string   // HOST:PORT that the others use; empty: Listen's
	Serve        string   // HOST:PORT for replicas of models, with port 0 one of its own for each; empty: 127.0.0.1:0
	Insecure     bool     // Listen may be an address that others can reach
	Cores        int      // 0: the machine's
	MemoryMB     int64    // 0: the machine's
	Kernels      string   // auto | avx512 | avx2 | portable
	Exec         []string // programs that exec stages may run: names, and patterns of absolute paths
	Metrics      string   // HOST:PORT of /metrics; empty: none
	Version      string
	Logger       *slog.Logger
	stream       *stream.Conn // of a coordinator in the same process
}

// WorkerNode is a running worker with all that it was wired to.
type WorkerNode struct {
	node *worker.Node
	api  *client.Client
	lock io.Closer

	metrics     *http.Server // nil: none
	metricsAddr string
}

// StartWorker locks the data folder, opens the listener and starts the node,
// which registers in the background.
func StartWorker(ctx context.Context, c Worker) (*WorkerNode, error) {
	if c.Serve == "" {
		c.Serve = "127.0.0.1:0"
	}
	if err := errors.Join(checkAddress("listen", c.Listen, c.Insecure), checkAddress("serve", c.Serve, c.Insecure)); err != nil {
		return nil, err
	}
	if c.Metrics != "" {
		if err := checkAddress("metrics", c.Metrics, c.Insecure); err != nil {
			return nil, err
		}
	}
	lock, err := Lock(c.DataDir)
	if err != nil {
		return nil, err
	}
	l, err := Listen(ctx, "listen", c.Listen, c.Insecure)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	api := client.New(c.Coordinators, client.Options{Actor: "worker " + c.ID})
	dialer := &net.Dialer{Timeout: dialTimeout}
	// The node ends by Close or Stop, not when ctx does.
	node, err := worker.Start(context.WithoutCancel(ctx), worker.Config{
		ID: c.ID, DataDir: c.DataDir, API: api, Blobs: api.Blobs(lake.ErrNotFound, lake.ErrCorrupt),
		Listener: l, Addr: c.Advertise, Serve: c.replicas, Stream: c.stream, Kernels: c.Kernels, Exec: c.Exec, Version: c.Version, Logger: c.Logger,
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", addr)
		},
		Resources: wire.Resources{Cores: c.Cores, MemoryMB: c.MemoryMB},
		Timings:   collective.DefaultTimings(),
	})
	if err != nil {
		return nil, errors.Join(err, l.Close(), lock.Close())
	}
	n := &WorkerNode{node: node, api: api, lock: lock}
	if c.Metrics == "" {
		return n, nil
	}
	scraped, err := Listen(ctx, "metrics", c.Metrics, c.Insecure)
	if err != nil {
		return nil, errors.Join(err, n.Close())
	}
	n.metrics, n.metricsAddr = serveMetrics(scraped, node, c.DataDir, c.Logger), scraped.Addr().String()
	return n, nil
}

// replicas opens the listener of a replica. Others reach it at the host that the
// worker advertises, unless it is for this machine alone.
func (c *Worker) replicas(ctx context.Context) (net.Listener, string, error) {
	l, err := Listen(ctx, "serve", c.Serve, c.Insecure)
	if err != nil {
		return nil, "", err
	}
	addr := l.Addr().String()
	at, tcp := l.Addr().(*net.TCPAddr)
	if host, _, err := net.SplitHostPort(c.Advertise); err == nil && tcp && !at.IP.IsLoopback() {
		_, port, _ := net.SplitHostPort(addr) // of a listener: has one
		addr = net.JoinHostPort(host, port)
	}
	return l, addr, nil
}

// MetricsAddr is where the worker's /metrics are; empty: nowhere.
func (n *WorkerNode) MetricsAddr() string { return n.metricsAddr }

// Addr is where members of rounds reach the worker.
func (n *WorkerNode) Addr() string { return n.node.Addr() }

// Ready waits until the worker is registered.
func (n *WorkerNode) Ready(ctx context.Context) error { return n.node.Ready(ctx) }

// Stop hands the worker's tasks back and closes it. A coordinator that can't
// be reached is not waited for: the leases end by themselves.
func (n *WorkerNode) Stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), drainGrace)
	defer cancel()
	err := n.node.Drain(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = nil
	}
	return errors.Join(err, n.Close())
}

// Close ends the worker at once and gives the data folder back.
func (n *WorkerNode) Close() error {
	err := n.node.Close()
	if n.metrics != nil {
		err = errors.Join(err, n.metrics.Close())
	}
	n.api.Close()
	return errors.Join(err, n.lock.Close())
}
