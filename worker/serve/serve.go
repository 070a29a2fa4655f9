// Package serve is a model's replica: it answers MLflow's scoring protocol on
// whole sequences, and keeps where students stand for steps. Requests that come
// in run side by side in the slots of the model's lanes; none waits for a batch.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// Config describes a replica. It closes the listener, and nothing else that it is
// handed. Zero bounds are the defaults.
type Config struct {
	Listener net.Listener
	Blobs    lake.Blobs
	Stage    wire.Stage // of kind serve
	Threads  int        // lanes; 0 is 1
	Kernels  string     // auto | avx512 | avx2 | portable; empty is auto
	Version  string     // what GET /version says
	Timeout  time.Duration
	Queue    int   // sequences that wait, beyond which requests are refused
	States   int64 // bytes of students' states that are kept
	Logger   *slog.Logger
}

// Defaults and bounds of a replica.
const (
	defaultTimeout = 60 * time.Second // as MLflow's
	defaultQueue   = 20_000
	defaultStates  = 256 << 20
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	closeGrace     = 5 * time.Second
	maxHeader      = 64 << 10
)

// Replica is a running one.
type Replica struct {
	model   *model
	addr    string
	version string
	timeout time.Duration
	batcher *batcher
	states  *states
	metrics *metrics
	log     *slog.Logger
	server  *http.Server
	fresh   fresh
	failed  chan error // of the server, one
	once    sync.Once
	closed  error
}

// Start loads the model that the stage names and serves it. An error that is a
// *source.InputError says that no retry helps.
func Start(ctx context.Context, c Config) (*Replica, error) {
	m, err := load(ctx, c)
	if err != nil {
		return nil, errors.Join(err, c.Listener.Close())
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Queue == 0 {
		c.Queue = defaultQueue
	}
	if c.States == 0 {
		c.States = defaultStates
	}
	r := &Replica{
		model: m, addr: c.Listener.Addr().String(), version: c.Version, timeout: c.Timeout, log: c.Logger, failed: make(chan error, 1),
		fresh: fresh{conns: map[net.Conn]bool{}},
	}
	if r.states, err = newStates(m, c.States); err != nil {
		return nil, errors.Join(err, c.Listener.Close())
	}
	r.metrics = newMetrics(m)
	r.batcher = newBatcher(m, max(c.Threads, 1), c.Queue, r.metrics.ran)
	r.metrics.watch(r.batcher, r.states)
	r.server = &http.Server{
		Handler: r.handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: c.Timeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ConnState: r.fresh.state, ErrorLog: slog.NewLogLogger(c.Logger.Handler(), slog.LevelDebug),
	}
	go func() { r.failed <- r.server.Serve(c.Listener) }()
	r.log.Info("serving", "model", m.name, "version", m.version, "addr", r.addr, "skills", len(m.skills),
		"window", m.Window(), "kernels", string(m.Path()), "threads", max(c.Threads, 1))
	return r, nil
}

// Addr is where the replica listens.
func (r *Replica) Addr() string { return r.addr }

// Failed gives the error of a replica that has stopped serving by itself.
func (r *Replica) Failed() <-chan error { return r.failed }

// Close takes no more requests, finishes those that it has, for some seconds, and
// ends.
func (r *Replica) Close() error {
	r.once.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		r.fresh.close()
		if r.closed = r.server.Shutdown(ctx); r.closed != nil {
			r.closed = errors.Join(r.closed, r.server.Close())
		}
		r.batcher.close()
		r.log.Info("no longer serving", "model", r.model.name, "version", r.model.version, "addr", r.addr)
	})
	return r.closed
}
