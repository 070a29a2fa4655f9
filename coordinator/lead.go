package coordinator

import (
	"context"
	"errors"
	"time"

	"cohort/coordinator/consensus"
	"cohort/coordinator/gossip"
	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// tick is how often leases are looked at.
const tick = 250 * time.Millisecond

// rejoinEvery is how often a node that gossips with nobody tries the others again.
const rejoinEvery = 2 * time.Second

// lead runs until ctx ends: while this node leads it does the leader's duties,
// at all times it listens to gossip.
func (n *Node) lead(ctx context.Context) {
	var events <-chan gossip.Event
	if n.gossip != nil {
		events = n.gossip.Events()
		n.loops.Go(func() { n.meet(ctx) })
	}
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	defer n.office.leave()
	for {
		changed := n.state.Changed()
		if n.inOffice(ctx) {
			n.expire(ctx)
			n.raise(ctx)
			n.introduce(ctx)
			if wait := soonest(soonest(n.fire(ctx), n.rollOut(ctx)), n.decide(ctx)); wait > 0 {
				due.Reset(wait)
			}
		} else {
			changed = nil // a follower has nothing to decide
		}
		select {
		case <-ctx.Done():
			return
		case e := <-events:
			n.leases.gossiped(e.Member.Name, e.Alive)
		case <-n.consensus.Changes():
		case <-changed:
		case <-due.C:
		case <-ticker.C:
		}
	}
}

// inOffice reports whether this node is to do the leader's duties.
func (n *Node) inOffice(ctx context.Context) bool {
	in, fresh := n.office.enter(ctx)
	if fresh {
		n.leases.reset()
		n.health = nil
		n.log.Info("leads")
	}
	return in
}

// expire writes off the nodes whose lease is over.
func (n *Node) expire(ctx context.Context) {
	for node, reason := range n.leases.over(n.state.Read()) {
		n.log.Warn("worker lost", "worker", node.ID, "reason", reason)
		n.propose(ctx, wire.CmdNodeStatus, wire.SetNodeStatus{
			Node: node.ID, Session: node.Session, Status: wire.NodeDown, Reason: reason,
		})
	}
}

// raise lifts the feature level to the lowest that a voter's binary knows, once
// all voters report theirs.
func (n *Node) raise(ctx context.Context) {
	have := n.state.Read().Level()
	if have >= n.cfg.Level {
		return
	}
	voters, err := n.consensus.Voters()
	if err != nil {
		return // raft is stopping
	}
	reported := map[string]int{}
	if n.gossip != nil {
		for _, m := range n.gossip.Members() {
			reported[m.Name] = m.Level
		}
	}
	reported[n.cfg.ID] = n.cfg.Level
	lowest := n.cfg.Level
	for _, id := range voters {
		lowest = min(lowest, reported[id])
	}
	if lowest > have {
		n.propose(ctx, wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: lowest})
	}
}

// fire proposes what schedules and backfills have to do, and returns the time
// until there is more, or 0.
func (n *Node) fire(ctx context.Context) time.Duration {
	now := time.Now().UnixMilli()
	decisions, next := schedule.Due(n.state.Read(), now)
	for _, d := range decisions {
		if w, ok := d.Body.(wire.WarnJob); ok {
			n.log.Warn("a run is late", "job", w.Job, "warning", w.Warning)
		}
		n.propose(ctx, d.Number, d.Body)
	}
	if next == 0 {
		return 0
	}
	return time.Duration(next-now) * time.Millisecond
}

// soonest is the shorter of two waits, of which 0 is none.
func soonest(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}

// decide proposes what the schedule says, and returns the time until a pause
// ends, or 0.
func (n *Node) decide(ctx context.Context) time.Duration {
	now := time.Now().UnixMilli()
	decisions, next := schedule.Decide(n.state.Read(), now)
	for _, d := range decisions {
		n.propose(ctx, d.Number, d.Body)
	}
	if next == 0 {
		return 0
	}
	return time.Duration(next-now) * time.Millisecond
}

// propose commits a leader's own command. One that is refused was overtaken by
// another and is decided anew; so nothing is lost by going on.
func (n *Node) propose(ctx context.Context, number wire.Number, body any) {
	env, err := state.Envelope(number, body, "leader", "")
	if err != nil {
		n.log.Error("a command could not be encoded", "command", number, "error", err)
		return
	}
	env.Time = time.Now().UnixMilli()
	out, err := n.consensus.Propose(ctx, env)
	switch {
	case errors.Is(err, consensus.ErrNotLeader), errors.Is(err, consensus.ErrUnknown), errors.Is(err, consensus.ErrBusy), errors.Is(err, context.Canceled):
	case err != nil:
		n.log.Error("a command was not committed", "command", number, "error", err)
	case out.Code != wire.OK:
		n.log.Debug("a command was overtaken", "command", number, "reason", out.Error)
	}
}

// meet joins the others' gossip, and again whenever this node knows only itself.
func (n *Node) meet(ctx context.Context) {
	ticker := time.NewTicker(rejoinEvery)
	defer ticker.Stop()
	for {
		if len(n.cfg.Join) > 0 && len(n.gossip.Members()) < 2 {
			if err := n.gossip.Join(n.cfg.Join...); err != nil {
				n.log.Debug("nobody to gossip with yet", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
