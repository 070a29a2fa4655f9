package collective

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"cohort/coordinator/wire"
)

var errReported = errors.New("reported lost by another member")

// Group is a member's seat among the connected members of a round. Reduce is
// for one goroutine at a time; Close may be called from any.
type Group struct {
	rank    int
	stage   uint64
	round   uint64
	members []wire.Member
	peers   []*peer // without this member, by rank
	timings Timings

	begun     atomic.Uint32 // reductions
	completed atomic.Uint32

	wg      sync.WaitGroup
	failed  chan struct{} // closed by the first failure
	closing chan struct{} // closed by Close
	mu      sync.Mutex    // guards below, and the closing of the two above
	err     error
	closed  bool
}

// Size is the number of members.
func (g *Group) Size() int { return len(g.members) }

// Reduce replaces v on every member by the sum of all members' v, element by
// element. All members call it in the same order with the same epoch, step and
// length. An error ends the group, on every member: v is then undefined, and
// a *PeerLostError names the member to blame.
func (g *Group) Reduce(ctx context.Context, epoch, step uint32, v []int64) error {
	if err := g.usable(ctx, len(v)); err != nil || len(g.peers) == 0 {
		return err
	}
	h := header{kind: kindData, epoch: epoch, step: step, call: g.begun.Add(1), total: uint32(len(v))}
	for _, p := range g.peers {
		g.checkLeft(p)
	}
	err := g.scatter(ctx, h, v)
	if err == nil {
		err = g.gather(ctx, h, v)
	}
	if err == nil {
		g.completed.Add(1)
		return nil
	}
	g.fail(err)
	for _, p := range g.peers {
		<-p.stopped // v is the caller's again
	}
	return g.failure()
}

func (g *Group) usable(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if n >= maxTotal {
		return fmt.Errorf("reduce %d values: at most %d", n, maxTotal-1)
	}
	select {
	case <-g.failed:
		return g.failure()
	case <-g.closing:
		return ErrClosed
	default:
		return nil
	}
}

// checkLeft fails the group when a peer that has left is needed for the
// reduction under way. A bye and a reduction that begin at the same time each
// see the other's mark.
func (g *Group) checkLeft(p *peer) {
	if left := p.left.Load(); left > 0 && int64(g.begun.Load()) > left-1 {
		g.fail(p.lost(ErrLeft))
	}
}

// span is the part of a vector of n elements that a rank sums up.
func (g *Group) span(rank, n int) (lo, hi int) {
	return n * rank / len(g.members), n * (rank + 1) / len(g.members)
}

// scatter sends each member its span and adds what the others send for ours.
func (g *Group) scatter(ctx context.Context, h header, v []int64) error {
	h.phase = phaseScatter
	for _, p := range g.peers {
		lo, hi := g.span(p.rank, len(v))
		p.sends <- send{h, v[lo:hi], lo}
	}
	lo, hi := g.span(g.rank, len(v))
	for _, p := range g.peers {
		if err := g.receive(ctx, p, h, v[lo:hi], lo); err != nil {
			return err
		}
	}
	return nil
}

// gather sends our summed span to all and takes theirs.
func (g *Group) gather(ctx context.Context, h header, v []int64) error {
	h.phase = phaseGather
	lo, hi := g.span(g.rank, len(v))
	for _, p := range g.peers {
		p.sends <- send{h, v[lo:hi], lo}
	}
	for _, p := range g.peers {
		if err := g.await(ctx, p); err != nil { // our part of its span is out: it may be overwritten
			return err
		}
		lo, hi := g.span(p.rank, len(v))
		if err := g.receive(ctx, p, h, v[lo:hi], lo); err != nil {
			return err
		}
	}
	for _, p := range g.peers {
		if err := g.await(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

func (g *Group) await(ctx context.Context, p *peer) error {
	select {
	case <-p.done:
		return nil
	case <-g.failed:
		return g.failure()
	case <-g.closing:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receive fills span, which starts at element at, from peer p: added in the
// scatter, copied in the gather.
func (g *Group) receive(ctx context.Context, p *peer, want header, span []int64, at int) error {
	for len(span) > 0 {
		select {
		case c := <-p.in:
			n := int(c.h.length / 8)
			if c.h.call != want.call || c.h.epoch != want.epoch || c.h.step != want.step ||
				c.h.total != want.total || c.h.phase != want.phase || int(c.h.offset) != at || n > len(span) {
				return fmt.Errorf("%w: member %d is at epoch %d step %d (%d values), this one at epoch %d step %d (%d values)",
					ErrDiverged, p.rank, c.h.epoch, c.h.step, c.h.total, want.epoch, want.step, want.total)
			}
			if want.phase == phaseScatter {
				addValues(span[:n], c.payload)
			} else {
				copyValues(span[:n], c.payload)
			}
			p.recycle(c.payload)
			span, at = span[n:], at+n
		case <-g.failed:
			return g.failure()
		case <-g.closing:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// fail ends the group with its first error and tells the others.
func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil || g.closed {
		return
	}
	g.err = err
	close(g.failed)
	for _, p := range g.peers {
		p.end(abortWait)
	}
}

func (g *Group) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil && g.closed {
		return ErrClosed
	}
	return g.err
}

func (g *Group) ending() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err != nil || g.closed
}

// blame is the rank that the others should hear of: the member lost, or this
// one when it gave up itself.
func (g *Group) blame() int {
	if lost, ok := errors.AsType[*PeerLostError](g.failure()); ok {
		return lost.Rank
	}
	return g.rank
}

// Close leaves the round and waits, for at most the linger, until the others
// are through with it too. A reduction under way fails, here and there.
func (g *Group) Close() error {
	g.mu.Lock()
	if !g.closed {
		g.closed = true
		close(g.closing)
		for _, p := range g.peers {
			if g.err == nil {
				p.end(g.timings.Linger)
			}
		}
	}
	g.mu.Unlock()
	g.wg.Wait()
	return nil
}
