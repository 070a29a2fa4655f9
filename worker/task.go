package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"

	"cohort/coordinator/wire"
	"cohort/worker/stage"
	"cohort/worker/train"
)

// task is one assignment on this worker.
type task struct {
	a      wire.Assignment
	lease  *lease
	revoke context.CancelCauseFunc // ends all: nothing is published any more
	stop   context.CancelCauseFunc // ends the work: the end is reported
	done   chan struct{}
}

func (t *task) token() wire.TokenOf {
	return wire.TokenOf{Task: t.a.Task.ID, Token: t.a.Task.Token}
}

func (t *task) over() bool {
	select {
	case <-t.done:
		return true
	default:
		return false
	}
}

// run works under the context work and reports under base.
func (n *Node) run(base, work context.Context, t *task) {
	log := n.log.With("task", t.a.Task.ID, "token", t.a.Task.Token)
	log.Info("task starts", "kind", string(t.a.Stage.Kind), "attempt", t.a.Task.Attempt)
	work, end := limited(work, t.a.Stage)
	defer end()
	result, err := n.execute(work, t, log)
	if cause := context.Cause(base); cause != nil {
		log.Info("task dropped", "reason", cause)
		n.reports.forget(t.token())
		return
	}
	if errors.Is(err, stage.ErrReused) {
		log.Info("task ended", "reason", err)
		n.reports.flush(base, t.token())
		n.reports.forget(t.token())
		return
	}
	result.Task, result.Token = t.a.Task.ID, t.a.Task.Token
	if err != nil {
		result.Cause = causeOf(work, err)
		result.Error = strings.ReplaceAll(err.Error(), "\n", "; ")
		if result.Cause == wire.CauseDrain {
			result.Error = errDrained.Error()
		}
		if late, ok := errors.AsType[*tooLongError](context.Cause(work)); ok {
			result.Error = late.Error()
		}
	}
	n.reports.flush(base, t.token())
	n.deliver(base, t, result, log)
	n.reports.flush(base, t.token())
	n.reports.forget(t.token())
}

// causeOf says whose fault an error is.
func causeOf(work context.Context, err error) wire.Cause {
	if errors.Is(context.Cause(work), errDrained) {
		return wire.CauseDrain
	}
	if _, ok := errors.AsType[*stage.GateError](err); ok {
		return wire.CauseGate
	}
	if _, ok := errors.AsType[*tooLongError](context.Cause(work)); ok {
		return wire.CauseTask
	}
	return train.CauseOf(err)
}

// execute does a task's work. A panic is the task's failure, not the worker's.
func (n *Node) execute(ctx context.Context, t *task, log *slog.Logger) (r wire.TaskResult, err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("task panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("internal error: %v", p)
		}
	}()
	if err := context.Cause(ctx); err != nil {
		return r, err
	}
	log = slog.New(n.reports.handler(t.token(), log.Handler()))
	report := func(p wire.Progress) { n.reports.put(t.token(), p) }
	switch t.a.Stage.Kind {
	case wire.StageTrain, wire.StageTest, wire.StageEvaluate, wire.StageRegister, wire.StageTrial:
		env := train.Env{
			Blobs: n.cfg.Blobs, Shards: n.shards(ctx), Hub: n.hub, Dial: n.cfg.Dial, Timings: n.cfg.Timings,
			Kernels: n.kernels, Version: n.cfg.Version, Progress: report, Logger: log,
			Checkpoint: func(ctx context.Context, c wire.Checkpoint) error { return n.checkpoint(ctx, t, c) },
		}
		return trainer(t.a.Stage.Kind)(ctx, env, t.a)
	case wire.StageServe:
		return n.replica(ctx, t, log, report)
	default:
	}
	env := stage.Env{
		Blobs: n.cfg.Blobs, Progress: report, Logger: log, Dir: n.execDir, Exec: n.cfg.Exec,
		Commit:   func(ctx context.Context, plan string) (string, bool, error) { return n.commit(ctx, t, plan) },
		Attempts: n.sealAttempts,
	}
	switch t.a.Stage.Kind {
	case wire.StageShard:
		env.Stream = n.streamConn(ctx)
	case wire.StagePromote:
		env.Registry = &registry{n, t}
	default:
	}
	return stage.Run(ctx, env, t.a)
}

// trainer does the tasks of a kind that know models.
func trainer(kind wire.StageKind) func(context.Context, train.Env, wire.Assignment) (wire.TaskResult, error) {
	switch kind {
	case wire.StageTest:
		return train.Test
	case wire.StageEvaluate:
		return train.Evaluate
	case wire.StageRegister:
		return train.Register
	case wire.StageTrial:
		return train.Trial
	default:
		return train.Train
	}
}

// commit commits what a task will read, under its lease.
func (n *Node) commit(ctx context.Context, t *task, plan string) (holds string, reused bool, err error) {
	for b := (backoff{}); ; {
		if err := t.lease.await(ctx); err != nil {
			return "", false, err
		}
		call, cancel := context.WithTimeout(ctx, callWait)
		out, err := n.cfg.API.PutPlan(call, wire.PutPlan{Task: t.a.Task.ID, Token: t.a.Task.Token, Plan: plan})
		cancel()
		if err == nil && out.Code != wire.OK {
			err = &wire.Error{Code: out.Code, Message: out.Error}
		}
		if err == nil || final(err) {
			return out.ID, out.Reused, err
		}
		if !b.wait(ctx) {
			return "", false, context.Cause(ctx)
		}
	}
}

// checkpoint moves the stage's checkpoint pointer under the task's lease.
func (n *Node) checkpoint(ctx context.Context, t *task, c wire.Checkpoint) error {
	if err := t.lease.await(ctx); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, callWait)
	defer cancel()
	out, err := n.cfg.API.Checkpoint(call, wire.PutCheckpoint{Task: t.a.Task.ID, Token: t.a.Task.Token, Checkpoint: c})
	if err == nil && out.Code != wire.OK {
		err = &wire.Error{Code: out.Code, Message: out.Error}
	}
	return err
}

// deliver reports a task's end until the coordinator acknowledges or refuses
// it, or the assignment is gone.
func (n *Node) deliver(ctx context.Context, t *task, r wire.TaskResult, log *slog.Logger) {
	for b := (backoff{}); ; {
		if err := t.lease.await(ctx); err != nil {
			log.Info("result dropped", "reason", err)
			return
		}
		call, cancel := context.WithTimeout(ctx, callWait)
		out, err := n.cfg.API.Result(call, r)
		cancel()
		if err == nil && out.Code != wire.OK {
			err = &wire.Error{Code: out.Code, Message: out.Error}
		}
		switch {
		case err == nil:
			log.Info("task ended", "cause", string(r.Cause), "error", r.Error)
			return
		case final(err):
			log.Warn("result refused", "error", err)
			return
		}
		log.Warn("result not delivered yet", "error", err)
		if !b.wait(ctx) {
			log.Info("result dropped", "reason", context.Cause(ctx))
			return
		}
	}
}
