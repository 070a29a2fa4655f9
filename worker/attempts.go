package worker

import (
	"context"

	"cohort/coordinator/wire"
)

// sealAttempts has the attempt log sealed, until a coordinator has answered for good.
func (n *Node) sealAttempts(ctx context.Context, after uint64) ([]wire.AttemptSegment, error) {
	for b := (backoff{}); ; {
		call, cancel := context.WithTimeout(ctx, callWait)
		segments, err := n.cfg.API.SealAttempts(call, after)
		cancel()
		if err == nil || final(err) {
			return segments, err
		}
		if !b.wait(ctx) {
			return nil, context.Cause(ctx)
		}
	}
}
