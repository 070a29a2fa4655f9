package simnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// Dial connects to the listener at addr.
func (h *Host) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	l, to, err := h.find(ctx, addr)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: "sim", Err: fmt.Errorf("%s to %s: %w", h.Name, addr, err)}
	}
	s, mine, theirs := h.net.open(h, to, addr)
	select {
	case l.conns <- theirs:
		return mine, nil
	case <-l.done:
		err = &net.OpError{Op: "dial", Net: "sim", Err: ErrUnreachable}
	case <-s.broken:
		err = &net.OpError{Op: "dial", Net: "sim", Err: ErrReset}
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(err, mine.Close(), theirs.Close())
}

// find waits while the way is muted, as one waits for a lost packet's answer.
func (h *Host) find(ctx context.Context, addr string) (*listener, *Host, error) {
	ip, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, nil, err
	}
	for {
		h.net.mu.Lock()
		l, to, healed := h.net.listeners[addr], h.net.byIP[ip], h.net.healed
		way := linkOpen
		if to != nil {
			way = h.net.links[pair(h.Name, to.Name)]
		}
		h.net.mu.Unlock()
		switch {
		case way == linkMuted:
		case l == nil || to == nil || way == linkCut:
			return nil, nil, ErrUnreachable
		default:
			return l, to, nil
		}
		select {
		case <-healed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

type listener struct {
	net   *Network
	addr  string
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

// Accept waits for the next stream.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, &net.OpError{Op: "accept", Net: "sim", Err: net.ErrClosed}
	}
}

// Close refuses new streams; open ones go on.
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

// Addr is where it listens.
func (l *listener) Addr() net.Addr { return addr(l.addr) }

type addr string

func (a addr) Network() string { return "sim" }
func (a addr) String() string  { return string(a) }
