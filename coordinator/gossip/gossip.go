// Package gossip says which nodes are alive, by memberlist's SWIM protocol. It
// gives hints that act faster than a lease; truth stays with Raft.
package gossip

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// Meta is what a node tells about itself.
type Meta struct {
	Role    string `json:"role"`
	HTTP    string `json:"http,omitempty"` // where a coordinator's API listens
	Version string `json:"version,omitempty"`
	Level   int    `json:"level,omitempty"` // feature level of a coordinator's binary
}

// Member is a node as gossip sees it.
type Member struct {
	Name string
	Meta
}

// Event is a change that gossip noticed.
type Event struct {
	Member Member
	Alive  bool
}

// Transport carries gossip between members.
type Transport = memberlist.Transport

// Config describes a member.
type Config struct {
	Name      string
	Meta      Meta
	Transport Transport // nil: Bind and Port
	Bind      string
	Port      int
	Logger    *slog.Logger
}

// Gossip is a running member.
type Gossip struct {
	list   *memberlist.Memberlist
	events chan Event

	mu    sync.Mutex // guards below; memberlist's own list is written while it is read
	alive map[string]Member
}

// leaveWait bounds the farewell.
const leaveWait = 500 * time.Millisecond

// New starts a member that knows only itself.
func New(c Config) (*Gossip, error) {
	meta, err := json.Marshal(c.Meta)
	if err != nil {
		return nil, fmt.Errorf("gossip: encode meta: %w", err)
	}
	if len(meta) > memberlist.MetaMaxSize {
		return nil, fmt.Errorf("gossip: meta is %d bytes, at most %d fit", len(meta), memberlist.MetaMaxSize)
	}
	g := &Gossip{events: make(chan Event, 256), alive: map[string]Member{}}
	conf := memberlist.DefaultLANConfig()
	if c.Transport == nil {
		conf = memberlist.DefaultLocalConfig()
		conf.BindAddr, conf.BindPort, conf.AdvertisePort = c.Bind, c.Port, c.Port
	}
	conf.ProbeInterval, conf.ProbeTimeout = 500*time.Millisecond, 250*time.Millisecond
	conf.SuspicionMult = 2
	conf.EnableCompression = false // a member's meta is small
	conf.Name, conf.Transport = c.Name, c.Transport
	conf.Delegate, conf.Events = self(meta), events{g}
	conf.LogOutput = quiet{c.Logger}
	if g.list, err = memberlist.Create(conf); err != nil {
		return nil, fmt.Errorf("gossip: %w", err)
	}
	return g, nil
}

// Join meets the members at addrs; it fails when none answers.
func (g *Gossip) Join(addrs ...string) error {
	if _, err := g.list.Join(addrs); err != nil {
		return fmt.Errorf("gossip: join %s: %w", strings.Join(addrs, ", "), err)
	}
	return nil
}

// Addr is where this member gossips, HOST:PORT.
func (g *Gossip) Addr() string { return g.list.LocalNode().Address() }

// Members lists who is alive, this node among them.
func (g *Gossip) Members() []Member {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.SortedFunc(maps.Values(g.alive), func(a, b Member) int { return strings.Compare(a.Name, b.Name) })
}

// Events tells who comes and goes. Events beyond 256 that nobody reads are lost.
func (g *Gossip) Events() <-chan Event { return g.events }

// Close says farewell and stops. A farewell that nobody hears is no error: the
// others find out by themselves.
func (g *Gossip) Close() error {
	_ = g.list.Leave(leaveWait)
	return g.list.Shutdown()
}

// Abandon stops without a word, as a killed process would.
func (g *Gossip) Abandon() error { return g.list.Shutdown() }

func member(n *memberlist.Node) Member {
	m := Member{Name: n.Name}
	_ = json.Unmarshal(n.Meta, &m.Meta) // a stranger's meta stays empty
	return m
}

// self is memberlist's delegate for a node that only has meta.
type self []byte

func (s self) NodeMeta(int) []byte           { return s }
func (self) NotifyMsg([]byte)                {}
func (self) GetBroadcasts(int, int) [][]byte { return nil }
func (self) LocalState(bool) []byte          { return nil }
func (self) MergeRemoteState([]byte, bool)   {}

type events struct{ g *Gossip }

func (e events) NotifyJoin(n *memberlist.Node)   { e.tell(n, true) }
func (e events) NotifyLeave(n *memberlist.Node)  { e.tell(n, false) }
func (e events) NotifyUpdate(n *memberlist.Node) { e.tell(n, true) }

// tell must not block: memberlist holds its lock.
func (e events) tell(n *memberlist.Node, alive bool) {
	m := member(n)
	e.g.mu.Lock()
	if alive {
		e.g.alive[m.Name] = m
	} else {
		delete(e.g.alive, m.Name)
	}
	e.g.mu.Unlock()
	select {
	case e.g.events <- Event{m, alive}:
	default:
	}
}

// quiet turns memberlist's log lines into debug records.
type quiet struct{ log *slog.Logger }

var _ io.Writer = quiet{}

func (q quiet) Write(p []byte) (int, error) {
	q.log.Debug("gossip", "line", strings.TrimSpace(string(p)))
	return len(p), nil
}
