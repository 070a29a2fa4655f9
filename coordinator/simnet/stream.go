package simnet

import (
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// stream joins two hosts: two lanes of bytes, each buffered as a socket's.
type stream struct {
	net    *Network
	a, b   string // names of the hosts
	once   sync.Once
	broken chan struct{} // closed by a cut
	lanes  [2]*lane
}

// firstLocal is the port below those that dialled streams have.
const firstLocal = 40000

// laneSize is how many bytes a lane holds before its writer waits.
const laneSize = 64 << 10

// lane carries bytes one way.
type lane struct {
	mu      sync.Mutex // guards below; a leaf
	queue   []chunk
	size    int
	arrival time.Time // of the last chunk: bytes do not overtake each other
	eof     bool      // the writer has closed
	gone    bool      // the reader has closed
	changed chan struct{}
}

type chunk struct {
	data []byte
	at   time.Time
}

func newLane() *lane { return &lane{changed: make(chan struct{})} }

// wake is called with the lock held.
func (l *lane) wake() {
	close(l.changed)
	l.changed = make(chan struct{})
}

func (n *Network) open(from, to *Host, at string) (s *stream, mine, theirs net.Conn) {
	s = &stream{net: n, a: from.Name, b: to.Name, broken: make(chan struct{}), lanes: [2]*lane{newLane(), newLane()}}
	n.mu.Lock()
	from.dialled++
	local := net.JoinHostPort(from.IP, strconv.Itoa(firstLocal+from.dialled))
	n.streams[s] = true
	n.mu.Unlock()
	mine = &conn{stream: s, in: s.lanes[0], out: s.lanes[1], local: addr(local), remote: addr(at)}
	theirs = &conn{stream: s, in: s.lanes[1], out: s.lanes[0], local: addr(at), remote: addr(local)}
	return s, mine, theirs
}

func (s *stream) between(a, b string) bool { return pair(s.a, s.b) == pair(a, b) }

// reset breaks the stream for both ends.
func (s *stream) reset() { s.once.Do(func() { close(s.broken) }) }

// poke makes readers look again.
func (s *stream) poke() {
	for _, l := range s.lanes {
		l.mu.Lock()
		l.wake()
		l.mu.Unlock()
	}
}

// conn is one end of a stream.
type conn struct {
	*stream
	in, out       *lane
	local, remote addr

	mu          sync.Mutex // guards below; a leaf
	read, write time.Time  // deadlines
}

var _ net.Conn = (*conn)(nil)

// watch is taken before anything is looked at, so that no change is missed.
func (l *lane) watch() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}

// await waits until the lane changes, or for a time; zero is for ever.
func (c *conn) await(changed <-chan struct{}, until time.Time) error {
	var timer <-chan time.Time
	if !until.IsZero() {
		t := time.NewTimer(time.Until(until))
		defer t.Stop()
		timer = t.C
	}
	select {
	case <-changed:
	case <-timer:
	case <-c.broken:
		return ErrReset
	}
	return nil
}

// earlier is the earlier of two times, of which zero is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

func expired(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// Read takes what has arrived.
func (c *conn) Read(p []byte) (int, error) {
	for {
		changed := c.in.watch()
		muted := c.net.muted(c.a, c.b)
		c.mu.Lock()
		deadline := c.read
		c.mu.Unlock()
		n, next, err := c.in.take(p, muted)
		if n > 0 || err != nil || len(p) == 0 {
			return n, err
		}
		if expired(deadline) {
			return 0, os.ErrDeadlineExceeded
		}
		if err := c.await(changed, earlier(deadline, next)); err != nil {
			return 0, err
		}
	}
}

// take copies bytes that have arrived, or says when to look again.
func (l *lane) take(p []byte, muted bool) (n int, next time.Time, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.gone:
		return 0, next, net.ErrClosed
	case muted:
		return 0, next, nil
	case len(l.queue) == 0 && l.eof:
		return 0, next, io.EOF
	case len(l.queue) == 0:
		return 0, next, nil
	}
	head := &l.queue[0]
	if time.Now().Before(head.at) {
		return 0, head.at, nil
	}
	n = copy(p, head.data)
	head.data = head.data[n:]
	l.size -= n
	if len(head.data) == 0 {
		l.queue = l.queue[1:]
	}
	l.wake()
	return n, next, nil
}

// Write sends p; it waits while the lane is full.
func (c *conn) Write(p []byte) (int, error) {
	sent := 0
	for sent < len(p) {
		changed := c.out.watch()
		delay, _, _ := c.net.way(c.a, c.b)
		c.mu.Lock()
		deadline := c.write
		c.mu.Unlock()
		select {
		case <-c.broken:
			return sent, ErrReset
		default:
		}
		if expired(deadline) {
			return sent, os.ErrDeadlineExceeded
		}
		n, err := c.out.put(p[sent:], delay)
		if sent += n; err != nil {
			return sent, err
		}
		if n == 0 {
			if err := c.await(changed, deadline); err != nil {
				return sent, err
			}
		}
	}
	return sent, nil
}

// put queues what there is room for.
func (l *lane) put(p []byte, delay time.Duration) (n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.eof:
		return 0, net.ErrClosed
	case l.gone:
		return 0, ErrReset
	}
	if n = min(len(p), laneSize-l.size); n == 0 {
		return 0, nil
	}
	at := time.Now().Add(delay)
	if at.Before(l.arrival) {
		at = l.arrival
	}
	l.arrival = at
	l.queue = append(l.queue, chunk{append([]byte(nil), p[:n]...), at})
	l.size += n
	l.wake()
	return n, nil
}

// Close closes this end; the other reads what was sent, then the end.
func (c *conn) Close() error {
	c.in.mu.Lock()
	c.in.gone = true
	c.in.wake()
	c.in.mu.Unlock()
	c.out.mu.Lock()
	c.out.eof = true
	over := c.out.gone
	c.out.wake()
	c.out.mu.Unlock()
	if over { // both ends are closed
		c.net.mu.Lock()
		delete(c.net.streams, c.stream)
		c.net.mu.Unlock()
	}
	return nil
}

// LocalAddr is this end's.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the other end's.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline bounds reads and writes.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetReadDeadline bounds reads, also one under way.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	c.read = t
	c.mu.Unlock()
	c.poke()
	return nil
}

// SetWriteDeadline bounds writes, also one under way.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.write = t
	c.mu.Unlock()
	c.poke()
	return nil
}
