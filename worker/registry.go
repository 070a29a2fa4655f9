package worker

import (
	"context"

	"cohort/coordinator/wire"
)

// registry asks for a promotion under a task's lease, until the coordinator has
// its last word: which may be a refusal.
type registry struct {
	n *Node
	t *task
}

// Versions implements stage.Registry.
func (r *registry) Versions(ctx context.Context, model string) (all []wire.ModelVersion, err error) {
	err = r.ask(ctx, func(ctx context.Context) error {
		m, _, err := r.n.cfg.API.Model(ctx, model, 0, 0)
		all = m.List
		return err
	})
	return all, err
}

// Promote implements stage.Registry.
func (r *registry) Promote(ctx context.Context, p wire.Promote) (out wire.Outcome, err error) {
	err = r.ask(ctx, func(ctx context.Context) (err error) {
		out, err = r.n.cfg.API.Promote(ctx, p)
		return err
	})
	return out, err
}

// StartDeployment implements stage.Registry.
func (r *registry) StartDeployment(ctx context.Context, model string, q wire.DeployRequest) (out wire.Outcome, err error) {
	err = r.ask(ctx, func(ctx context.Context) (err error) {
		out, err = r.n.cfg.API.StartDeployment(ctx, model, q)
		return err
	})
	return out, err
}

// ask calls again while there is no answer.
func (r *registry) ask(ctx context.Context, call func(ctx context.Context) error) error {
	for b := (backoff{}); ; {
		if err := r.t.lease.await(ctx); err != nil {
			return err
		}
		once, cancel := context.WithTimeout(ctx, callWait)
		err := call(once)
		cancel()
		if err == nil || final(err) {
			return err
		}
		if !b.wait(ctx) {
			return context.Cause(ctx)
		}
	}
}
