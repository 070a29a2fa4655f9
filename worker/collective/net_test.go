package collective

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

// pipes is a network of net.Pipe connections, so that a test can run in a
// bubble of simulated time.
type pipes struct {
	mu        sync.Mutex
	listeners map[string]*pipeListener
}

type pipeListener struct {
	addr   pipeAddr
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

type pipeAddr string

func (a pipeAddr) Network() string { return "pipe" }
func (a pipeAddr) String() string  { return string(a) }

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipeListener) Addr() net.Addr { return l.addr }

func (p *pipes) listen(addr string) net.Listener {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &pipeListener{addr: pipeAddr(addr), conns: make(chan net.Conn), closed: make(chan struct{})}
	if p.listeners == nil {
		p.listeners = map[string]*pipeListener{}
	}
	p.listeners[addr] = l
	return l
}

func (p *pipes) dial(ctx context.Context, addr string) (net.Conn, error) {
	p.mu.Lock()
	l := p.listeners[addr]
	p.mu.Unlock()
	if l == nil {
		return nil, errors.New("refused")
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func dialTCP(ctx context.Context, addr string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "tcp", addr)
}

// cluster is W workers with a hub each.
type cluster struct {
	hubs    []*Hub
	addrs   []string
	dial    Dial
	timings Timings
}

func newCluster(t testing.TB, w int, tcp bool) *cluster {
	t.Helper()
	c := &cluster{dial: dialTCP}
	net1 := &pipes{}
	if !tcp {
		c.dial = net1.dial
	}
	for k := range w {
		l := net1.listen(fmt.Sprint("worker", k))
		if tcp {
			var err error
			if l, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
		}
		c.hubs = append(c.hubs, NewHub(l, 0, discard()))
		c.addrs = append(c.addrs, l.Addr().String())
	}
	return c
}

func (c *cluster) close(t testing.TB) {
	t.Helper()
	for _, h := range c.hubs {
		if err := h.Close(); err != nil {
			t.Errorf("close hub: %v", err)
		}
	}
}

func (c *cluster) config(rank int, number uint64) Config {
	r := wire.Round{Job: "job", Stage: "train", Number: number}
	for k, addr := range c.addrs {
		r.Members = append(r.Members, wire.Member{Task: fmt.Sprint("job/train/", k), Addr: addr})
	}
	return Config{Round: r, Rank: rank, Hub: c.hubs[rank], Dial: c.dial, Timings: c.timings}
}

// join takes all seats of a round.
func (c *cluster) join(t testing.TB, number uint64) []*Group {
	t.Helper()
	groups := make([]*Group, len(c.hubs))
	errs := each(len(c.hubs), func(rank int) (err error) {
		groups[rank], err = Join(t.Context(), c.config(rank, number))
		return err
	})
	for rank, err := range errs {
		if err != nil {
			t.Fatalf("member %d: %v", rank, err)
		}
	}
	return groups
}

// each calls f for all ranks at the same time.
func each(w int, f func(rank int) error) []error {
	errs := make([]error, w)
	var wg sync.WaitGroup
	for rank := range w {
		wg.Go(func() { errs[rank] = f(rank) })
	}
	wg.Wait()
	return errs
}

func closeAll(t testing.TB, groups []*Group) {
	t.Helper()
	for rank, err := range each(len(groups), func(rank int) error { return groups[rank].Close() }) {
		if err != nil {
			t.Errorf("close member %d: %v", rank, err)
		}
	}
}

// atOnce is less than the stall after which a member is lost anyway, and leaves a
// machine with much to do its time.
const atOnce = 8 * time.Second

// within fails the test when f takes longer than d.
func within(t testing.TB, d time.Duration, f func()) {
	t.Helper()
	begin := time.Now()
	f()
	if took := time.Since(begin); took > d {
		t.Errorf("took %s, at most %s allowed", took, d)
	}
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// pass lets simulated time go by, or a moment that makes a bad case likelier.
func pass(d time.Duration) { <-time.After(d) }
