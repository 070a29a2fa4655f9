package coordinator

import (
	"context"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// Propose commits a command that tests need and no request makes.
func (n *Node) Propose(ctx context.Context, number wire.Number, body any) (wire.Outcome, error) {
	env, err := state.Envelope(number, body, "test", "")
	if err != nil {
		return wire.Outcome{}, err
	}
	return n.consensus.Propose(ctx, env)
}
