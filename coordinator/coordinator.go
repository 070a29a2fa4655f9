// Package coordinator is the coordinator node: replicated state, scheduling,
// leases and the API, wired together. See DESIGN.md.
package coordinator

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"cohort/coordinator/alert/notify"
	"cohort/coordinator/consensus"
	"cohort/coordinator/gateway"
	"cohort/coordinator/gossip"
	"cohort/coordinator/httpapi"
	"cohort/coordinator/metrics"
	"cohort/coordinator/metrics/machine"
	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"
)

// Config describes a coordinator. Listeners and transports are made by the
// caller and closed by the node, as is the stream server.
type Config struct {
	ID      string
	DataDir string // empty: everything in memory, for simulations
	Version string

	HTTP     net.Listener
	HTTPAddr string // that others reach the API at; empty: the listener's

	Raft    consensus.Transport
	Peers   []consensus.Peer // voters of a new cluster, this node among them
	Timings consensus.Timings
	Cut     consensus.Snapshots // of the log; zero: the defaults
	Level   int                 // feature level; 0 is this binary's: only simulated upgrades set it

	Gossip *gossip.Config // nil: none; its Meta is filled in
	Join   []string       // gossip addresses of others

	Live   httpapi.LiveStats // of versions that serve; nil: the gateway's
	Blobs  lake.Blobs
	Stream *stream.Server // nil: logs are kept in memory, shards come from the lake

	Dial   func(ctx context.Context, network, addr string) (net.Conn, error) // to the leader; nil: TCP
	Lease  time.Duration                                                     // 0 is DefaultLease
	Logger *slog.Logger

	AdminToken string           // whoever sends it may pass over gates; empty: nobody may
	Rules      []wire.AlertRule // of incidents; none: there are no incidents
	Receivers  []notify.Named   // who is told of them
}

// DefaultLease is how long a worker may be silent.
const DefaultLease = 5 * time.Second

// Validate reports every fault.
func (c Config) Validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, fmt.Errorf("coordinator: %s is missing", what))
		}
	}
	need(c.ID != "", "id")
	need(c.HTTP != nil, "HTTP listener")
	need(c.Raft != nil, "Raft transport")
	need(c.Blobs != nil, "blob store")
	need(c.Logger != nil, "logger")
	return errors.Join(faults...)
}

// Node is a running coordinator.
type Node struct {
	cfg       Config
	log       *slog.Logger
	state     *state.Store
	consensus *consensus.Node
	gossip    *gossip.Gossip
	leases    *leases
	office    *office
	live      httpapi.LiveStats
	health    schedule.Health // of versions that serve; the leader loop's alone
	gateway   *gateway.Gateway
	conn      *stream.Conn
	key       ed25519.PrivateKey // that it signs models with
	public    wire.SigningKey    // its record
	server    *http.Server
	transport *http.Transport
	cancel    context.CancelFunc
	loops     sync.WaitGroup
	once      sync.Once
	closed    error
}

// Start starts a node. On an error everything that it was handed is closed.
func Start(ctx context.Context, c Config) (*Node, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.Lease == 0 {
		c.Lease = DefaultLease
	}
	if c.Timings == (consensus.Timings{}) {
		c.Timings = consensus.DefaultTimings()
	}
	if c.HTTPAddr == "" {
		c.HTTPAddr = c.HTTP.Addr().String()
	}
	if c.Level == 0 {
		c.Level = wire.FeatureLevel
	}
	n := &Node{cfg: c, log: c.Logger.With("coordinator", c.ID), state: state.New()}
	ctx, n.cancel = context.WithCancel(ctx)
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.Close()) //nolint:contextcheck // closing outlives ctx
	}
	n.serve(ctx)
	n.loops.Go(func() { n.lead(ctx) })
	n.loops.Go(func() { n.gateway.Run(ctx) })
	n.loops.Go(func() { n.watchAlerts(ctx) })
	return n, nil
}

// open starts what the API and the leader loop stand on.
func (n *Node) open(ctx context.Context) (err error) {
	c := n.cfg
	if n.key, err = signingKey(c.DataDir); err != nil {
		return err
	}
	n.public = publicOf(n.key, c.ID)
	dir := ""
	if c.DataDir != "" {
		dir = filepath.Join(c.DataDir, "raft")
	}
	n.consensus, err = consensus.Open(consensus.Config{
		ID: c.ID, Dir: dir, Transport: c.Raft, Bootstrap: c.Peers, Timings: c.Timings, Snapshots: c.Cut, State: n.state, Logger: n.log,
	})
	if err != nil {
		return err
	}
	n.leases = newLeases(n.consensus, n.state, c.Lease)
	n.office = &office{consensus: n.consensus}
	if c.Stream != nil {
		if n.conn, err = c.Stream.Connect(ctx); err != nil {
			return fmt.Errorf("connect to the stream: %w", err)
		}
	}
	if c.Gossip != nil {
		g := *c.Gossip
		g.Meta = gossip.Meta{Role: string(wire.RoleCoordinator), HTTP: c.HTTPAddr, Version: c.Version, Level: c.Level}
		if n.gossip, err = gossip.New(g); err != nil {
			return err
		}
	}
	return n.openGateway()
}

// dial connects to other nodes.
func (n *Node) dial() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if n.cfg.Dial != nil {
		return n.cfg.Dial
	}
	return (&net.Dialer{Timeout: time.Second}).DialContext
}

func (n *Node) serve(ctx context.Context) {
	n.transport = &http.Transport{DialContext: n.dial(), MaxIdleConnsPerHost: 16}
	url := ""
	var logs httpapi.Logs = newMemoryLogs()
	if n.cfg.Stream != nil {
		url, logs = n.cfg.Stream.URL(), streamLogs{n.conn}
	}
	progress := httpapi.NewProgress()
	registry := machine.Registry(n.cfg.DataDir, append(n.gateway.Metrics(), metrics.New(metrics.Source{
		State: n.state, Raft: n.consensus.Stats, Progress: progress.Of,
		Leads: func() bool { _, in := n.office.Serving(); return in }, Live: n.live.Live,
	}))...)
	n.server = &http.Server{
		Handler: httpapi.New(httpapi.Deps{
			ID: n.cfg.ID, Version: n.cfg.Version, State: n.state, Consensus: offices{n.consensus, n.office},
			LeaderURL: n.leaderURL, Transport: n.transport, Blobs: n.cfg.Blobs, Logs: logs,
			Leases: n.leases, Progress: progress, Live: n.live, StreamURL: url, Alive: n.alive, Logger: n.log,
			Sign: n.key, Key: n.public, AdminToken: n.cfg.AdminToken, Parts: n.gatewayParts(), Metrics: machine.Handler(registry, n.log),
		}),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(n.log.Handler(), slog.LevelDebug),
	}
	n.loops.Go(func() {
		if err := n.server.Serve(n.cfg.HTTP); !errors.Is(err, http.ErrServerClosed) {
			n.log.Error("the API has stopped", "error", err)
		}
	})
}

// Addr is where the API listens.
func (n *Node) Addr() string { return n.cfg.HTTPAddr }

// State is the node's replica.
func (n *Node) State() *state.Store { return n.state }

// IsLeader reports whether the node thinks that it leads.
func (n *Node) IsLeader() bool { return n.consensus.IsLeader() }

// leaderURL finds another coordinator that leads, by gossip.
func (n *Node) leaderURL() string {
	id, _ := n.consensus.Leader()
	if id == "" || id == n.cfg.ID || n.gossip == nil {
		return ""
	}
	for _, m := range n.gossip.Members() {
		if m.Name == id && m.HTTP != "" {
			return "http://" + m.HTTP
		}
	}
	return ""
}

// alive is gossip's word on a node, or the lease's where nobody gossips.
func (n *Node) alive(id string) bool {
	if n.gossip != nil {
		for _, m := range n.gossip.Members() {
			if m.Name == id {
				return true
			}
		}
	}
	return n.leases.fresh(id)
}

// httpGrace is how long open requests may take at the end.
const httpGrace = 300 * time.Millisecond

// Close stops the node in the order of DESIGN.md.
func (n *Node) Close() error {
	n.once.Do(func() {
		var faults []error
		n.cancel()
		if n.server != nil {
			ctx, cancel := context.WithTimeout(context.Background(), httpGrace)
			if n.server.Shutdown(ctx) != nil {
				faults = append(faults, n.server.Close())
			}
			cancel()
			n.transport.CloseIdleConnections()
		} else {
			faults = append(faults, n.cfg.HTTP.Close())
		}
		n.loops.Wait()
		if n.gateway != nil {
			faults = append(faults, n.gateway.Close())
		}
		if n.gossip != nil {
			faults = append(faults, n.gossip.Close())
		}
		if n.consensus != nil {
			faults = append(faults, n.consensus.Close())
		}
		if t, ok := n.cfg.Raft.(interface{ Close() error }); ok {
			faults = append(faults, t.Close())
		}
		if n.conn != nil {
			n.conn.Close()
		}
		if n.cfg.Stream != nil {
			n.cfg.Stream.Close()
		}
		n.closed = errors.Join(faults...)
	})
	return n.closed
}
