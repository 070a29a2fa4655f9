// Package simnet is a network in memory for simulations: listeners and dialers
// for HTTP and gangs, transports for Raft and memberlist, and faults by seed.
// It blocks only on channels, so it works inside a testing/synctest bubble.
package simnet

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// ErrUnreachable says that no listener is at an address, or that a cut lies between.
var ErrUnreachable = errors.New("simnet: unreachable")

// Network joins hosts.
type Network struct {
	mu        sync.Mutex
	chance    *rand.Rand
	hosts     map[string]*Host
	byIP      map[string]*Host
	listeners map[string]*listener // by IP:port
	cut       map[[2]string]bool
	drop      float64
	conns     []*conn
}

// New returns a network whose faults follow from seed.
func New(seed uint64) *Network {
	return &Network{
		chance: rand.New(rand.NewPCG(seed, 0)), hosts: map[string]*Host{}, byIP: map[string]*Host{},
		listeners: map[string]*listener{}, cut: map[[2]string]bool{},
	}
}

// Host is one machine of the network.
type Host struct {
	net  *Network
	Name string
	IP   string
	port int
	raft *raftPort
	gram chan packet
}

// Host returns the host of that name, made at the first call.
func (n *Network) Host(name string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := n.hosts[name]
	if h == nil {
		h = &Host{net: n, Name: name, IP: fmt.Sprintf("10.0.0.%d", len(n.hosts)+1), port: 1000}
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
func (n *Network) Cut(a, b string) {
	n.mu.Lock()
	n.cut[pair(a, b)] = true
	var broken []*conn
	for _, c := range n.conns {
		if pair(c.from, c.to) == pair(a, b) {
			broken = append(broken, c)
		}
	}
	n.mu.Unlock()
	for _, c := range broken {
		_ = c.Close() // breaking it is the point
	}
	n.joinRaft()
}

// Isolate cuts a host from all others.
func (n *Network) Isolate(name string) {
	for other := range n.others(name) {
		n.Cut(name, other)
	}
}

func (n *Network) others(name string) map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	others := map[string]bool{}
	for h := range n.hosts {
		if h != name {
			others[h] = true
		}
	}
	return others
}

// Heal undoes all cuts of a host.
func (n *Network) Heal(name string) {
	n.mu.Lock()
	for p := range n.cut {
		if p[0] == name || p[1] == name {
			delete(n.cut, p)
		}
	}
	n.mu.Unlock()
	n.joinRaft()
}

// Drop loses that share of datagrams.
func (n *Network) Drop(share float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.drop = share
}

// lost draws whether a datagram is dropped.
func (n *Network) lost(from, to string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[pair(from, to)] || n.drop > 0 && n.chance.Float64() < n.drop
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

// Dial connects to the listener at addr.
func (h *Host) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	h.net.mu.Lock()
	l := h.net.listeners[addr]
	ip, _, _ := net.SplitHostPort(addr)
	to := h.net.byIP[ip]
	reachable := l != nil && to != nil && !h.net.cut[pair(h.Name, to.Name)]
	h.net.mu.Unlock()
	if !reachable {
		return nil, &net.OpError{Op: "dial", Net: "sim", Err: fmt.Errorf("%s to %s: %w", h.Name, addr, ErrUnreachable)}
	}
	a, b := net.Pipe()
	mine, theirs := h.net.track(a, b, h.Name, to.Name)
	select {
	case l.conns <- theirs:
		return mine, nil
	case <-l.done:
		return nil, errors.Join(&net.OpError{Op: "dial", Net: "sim", Err: ErrUnreachable}, mine.Close(), theirs.Close())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), mine.Close(), theirs.Close())
	}
}

// conn is one end of a stream, known to the network so that a cut can break it.
type conn struct {
	net.Conn
	from, to string
	net      *Network
}

func (n *Network) track(a, b net.Conn, from, to string) (mine, theirs *conn) {
	mine, theirs = &conn{a, from, to, n}, &conn{b, from, to, n}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns = append(n.conns, mine, theirs)
	return mine, theirs
}

// Close closes this end; the other reads what was sent, then the end.
func (c *conn) Close() error {
	c.net.mu.Lock()
	for k, o := range c.net.conns {
		if o == c {
			c.net.conns = append(c.net.conns[:k], c.net.conns[k+1:]...)
			break
		}
	}
	c.net.mu.Unlock()
	return c.Conn.Close()
}

type listener struct {
	net   *Network
	addr  string
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "sim", Err: net.ErrClosed}
	}
}

func (l *listener) Close() error {
	l.once.Do(func() {
		l.net.mu.Lock()
		if l.net.listeners[l.addr] == l {
			delete(l.net.listeners, l.addr)
		}
		l.net.mu.Unlock()
		close(l.done)
	})
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.addr) }

type addr string

func (a addr) Network() string { return "sim" }
func (a addr) String() string  { return string(a) }
