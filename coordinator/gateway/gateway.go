// Package gateway is the way in for a model's users: it takes students' attempts
// into the attempt log before it answers, and hands requests to the replicas that
// the deployments' routes say, so that a replica's death costs no request.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// Deployed is a model that has replicas: what the gateway reads of a deployment.
type Deployed struct {
	Model    string
	Routes   []wire.Route
	Replicas map[int][]string // addresses by version
}

// Config describes a gateway, one a coordinator.
type Config struct {
	ID          string
	Dir         string // of the index of sealed attempts; empty: in memory
	State       *state.Store
	Deployments func() []Deployed // as they are in State
	Blobs       lake.Blobs
	// Propose commits a command; Serving says whether this node leads, and until when.
	Propose   func(ctx context.Context, env wire.Envelope) (wire.Outcome, error)
	Serving   func() (context.Context, bool)
	Contact   func() bool   // a leader is known
	LeaderURL func() string // base URL of another's API, who leads; empty: unknown
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	Fault     func(error) *wire.Error // what the API answers to an error
	Logger    *slog.Logger
}

// Times of the gateway.
const (
	patience    = 2 * time.Second        // how long a request looks for a replica that takes it
	tryTime     = 10 * time.Second       // a replica that has not answered by then is given up
	shunTime    = time.Second            // one that failed is asked last for so long
	pause       = 25 * time.Millisecond  // between rounds over the replicas
	settle      = 5 * time.Millisecond   // the table follows the state at most so often
	beat        = 250 * time.Millisecond // how often a leader is looked for
	silence     = 10 * time.Second       // without one: degraded
	reportEvery = time.Second            // to the leader
)

// Gateway serves until the context of Run ends.
type Gateway struct {
	Config
	transport *http.Transport
	table     atomic.Pointer[table]
	turn      atomic.Uint64 // deals requests to versions
	heard     atomic.Int64  // of a leader, Unix nanoseconds
	batches   chan *pending
	index     index
	catching  sync.Mutex // one brings the index up to date
	sealing   sync.Mutex // one seals
	meters    meters
	reports   reports
	metrics   *metrics
}

// New opens a gateway.
func New(c Config) (*Gateway, error) {
	g := &Gateway{
		Config: c, batches: make(chan *pending), meters: meters{all: map[version]*meter{}}, reports: reports{all: map[string]report{}}, metrics: newMetrics(),
		transport: &http.Transport{
			DialContext: c.Dial, MaxIdleConnsPerHost: 256, IdleConnTimeout: 30 * time.Second, DisableCompression: true,
		},
	}
	var err error
	if g.index, err = openIndex(c.Dir); err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	g.heard.Store(time.Now().UnixNano())
	g.table.Store(newTable(nil, c.Deployments()))
	return g, nil
}

// Close lets go of the index and of connections.
func (g *Gateway) Close() error {
	g.transport.CloseIdleConnections()
	return g.index.close()
}

// Run does what the gateway does by itself, until ctx ends.
func (g *Gateway) Run(ctx context.Context) {
	var loops sync.WaitGroup
	loops.Go(func() { g.appendLoop(ctx) })
	loops.Go(func() { g.follow(ctx) })
	loops.Go(func() { g.every(ctx, beat, g.listen) })
	loops.Go(func() { g.every(ctx, reportEvery, func() { g.report(ctx) }) })
	loops.Go(func() { g.every(ctx, sealEvery, func() { g.sealDue(ctx) }) })
	loops.Wait()
}

func (g *Gateway) every(ctx context.Context, d time.Duration, do func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			do()
		}
	}
}

// follow keeps the table in step with the state.
func (g *Gateway) follow(ctx context.Context) {
	for {
		changed := g.State.Changed()
		g.table.Store(newTable(g.table.Load(), g.Deployments()))
		if !wait(ctx, changed) {
			return
		}
		if !rest(ctx, settle) {
			return
		}
	}
}

func wait(ctx context.Context, c <-chan struct{}) bool {
	select {
	case <-ctx.Done():
		return false
	case <-c:
		return true
	}
}

// rest waits; false when ctx ended before.
func rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// listen notes that a leader is known.
func (g *Gateway) listen() {
	if g.Contact() {
		g.heard.Store(time.Now().UnixNano())
	}
}

// quiet is the time since a leader was heard of.
func (g *Gateway) quiet() time.Duration {
	return time.Duration(max(time.Now().UnixNano()-g.heard.Load(), 0))
}

// degraded reports whether the table may be old.
func (g *Gateway) degraded() bool { return g.quiet() > silence }

// refusal is an error that the API answers.
func refusal(code wire.Code, format string, args ...any) error {
	return &wire.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// errNone says that a model has no replica that is ready.
var errNone = errors.New("no replica is ready")
