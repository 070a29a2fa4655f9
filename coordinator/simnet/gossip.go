package simnet

import (
	"context"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// packet is a datagram under way.
type packet struct {
	data []byte
	from string // IP:port
}

// gossipPort is the port that every host's memberlist has.
const gossipPort = 7946

// Gossip opens the host's memberlist transport anew. (memberlist's own mock
// transport holds a lock while it blocks, which deadlocks a bubble.)
func (h *Host) Gossip() memberlist.Transport {
	t := &gossip{
		host: h, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn),
		queue: make(chan packet, 256), done: make(chan struct{}),
	}
	h.net.mu.Lock()
	h.gram = t.queue
	l := &listener{
		net: h.net, addr: net.JoinHostPort(h.IP, strconv.Itoa(gossipPort)),
		conns: t.streams, done: t.done,
	}
	h.net.listeners[l.addr] = l
	h.net.mu.Unlock()
	t.listener = l
	t.wait.Go(t.deliver)
	return t
}

type gossip struct {
	host     *Host
	listener *listener
	packets  chan *memberlist.Packet
	streams  chan net.Conn
	queue    chan packet
	done     chan struct{}
	wait     sync.WaitGroup
}

var _ memberlist.Transport = (*gossip)(nil)

// deliver passes on the datagrams that come in.
func (t *gossip) deliver() {
	for {
		select {
		case p := <-t.queue:
			m := &memberlist.Packet{Buf: p.data, From: addr(p.from), Timestamp: time.Now()}
			select {
			case t.packets <- m:
			case <-t.done:
				return
			}
		case <-t.done:
			return
		}
	}
}

// FinalAdvertiseAddr is the host's address, whatever is asked for.
func (t *gossip) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return net.ParseIP(t.host.IP), gossipPort, nil
}

// WriteTo sends a datagram; like UDP it never says that one was lost.
func (t *gossip) WriteTo(b []byte, to string) (time.Time, error) {
	now := time.Now()
	ip, _, err := net.SplitHostPort(to)
	if err != nil {
		return now, err
	}
	n := t.host.net
	n.mu.Lock()
	h := n.byIP[ip]
	var queue chan packet
	if h != nil {
		queue = h.gram
	}
	n.mu.Unlock()
	if queue == nil {
		return now, nil
	}
	p := packet{append([]byte(nil), b...), net.JoinHostPort(t.host.IP, strconv.Itoa(gossipPort))}
	switch delay, _, lost := n.way(t.host.Name, h.Name); {
	case lost:
	case delay > 0:
		time.AfterFunc(delay, func() { offer(queue, p) })
	default:
		offer(queue, p)
	}
	return now, nil
}

// offer drops at a full queue, as a socket buffer does.
func offer(queue chan<- packet, p packet) {
	select {
	case queue <- p:
	default:
	}
}

func (t *gossip) PacketCh() <-chan *memberlist.Packet { return t.packets }

func (t *gossip) StreamCh() <-chan net.Conn { return t.streams }

func (t *gossip) DialTimeout(to string, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	return t.host.Dial(ctx, "", to)
}

func (t *gossip) Shutdown() error {
	err := t.listener.Close()
	t.wait.Wait()
	return err
}
