package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane/source"
	"cohort/worker/serve"
)

// Periods of a replica's end.
const (
	unreadyWait = 2 * time.Second        // to tell that it is no longer ready
	unreadyRest = 300 * time.Millisecond // for gateways to hear of it, while it still answers
)

// replica serves a model until its task is lost or stopped. A stopped one says
// so first, so that no request comes any more, and finishes those that it has; one
// that is lost takes no more requests at once.
func (n *Node) replica(ctx context.Context, t *task, log *slog.Logger, report func(wire.Progress)) (res wire.TaskResult, err error) {
	if n.cfg.Serve == nil {
		return res, &source.InputError{File: "stage " + t.a.Stage.Name, Text: "this worker serves no models: it has no address for them"}
	}
	report(wire.Progress{Message: "loading the model"})
	l, addr, err := n.cfg.Serve(ctx)
	if err != nil {
		return res, fmt.Errorf("listen: %w", err)
	}
	r, err := serve.Start(ctx, serve.Config{
		Listener: l, Blobs: n.cfg.Blobs, Stage: t.a.Stage, Threads: serve.Lanes(t.a.Task.Granted.Cores), Kernels: n.kernels, Version: n.cfg.Version, Logger: log,
	})
	if err != nil {
		return res, err
	}
	err = n.tell(ctx, t, addr)
	if err == nil {
		report(wire.Progress{Message: "serving at " + addr})
		log.Info("ready", "addr", addr)
		select {
		case <-ctx.Done():
			err = context.Cause(ctx)
		case fault := <-r.Failed():
			err = fmt.Errorf("the replica stopped serving: %w", fault)
		}
	}
	if errors.Is(err, errDrained) {
		n.unready(ctx, t, log)
	}
	return res, errors.Join(err, r.Close()) //nolint:contextcheck // bounded by itself
}

// tell says that the task serves at an address, under its lease, until the
// coordinator has heard it.
func (n *Node) tell(ctx context.Context, t *task, addr string) error {
	for b := (backoff{}); ; {
		if err := t.lease.await(ctx); err != nil {
			return err
		}
		call, cancel := context.WithTimeout(ctx, callWait)
		out, err := n.cfg.API.Ready(call, wire.TaskReady{Task: t.a.Task.ID, Token: t.a.Task.Token, Addr: addr})
		cancel()
		if err == nil && out.Code != wire.OK {
			err = &wire.Error{Code: out.Code, Message: out.Error}
		}
		if err == nil || final(err) {
			return err
		}
		if !b.wait(ctx) {
			return context.Cause(ctx)
		}
	}
}

// unready tells that a task whose work has been stopped serves no more, and gives
// those who send requests time to hear of it.
func (n *Node) unready(ctx context.Context, t *task, log *slog.Logger) {
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), unreadyWait)
	defer cancel()
	if err := n.tell(call, t, ""); err != nil {
		log.Warn("could not tell that the replica ends", "error", err)
		return
	}
	pause(call, unreadyRest)
}
