package coordinator

import (
	"context"
	"sync"
	"time"

	"cohort/coordinator/consensus"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// leases is when each worker was last heard of, in the leader's memory.
type leases struct {
	consensus *consensus.Node
	state     *state.Store
	length    time.Duration

	mu    sync.Mutex // guards below
	seen  map[string]time.Time
	ended map[string]string // node → session that is being written off
	dead  map[string]bool   // gossip's word
}

func newLeases(c *consensus.Node, s *state.Store, length time.Duration) *leases {
	return &leases{
		consensus: c, state: s, length: length,
		seen: map[string]time.Time{}, ended: map[string]string{}, dead: map[string]bool{},
	}
}

// Length is how long a lease lasts.
func (l *leases) Length() time.Duration { return l.length }

// reset gives everyone a whole term, as a new leader must.
func (l *leases) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.seen)
	clear(l.ended)
	clear(l.dead)
}

// Registered begins the lease of a node that has just registered.
func (l *leases) Registered(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[id] = time.Now()
	delete(l.dead, id)
}

// Renew keeps a node alive if it is the one that the state knows, and names
// the assignments that are not, or no longer, its own.
func (l *leases) Renew(ctx context.Context, id string, r wire.RenewRequest) (wire.RenewReply, error) {
	if err := l.consensus.VerifyLeader(ctx); err != nil {
		return wire.RenewReply{}, err
	}
	v := l.state.Read()
	n, ok := v.Node(nil, id)
	if !ok || n.Session != r.Session || n.Status == wire.NodeDown || !l.renewed(id, r.Session) {
		return wire.RenewReply{Gone: true}, nil
	}
	reply := wire.RenewReply{Lost: []wire.TokenOf{}}
	for _, held := range r.Tasks {
		k, ok := v.Task(nil, held.Task)
		if !ok || k.Status != wire.Running || k.Node != id || k.Token != held.Token {
			reply.Lost = append(reply.Lost, held)
		}
	}
	return reply, nil
}

// renewed notes a renewal, unless the session is being written off: a lease
// that was found to be over stays so, whatever comes in meanwhile.
func (l *leases) renewed(id, session string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended[id] == session {
		return false
	}
	l.seen[id] = time.Now()
	delete(l.dead, id)
	return true
}

// gossiped notes gossip's word on a node.
func (l *leases) gossiped(id string, alive bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if alive {
		delete(l.dead, id)
		return
	}
	l.dead[id] = true
}

// last is when a node was heard of; a whole term begins when it is first asked for.
func (l *leases) last(id string) time.Time {
	if _, ok := l.seen[id]; !ok {
		l.seen[id] = time.Now()
	}
	return l.seen[id]
}

// fresh reports whether a node's lease holds.
func (l *leases) fresh(id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.last(id)) < l.length
}

// gossipDoubt is by how much a node that gossip calls dead must also be late
// with its renewal, which comes each third of a lease.
const gossipDoubt = time.Second

// over lists the nodes of the view whose lease has ended, with the reason. The
// tasks of a gang end with gossip's word; a node that also runs others keeps
// all until the end of its lease, since it may go on with them till then.
func (l *leases) over(v *state.View) map[*wire.Node]string {
	l.mu.Lock()
	defer l.mu.Unlock()
	found := map[*wire.Node]string{}
	for _, n := range v.Nodes(nil) {
		if n.Status == wire.NodeDown {
			delete(l.seen, n.ID)
			delete(l.ended, n.ID)
			continue
		}
		silent := time.Since(l.last(n.ID))
		switch {
		case silent > l.length:
			found[n] = "no renewal for " + silent.Round(100*time.Millisecond).String()
		case l.dead[n.ID] && silent > l.length/3+gossipDoubt && onlyGangs(v, n.ID):
			found[n] = "gossip says that it is gone, and it does not renew"
		default:
			continue
		}
		if n.Status == wire.NodeDraining {
			found[n] = wire.ReasonLeft + ": " + n.Reason
		}
		l.ended[n.ID] = n.Session
	}
	return found
}

// onlyGangs reports whether all that a node runs are members of gangs.
func onlyGangs(v *state.View, node string) bool {
	for _, k := range v.TasksOf(nil, node) {
		if s, ok := v.Stage(nil, k.Job, k.Stage); !ok || s.Run != wire.Gang {
			return false
		}
	}
	return true
}
