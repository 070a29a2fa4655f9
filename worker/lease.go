package worker

import (
	"context"
	"sync"
	"time"

	"cohort/coordinator/wire"
)

// lease guards a task's effects. It counts from the moment at which the
// renewal was sent, by the monotonic clock, so it ends here before it ends at
// the coordinator.
type lease struct {
	mu      sync.Mutex
	until   time.Time
	changed chan struct{}
}

func newLease() *lease { return &lease{changed: make(chan struct{})} }

func (l *lease) extend(until time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until.After(l.until) {
		l.until = until
	}
	close(l.changed)
	l.changed = make(chan struct{})
}

// live reports whether the lease runs, and else gives a channel that closes at
// its next renewal.
func (l *lease) live() (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Now().Before(l.until), l.changed
}

// await waits until the lease runs. A lease that is lost ends ctx instead.
func (l *lease) await(ctx context.Context) error {
	for {
		live, changed := l.live()
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if live {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// renew keeps the session and its leases alive; it returns when the
// coordinator no longer knows the session, or ctx ends.
func (n *Node) renew(ctx context.Context, session string) {
	var b backoff
	for {
		gone, err := n.renewOnce(ctx, session)
		switch {
		case gone:
			n.log.Warn("written off by the coordinator: registering again", "session", session)
			return
		case err != nil:
			if !b.wait(ctx) {
				return
			}
			continue
		}
		b = backoff{}
		t := time.NewTimer(n.leaseLength() / 3)
		select {
		case <-t.C:
		case <-n.kick:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (n *Node) leaseLength() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.lease
}

func (n *Node) renewOnce(ctx context.Context, session string) (gone bool, err error) {
	held := n.held()
	r := wire.RenewRequest{Session: session}
	for _, t := range held {
		r.Tasks = append(r.Tasks, t.token())
	}
	length := n.leaseLength()
	call, cancel := context.WithTimeout(ctx, max(length/2, time.Second))
	defer cancel()
	sent := time.Now()
	reply, err := n.cfg.API.Renew(call, n.cfg.ID, r)
	if err != nil {
		return unknown(err), err
	}
	if reply.Gone {
		return true, nil
	}
	lost := map[wire.TokenOf]bool{}
	for _, t := range reply.Lost {
		lost[t] = true
	}
	for _, t := range held {
		if lost[t.token()] {
			t.revoke(errRevoked)
		} else {
			t.lease.extend(sent.Add(length))
		}
	}
	return false, nil
}

// held are the tasks whose leases matter.
func (n *Node) held() []*task {
	n.mu.Lock()
	defer n.mu.Unlock()
	var held []*task
	for _, t := range n.tasks {
		if !t.over() {
			held = append(held, t)
		}
	}
	return held
}

// renewSoon asks for a renewal now: a new task has no lease yet.
func (n *Node) renewSoon() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}
