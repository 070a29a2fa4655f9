package collective

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// Join takes this member's seat: it connects to every other member of the
// round and answers when all are there. Each member calls those of lower rank.
// The error is a *PeerLostError that names a missing member when not all come
// in time.
func Join(ctx context.Context, c Config) (*Group, error) {
	if c.Rank < 0 || c.Rank >= len(c.Round.Members) || len(c.Round.Members) > 1<<15 {
		return nil, fmt.Errorf("join round %d: rank %d of %d members", c.Round.Number, c.Rank, len(c.Round.Members))
	}
	g := &Group{
		rank: c.Rank, stage: stageKey(c.Round.Job, c.Round.Stage), round: c.Round.Number,
		members: c.Round.Members, timings: c.Timings.filled(),
		failed: make(chan struct{}), closing: make(chan struct{}),
	}
	if len(g.members) == 1 {
		return g, nil
	}
	conns, err := g.meet(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("join round %d: %w", c.Round.Number, err)
	}
	for rank, conn := range conns {
		if rank != g.rank {
			g.peers = append(g.peers, newPeer(rank, g.members[rank].Task, conn))
		}
	}
	for _, p := range g.peers {
		g.wg.Add(2)
		go g.read(p)
		go g.write(p)
	}
	return g, nil
}

// arrival is a connection past its handshake, or the failure to get one.
type arrival struct {
	rank int
	conn net.Conn
	err  error
}

// meet answers one connection for each rank but this one's.
func (g *Group) meet(ctx context.Context, c Config) (conns []net.Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.timings.Join)
	defer cancel()
	callers, release, err := c.Hub.expect(seat{g.stage, g.rank}, g.round)
	if err != nil {
		return nil, err
	}
	defer release()
	called := make(chan arrival)
	for rank := range g.rank {
		g.wg.Go(func() {
			conn, err := g.phone(ctx, c.Dial, rank)
			select {
			case called <- arrival{rank, conn, err}:
			case <-ctx.Done():
				closeConn(conn)
			}
		})
	}
	conns = make([]net.Conn, len(g.members))
	err = g.collect(ctx, conns, callers, called)
	if err != nil {
		cancel()
		g.wg.Wait()
		for _, conn := range conns {
			closeConn(conn)
		}
	}
	return conns, err
}

func closeConn(c net.Conn) {
	if c != nil {
		_ = c.Close() // given up
	}
}

func (g *Group) collect(ctx context.Context, conns []net.Conn, callers <-chan arrival, called <-chan arrival) error {
	for missing := len(g.members) - 1; missing > 0; {
		var a arrival
		select {
		case a = <-callers:
			if !g.welcome(a) {
				continue
			}
		case a = <-called:
		case <-ctx.Done():
			return g.absent(ctx, conns)
		}
		if a.err != nil {
			if ctx.Err() != nil {
				return g.absent(ctx, conns)
			}
			return &PeerLostError{Rank: a.rank, Task: g.members[a.rank].Task, Err: a.err}
		}
		if conns[a.rank] == nil {
			missing--
		}
		closeConn(conns[a.rank]) // a caller that called again
		conns[a.rank] = a.conn
	}
	return nil
}

// absent names the first member that is not there.
func (g *Group) absent(ctx context.Context, conns []net.Conn) error {
	if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return ctx.Err()
	}
	for rank, m := range g.members {
		if rank != g.rank && conns[rank] == nil {
			return &PeerLostError{Rank: rank, Task: m.Task, Err: fmt.Errorf("not there after %s", g.timings.Join)}
		}
	}
	return ctx.Err()
}

// welcome answers a caller's hello.
func (g *Group) welcome(a arrival) bool {
	if a.rank <= g.rank || a.rank >= len(g.members) || g.hello(a.conn, a.rank) != nil {
		closeConn(a.conn)
		return false
	}
	return true
}

func (g *Group) hello(conn net.Conn, to int) error {
	h := header{
		kind: kindHello, rank: uint16(g.rank), stage: g.stage, round: g.round,
		total: uint32(len(g.members)), offset: uint32(to),
	}
	b := make([]byte, headerLen)
	seal(b, &h)
	if err := conn.SetWriteDeadline(time.Now().Add(g.timings.Stall)); err != nil {
		return err
	}
	_, err := conn.Write(b)
	return err
}

// phone connects to a member of lower rank, again and again until it answers
// or ctx ends: it may not have heard of the round yet.
func (g *Group) phone(ctx context.Context, dial Dial, rank int) (net.Conn, error) {
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		conn, err := dial(ctx, g.members[rank].Addr)
		if err == nil {
			if err = g.greet(ctx, conn, rank); err == nil {
				return conn, nil
			}
			closeConn(conn)
		}
		t := time.NewTimer(pause)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, fmt.Errorf("call %s: %w", g.members[rank].Addr, err)
		}
	}
}

// greet says hello and waits for the answer, which comes when the other has
// joined the round.
func (g *Group) greet(ctx context.Context, conn net.Conn, rank int) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := g.hello(conn, rank); err != nil {
		return err
	}
	h, err := readHello(conn)
	if err != nil {
		return err
	}
	if h.stage != g.stage || h.round != g.round || int(h.rank) != rank || int(h.offset) != g.rank || int(h.total) != len(g.members) {
		return fmt.Errorf("%w: hello of another round", ErrFrame)
	}
	return nil
}

// readHello reads exactly one frame, which must be a hello.
func readHello(conn net.Conn) (header, error) {
	h, _, err := readFrame(conn, make([]byte, headerLen), make([]byte, chunkLen))
	if err == nil && h.kind != kindHello {
		err = fmt.Errorf("%w: kind %d before hello", ErrFrame, h.kind)
	}
	return h, err
}
