package coordinator

import (
	"context"
	"sync"

	"cohort/coordinator/consensus"
)

// office is a leader's time in office: from when all that its predecessors
// committed is applied here, to the loss of the lead.
type office struct {
	consensus *consensus.Node

	mu   sync.Mutex      // guards below
	ctx  context.Context //nolint:containedctx // ends with the time in office
	end  context.CancelCauseFunc
	term uint64
}

// Serving returns a context that ends with this node's time in office, and
// whether it is in office now.
func (o *office) Serving() (context.Context, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ctx == nil || o.ctx.Err() != nil || !o.consensus.IsLeader() || o.consensus.Term() != o.term {
		return nil, false
	}
	return o.ctx, true
}

// enter begins a time in office: a new one also when the lead was lost and won
// back unnoticed. It reports whether this node is in office, and whether it is new.
func (o *office) enter(ctx context.Context) (in, fresh bool) {
	if _, in = o.Serving(); in {
		return true, false
	}
	o.leave()
	if !o.consensus.IsLeader() {
		return false, false
	}
	term := o.consensus.Term()
	if o.consensus.Barrier(ctx) != nil {
		return false, false
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.term = term
	o.ctx, o.end = context.WithCancelCause(ctx)
	return true, true
}

// leave ends all that waits on this node as the leader.
func (o *office) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		o.end(consensus.ErrNotLeader)
		o.ctx, o.end = nil, nil
	}
}

// offices is consensus as the API sees it.
type offices struct {
	*consensus.Node
	*office
}
