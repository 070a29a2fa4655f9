package gateway

import (
	"context"
	"time"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// maxBatch bounds the attempts of one command, but for a request that has more.
const maxBatch = 256

// pending is a request's attempts on their way into the log.
type pending struct {
	ctx      context.Context //nolint:containedctx // of the request: who has gone is passed over
	attempts []wire.Attempt
	done     chan committed // has room for the one answer
}

type committed struct {
	index uint64
	err   error
}

// append makes attempts durable and answers the index of the command that holds
// them. What waits while a command is committed goes into the next one together.
func (g *Gateway) append(ctx context.Context, attempts []wire.Attempt) (uint64, error) {
	p := &pending{ctx, attempts, make(chan committed, 1)}
	select {
	case g.batches <- p:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	select {
	case c := <-p.done:
		return c.index, c.err
	case <-ctx.Done():
		return 0, context.Cause(ctx) // it may have been committed: sent again it counts once
	}
}

// appendLoop proposes one batch after another, each as soon as the one before is
// committed.
func (g *Gateway) appendLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case p := <-g.batches:
			g.propose(ctx, g.gather(p))
		}
	}
}

// gather takes what else waits, up to maxBatch attempts.
func (g *Gateway) gather(p *pending) []*pending {
	batch, n := []*pending{p}, len(p.attempts)
	for n < maxBatch {
		select {
		case p := <-g.batches:
			batch = append(batch, p)
			n += len(p.attempts)
		default:
			return batch
		}
	}
	return batch
}

func (g *Gateway) propose(ctx context.Context, batch []*pending) {
	var all []wire.Attempt
	for _, p := range batch {
		if p.ctx.Err() == nil {
			all = append(all, p.attempts...)
		}
	}
	c := committed{}
	if len(all) > 0 {
		c.index, c.err = g.commit(ctx, wire.CmdAppendAttempts, wire.AppendAttempts{Attempts: all})
	}
	for _, p := range batch {
		p.done <- c
	}
}

// commit proposes a command of the gateway's own.
func (g *Gateway) commit(ctx context.Context, n wire.Number, command any) (uint64, error) {
	env, err := state.Envelope(n, command, "gateway", "")
	if err != nil {
		return 0, err
	}
	env.Time = time.Now().UnixMilli()
	out, err := g.Propose(ctx, env)
	if err == nil && out.Code != wire.OK {
		err = &wire.Error{Code: out.Code, Message: out.Error}
	}
	return out.Index, err
}
