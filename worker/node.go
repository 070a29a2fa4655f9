package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane/fetch"
	"cohort/dataplane/stream"
	"cohort/worker/collective"
)

// Node is a running worker.
type Node struct {
	cfg     Config
	log     *slog.Logger
	kernels string
	execDir string // of exec stages
	hub     *collective.Hub
	reports *reports
	kick    chan struct{} // a lease wants renewal now
	ready   chan struct{} // closed once registered
	cancel  context.CancelCauseFunc
	wg      sync.WaitGroup
	tasksWG sync.WaitGroup // awaited by serve

	mu       sync.Mutex // guards below
	high     uint64     // highest index of a view acted on
	lease    time.Duration
	url      string // of the stream
	tasks    map[string]*task
	draining bool
	conn     *stream.Conn // dialled by this node
	fetcher  *fetch.Fetcher
	fetched  *stream.Conn // that fetcher uses
}

// Start makes a worker and returns at once; it registers, and keeps trying, in
// the background. The node lives until Close or until ctx ends.
func Start(ctx context.Context, c Config) (*Node, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	c.fill()
	path, err := kernelPath(c.Kernels)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.cacheDir(), 0o755); err != nil {
		return nil, fmt.Errorf("worker: make data folder: %w", err)
	}
	exec, err := clearExec(c.DataDir)
	if err != nil {
		return nil, err
	}
	log := c.Logger.With("worker", c.ID)
	ctx, cancel := context.WithCancelCause(ctx)
	n := &Node{
		cfg: c, log: log, kernels: string(path), execDir: exec, hub: collective.NewHub(c.Listener, 0, log),
		reports: newReports(c.API), kick: make(chan struct{}, 1), ready: make(chan struct{}),
		cancel: cancel, lease: defaultLease, tasks: map[string]*task{},
	}
	n.cfg.Blobs = &patient{blobs: c.Blobs, log: log}
	n.wg.Go(func() { n.reports.run(ctx) })
	n.wg.Go(func() { n.serve(ctx) })
	return n, nil
}

// ID is the node's.
func (n *Node) ID() string { return n.cfg.ID }

// Addr is where other members reach the node.
func (n *Node) Addr() string { return n.cfg.Addr }

// Ready waits until the node is registered.
func (n *Node) Ready(ctx context.Context) error {
	select {
	case <-n.ready:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the node at once: tasks are cancelled and nothing more is
// published. Their leases end, and the coordinator places them elsewhere; call
// Drain first to hand them back.
func (n *Node) Close() error {
	n.cancel(errClosed)
	n.wg.Wait()
	err := n.hub.Close()
	n.mu.Lock()
	conn := n.conn
	n.conn, n.fetcher = nil, nil
	n.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
	return err
}

// serve lives through one session after another: one, unless the coordinator
// writes the node off.
func (n *Node) serve(ctx context.Context) {
	for ctx.Err() == nil {
		session := newSession()
		if !n.register(ctx, session) {
			return
		}
		n.live(ctx, session)
		n.tasksWG.Wait()
		n.mu.Lock()
		n.tasks = map[string]*task{}
		n.mu.Unlock()
	}
}

func newSession() string {
	b := make([]byte, 8)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// register makes the node known; false when ctx ended.
func (n *Node) register(ctx context.Context, session string) bool {
	node := wire.Node{
		ID: n.cfg.ID, Session: session, Role: wire.RoleWorker, Addr: n.cfg.Addr,
		Resources: n.cfg.Resources, Version: n.cfg.Version, Kernels: n.kernels, Exec: len(n.cfg.Exec) > 0, Status: wire.NodeReady,
	}
	var b backoff
	for said := ""; ; {
		call, cancel := context.WithTimeout(ctx, callWait)
		reply, err := n.cfg.API.Register(call, node)
		cancel()
		if err == nil {
			n.registered(reply)
			n.log.Info("registered", "session", session, "cores", node.Resources.Cores, "kernels", node.Kernels)
			return true
		}
		if err.Error() != said && ctx.Err() == nil {
			said = err.Error()
			n.log.Warn("cannot register yet", "error", err)
		}
		if !b.wait(ctx) {
			return false
		}
	}
}

func (n *Node) registered(reply wire.RegisterReply) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.high = reply.Index
	if n.url != reply.Stream && n.cfg.Stream == nil {
		n.url = reply.Stream
		if n.conn != nil {
			n.conn.Close()
			n.conn = nil
		}
	}
	if reply.LeaseMS > 0 {
		n.lease = time.Duration(reply.LeaseMS) * time.Millisecond
	}
	select {
	case <-n.ready:
	default:
		close(n.ready)
	}
}

// live watches and renews until the session is over.
func (n *Node) live(ctx context.Context, session string) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(errRevoked)
	var wg sync.WaitGroup
	wg.Go(func() {
		n.renew(ctx, session)
		end(errRevoked)
	})
	n.watch(ctx, session)
	end(errRevoked)
	wg.Wait()
}

// shards is the way to shards: by the stream as soon as there is one.
func (n *Node) shards(ctx context.Context) *fetch.Fetcher {
	conn := n.streamConn(ctx)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fetcher == nil || n.fetched != conn {
		n.fetcher, n.fetched = fetch.New(n.cfg.cacheDir(), n.cfg.Blobs, conn, n.log), conn
	}
	return n.fetcher
}

// streamConn is nil while there is no stream: the lake is the other way.
func (n *Node) streamConn(ctx context.Context) *stream.Conn {
	n.mu.Lock()
	url, conn := n.url, n.cfg.Stream
	if n.conn != nil {
		conn = n.conn
	}
	n.mu.Unlock()
	if conn == nil && url != "" {
		conn = n.dialStream(ctx, url)
	}
	return conn
}

func (n *Node) dialStream(ctx context.Context, url string) *stream.Conn {
	call, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	conn, err := stream.Dial(call, url, n.log)
	if err != nil {
		n.log.Warn("no stream: shards come from the lake", "url", url, "error", err)
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.conn != nil { // another task was quicker
		conn.Close()
		return n.conn
	}
	n.conn = conn
	return conn
}
