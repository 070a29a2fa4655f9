// Package consensus replicates the state by Raft (hashicorp/raft): commands go
// in through Propose, committed ones are applied to a state.Store.
package consensus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"

	"github.com/hashicorp/raft"
)

// Errors of proposals.
var (
	// ErrNotLeader says that another node leads, or none: nothing was proposed.
	ErrNotLeader = errors.New("this coordinator is not the leader")
	// ErrBusy says that the leader's queue is full: nothing was proposed.
	ErrBusy = errors.New("the leader has more commands waiting than it can take")
	// ErrUnknown says that leadership was lost meanwhile: the command may or may
	// not be committed. Ask again under the same request id.
	ErrUnknown = errors.New("leadership was lost before the command was known to be committed")
)

// Peer is a voter.
type Peer struct{ ID, Addr string }

// Timings of Raft. A shorter heartbeat finds a lost leader sooner and costs
// idle traffic.
type Timings struct {
	Heartbeat time.Duration // without one, a follower stands for election
	Election  time.Duration
	Lease     time.Duration // a leader out of touch so long steps down
	Commit    time.Duration
}

// DefaultTimings elect a new leader in well under a second on one machine.
func DefaultTimings() Timings {
	return Timings{
		Heartbeat: 300 * time.Millisecond, Election: 300 * time.Millisecond,
		Lease: 250 * time.Millisecond, Commit: 10 * time.Millisecond,
	}
}

// Config describes a node of the consensus.
type Config struct {
	ID        string
	Dir       string // of log and snapshots; empty: in memory, for simulations
	Transport raft.Transport
	Bootstrap []Peer // voters of a cluster that has no log yet
	Timings   Timings
	Snapshots Snapshots // zero: the defaults
	State     *state.Store
	Logger    *slog.Logger
}

// Snapshots say when the log is cut: looked at Every so often, once so many
// entries have come After the last snapshot; Keep entries stay for followers
// that lag a little.
type Snapshots struct {
	Every       time.Duration
	After, Keep uint64
}

// DefaultSnapshots keep a restart's replay below a second or so.
func DefaultSnapshots() Snapshots {
	return Snapshots{Every: 2 * time.Minute, After: 16384, Keep: 8192}
}

// Validate reports every fault.
func (c Config) Validate() error {
	var faults []error
	need := func(ok bool, what string) {
		if !ok {
			faults = append(faults, errors.New("consensus: "+what))
		}
	}
	need(c.ID != "", "id is missing")
	need(c.Transport != nil, "transport is missing")
	need(c.State != nil && c.Logger != nil, "state or logger is missing")
	t := c.Timings
	need(t.Heartbeat > 0 && t.Election > 0 && t.Lease > 0 && t.Commit > 0, "a timing is not above zero")
	need(t.Election >= t.Heartbeat, "the election's timeout is shorter than the heartbeat's")
	need(t.Lease <= t.Heartbeat, "the leader's lease is longer than the heartbeat")
	return errors.Join(faults...)
}

// Node is a running member.
type Node struct {
	raft  *raft.Raft
	state *state.Store
	log   io.Closer     // nil in memory
	down  chan struct{} // closed when raft has shut down
	once  sync.Once
}

const (
	// keepSnapshots is how many snapshots stay on disk.
	keepSnapshots = 2
	// cachedEntries are the newest, which followers are about to be sent.
	cachedEntries = 512
)

type stores struct {
	logs      raft.LogStore
	stable    raft.StableStore
	snapshots raft.SnapshotStore
	closer    io.Closer
}

func openStores(c Config) (stores, error) {
	if c.Dir == "" {
		mem := raft.NewInmemStore()
		return stores{mem, mem, raft.NewInmemSnapshotStore(), nil}, nil
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return stores{}, fmt.Errorf("make raft folder: %w", err)
	}
	log, err := openStore(filepath.Join(c.Dir, "log.db"))
	if err != nil {
		return stores{}, err
	}
	snaps, err := raft.NewFileSnapshotStoreWithLogger(c.Dir, keepSnapshots, adapt(c.Logger))
	if err != nil {
		return stores{}, errors.Join(fmt.Errorf("open snapshots: %w", err), log.Close())
	}
	cache, err := raft.NewLogCache(cachedEntries, log)
	if err != nil {
		return stores{}, errors.Join(fmt.Errorf("cache raft log: %w", err), log.Close())
	}
	return stores{cache, log, snaps, log}, nil
}

// Open starts a member. A fresh one with Bootstrap forms the cluster of those
// voters; one with a log goes on where it was.
func Open(c Config) (*Node, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s, err := openStores(c)
	if err != nil {
		return nil, err
	}
	n := &Node{state: c.State, log: s.closer, down: make(chan struct{})}
	fail := func(err error) (*Node, error) { return nil, errors.Join(err, n.closeLog()) }
	conf := raftConfig(c)
	old, err := raft.HasExistingState(s.logs, s.stable, s.snapshots)
	if err != nil {
		return fail(fmt.Errorf("read raft log: %w", err))
	}
	if !old && len(c.Bootstrap) > 0 {
		if err := raft.BootstrapCluster(conf, s.logs, s.stable, s.snapshots, c.Transport, voters(c.Bootstrap)); err != nil {
			return fail(fmt.Errorf("bootstrap: %w", err))
		}
	}
	n.raft, err = raft.NewRaft(conf, &fsm{c.State}, s.logs, s.stable, s.snapshots, c.Transport)
	if err != nil {
		return fail(fmt.Errorf("start raft: %w", err))
	}
	return n, nil
}

func raftConfig(c Config) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = raft.ServerID(c.ID)
	conf.HeartbeatTimeout, conf.ElectionTimeout = c.Timings.Heartbeat, c.Timings.Election
	conf.LeaderLeaseTimeout, conf.CommitTimeout = c.Timings.Lease, c.Timings.Commit
	conf.Logger = adapt(c.Logger)
	snaps := c.Snapshots
	if snaps == (Snapshots{}) {
		snaps = DefaultSnapshots()
	}
	conf.SnapshotInterval, conf.SnapshotThreshold, conf.TrailingLogs = snaps.Every, snaps.After, snaps.Keep
	return conf
}

func voters(peers []Peer) raft.Configuration {
	var c raft.Configuration
	for _, p := range peers {
		c.Servers = append(c.Servers, raft.Server{ID: raft.ServerID(p.ID), Address: raft.ServerAddress(p.Addr)})
	}
	return c
}

// applyWait bounds the wait for a place in the leader's queue.
const applyWait = 10 * time.Second

// Propose commits a command and returns what it came to. It is for the leader.
// A command above the state's feature level is refused: a voter might not know it.
func (n *Node) Propose(ctx context.Context, env wire.Envelope) (wire.Outcome, error) {
	if need, have := max(env.Number.Level(), env.Needs), n.state.Read().Level(); need > have {
		return wire.Outcome{}, &wire.Error{
			Code:    wire.CodeNoLeader, // worth another try: a new cluster's level rises as soon as all voters report theirs
			Message: fmt.Sprintf("command %d needs feature level %d, the cluster is at %d: upgrade all coordinators", env.Number, need, have),
		}
	}
	select {
	case <-n.down:
		return wire.Outcome{}, ErrNotLeader
	default:
	}
	entry, err := state.Encode(env)
	if err != nil {
		return wire.Outcome{}, err
	}
	f := n.raft.Apply(entry, applyWait)
	if err := n.await(ctx, f); err != nil {
		return wire.Outcome{}, err
	}
	out, ok := f.Response().(wire.Outcome)
	if !ok {
		return wire.Outcome{}, fmt.Errorf("consensus: a command answered %T", f.Response())
	}
	return out, nil
}

// await folds raft's errors and ctx into the errors above. Raft answers each
// future but those that are in its queues when it shuts down: what waits for such
// a one stays behind.
func (n *Node) await(ctx context.Context, f raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- f.Error() }()
	select {
	case err := <-done:
		switch {
		case err == nil:
			return nil
		case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress), errors.Is(err, raft.ErrRaftShutdown):
			return ErrNotLeader
		case errors.Is(err, raft.ErrEnqueueTimeout):
			return ErrBusy
		case errors.Is(err, raft.ErrLeadershipLost), errors.Is(err, raft.ErrAbortedByRestore):
			return ErrUnknown
		}
		return fmt.Errorf("consensus: %w", err)
	case <-n.down:
		return ErrUnknown
	case <-ctx.Done():
		return ctx.Err()
	}
}

// VerifyLeader confirms with a majority that this node leads now.
func (n *Node) VerifyLeader(ctx context.Context) error { return n.await(ctx, n.raft.VerifyLeader()) }

// Barrier waits until all that was committed before is applied here.
func (n *Node) Barrier(ctx context.Context) error { return n.await(ctx, n.raft.Barrier(applyWait)) }

// Leader is who leads, as far as this node knows; empty when nobody.
func (n *Node) Leader() (id, addr string) {
	a, i := n.raft.LeaderWithID()
	return string(i), string(a)
}

// IsLeader reports whether this node thinks that it leads.
func (n *Node) IsLeader() bool { return n.raft.State() == raft.Leader }

// Term is the election's number: it differs between any two leaderships.
func (n *Node) Term() uint64 { return n.raft.CurrentTerm() }

// Changes tells when this node becomes leader (true) and ceases to be (false).
// It holds the newest change only, so raft never waits for its reader.
func (n *Node) Changes() <-chan bool { return n.raft.LeaderCh() }

// Voters lists the ids of the members that vote.
func (n *Node) Voters() ([]string, error) {
	f := n.raft.GetConfiguration()
	if err := f.Error(); err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	var ids []string
	for _, s := range f.Configuration().Servers {
		ids = append(ids, string(s.ID))
	}
	return ids, nil
}

// Close stops the member and closes its log.
func (n *Node) Close() error {
	err := n.raft.Shutdown().Error()
	n.once.Do(func() { close(n.down) })
	return errors.Join(err, n.closeLog())
}

func (n *Node) closeLog() error {
	if n.log == nil {
		return nil
	}
	if err := n.log.Close(); err != nil {
		return fmt.Errorf("close raft log: %w", err)
	}
	return nil
}
