// Package simnet is a network in memory for simulations: listeners and dialers
// for HTTP and gangs, transports for Raft and memberlist, and faults by seed.
// It blocks only on channels, so it works inside a testing/synctest bubble.
package simnet

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"time"
)

// Errors of the network.
var (
	// ErrUnreachable says that no listener is at an address, or that a cut lies between.
	ErrUnreachable = errors.New("simnet: unreachable")
	// ErrReset is read from a stream that a cut broke.
	ErrReset = errors.New("simnet: connection reset")
	// ErrLost says that no answer came in time.
	ErrLost = errors.New("simnet: no answer")
)

// link is what lies between two hosts.
type link uint8

const (
	linkOpen  link = iota
	linkCut        // streams break and new ones are refused, as when a process is killed
	linkMuted      // nothing gets through and nobody is told, as when a cable is pulled
)

// Network joins hosts. Its methods may be called by any goroutine.
type Network struct {
	mu          sync.Mutex // guards below; taken before a stream's lock
	chance      *rand.Rand
	hosts       map[string]*Host
	byIP        map[string]*Host
	listeners   map[string]*listener // by IP:port
	links       map[[2]string]link   // that are not open
	streams     map[*stream]bool
	drop        float64
	least, most time.Duration // of a message's way
	healed      chan struct{} // closed at the next Heal
}

// New returns a network whose faults follow from seed.
func New(seed uint64) *Network {
	return &Network{
		chance: rand.New(rand.NewPCG(seed, 0)), hosts: map[string]*Host{}, byIP: map[string]*Host{},
		listeners: map[string]*listener{}, links: map[[2]string]link{}, streams: map[*stream]bool{},
		healed: make(chan struct{}),
	}
}

// Host is one machine of the network.
type Host struct {
	net           *Network
	Name, IP      string
	port, dialled int // counted up
	raft          *raftPort
	gram          chan packet
}

// Host returns the host of that name, made at the first call.
func (n *Network) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name]
	if h == nil {
		h = &Host{net: n, Name: name, IP: fmt.Sprintf("10.0.%d.%d", len(n.hosts)/250, len(n.hosts)%250+1), port: 1000}
		n.hosts[name], n.byIP[h.IP] = h, h
	}
	return h
}

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

// Cut parts two hosts: streams between them break, nothing new gets through.
func (n *Network) Cut(a, b string) { n.set(a, b, linkCut) }

// Mute parts two hosts silently: streams hang, and go on once healed.
func (n *Network) Mute(a, b string) { n.set(a, b, linkMuted) }

func (n *Network) set(a, b string, to link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[pair(a, b)] = to
	for s := range n.streams {
		if s.between(a, b) && to == linkCut {
			s.reset()
			delete(n.streams, s)
		}
	}
}

// Isolate cuts a host from all others.
func (n *Network) Isolate(name string) { n.part(name, n.Cut) }

// Silence mutes a host towards all others.
func (n *Network) Silence(name string) { n.part(name, n.Mute) }

func (n *Network) part(name string, from func(a, b string)) {
	n.mu.Lock()
	var others []string
	for h := range n.hosts {
		if h != name {
			others = append(others, h)
		}
	}
	n.mu.Unlock()
	for _, other := range others {
		from(name, other)
	}
}

// Heal undoes all cuts and mutes of a host.
func (n *Network) Heal(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.links {
		if p[0] == name || p[1] == name {
			delete(n.links, p)
		}
	}
	close(n.healed)
	n.healed = make(chan struct{})
	for s := range n.streams {
		s.poke()
	}
}

// Drop loses that share of datagrams and of Raft's messages.
func (n *Network) Drop(share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop = share
}

// Delay makes each message take a time between least and most.
func (n *Network) Delay(least, most time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.least, n.most = least, max(least, most)
}

// way draws how a message fares: how long it takes, and whether it arrives.
func (n *Network) way(from, to string) (delay time.Duration, state link, lost bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	state = n.links[pair(from, to)]
	lost = state != linkOpen || n.drop > 0 && n.chance.Float64() < n.drop
	return n.delay(), state, lost
}

// delay is called with the lock held.
func (n *Network) delay() time.Duration {
	if n.most == 0 {
		return 0
	}
	return n.least + time.Duration(n.chance.Int64N(int64(n.most-n.least)+1))
}

// muted reports whether messages between two hosts wait for a Heal.
func (n *Network) muted(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.links[pair(a, b)] == linkMuted
}

// Listen opens a listener on a port of the host; 0 is a free one.
func (h *Host) Listen(port int) net.Listener {
	h.net.mu.Lock()
	defer h.net.mu.Unlock()
	if port == 0 {
		h.port++
		port = h.port
	}
	l := &listener{
		net: h.net, addr: net.JoinHostPort(h.IP, strconv.Itoa(port)),
		conns: make(chan net.Conn), done: make(chan struct{}),
	}
	h.net.listeners[l.addr] = l
	return l
}
