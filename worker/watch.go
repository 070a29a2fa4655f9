package worker

import (
	"context"
	"errors"

	"cohort/coordinator/wire"
)

// watch follows the node's assignments until the session is over.
func (n *Node) watch(ctx context.Context, session string) {
	var b backoff
	for index := uint64(0); ctx.Err() == nil; {
		call, cancel := context.WithTimeout(ctx, watchWait+callWait)
		reply, err := n.cfg.API.Tasks(call, n.cfg.ID, session, index, watchWait)
		cancel()
		if err != nil {
			if unknown(err) {
				n.log.Warn("session is over: registering again", "session", session, "error", err)
				return
			}
			b.wait(ctx)
			continue
		}
		if !n.accept(ctx, reply) {
			b.wait(ctx) // a follower that lags
			continue
		}
		b, index = backoff{}, reply.Index
	}
}

// accept starts and ends tasks so that they are those of the view. It refuses
// a view older than one already acted on.
func (n *Node) accept(ctx context.Context, view wire.TasksReply) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if view.Index < n.high {
		return false
	}
	n.high = view.Index
	named := map[string]bool{}
	for _, a := range view.Assignments {
		if a.Task.Status.Final() {
			continue
		}
		named[a.Task.ID] = true
		if t := n.tasks[a.Task.ID]; t == nil || t.a.Task.Token < a.Task.Token {
			n.start(ctx, a, t)
		}
	}
	for id, t := range n.tasks {
		if !named[id] {
			t.revoke(errRevoked)
			if t.over() {
				delete(n.tasks, id)
			}
		}
	}
	return true
}

// start runs an assignment once the task's earlier one here has ended. It is
// called with the lock held.
func (n *Node) start(ctx context.Context, a wire.Assignment, earlier *task) {
	base, revoke := context.WithCancelCause(ctx)
	work, stop := context.WithCancelCause(base)
	t := &task{a: a, lease: newLease(), revoke: revoke, stop: stop, done: make(chan struct{})}
	if earlier != nil {
		earlier.revoke(errRevoked)
	}
	if n.draining {
		t.stop(errDrained)
	}
	n.tasks[a.Task.ID] = t
	n.tasksWG.Go(func() {
		defer close(t.done)
		defer revoke(errRevoked)
		if earlier != nil {
			<-earlier.done
		}
		n.run(base, work, t)
	})
	n.renewSoon()
}

// Drain hands the node's work back: the coordinator places nothing more here,
// members of gangs and services end at once, other tasks may finish until ctx
// ends. The node is then idle, and to be closed.
func (n *Node) Drain(ctx context.Context) error {
	n.mu.Lock()
	n.draining = true
	for _, t := range n.tasks {
		if t.a.Stage.Run != wire.Batch {
			t.stop(errDrained)
		}
	}
	n.mu.Unlock()
	err := n.announceDrain(ctx)
	idle := make(chan struct{})
	n.wg.Go(func() {
		defer close(idle)
		for _, t := range n.held() {
			<-t.done
		}
	})
	select {
	case <-idle:
		return err
	case <-ctx.Done():
	}
	for _, t := range n.held() {
		t.stop(errDrained)
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), handBackGrace)
	defer cancel()
	select {
	case <-idle:
	case <-grace.Done():
		return errors.Join(err, ctx.Err())
	}
	return err
}

func (n *Node) announceDrain(ctx context.Context) error {
	for b := (backoff{}); ; {
		err := n.cfg.API.Drain(ctx, n.cfg.ID)
		if err == nil || final(err) || !b.wait(ctx) {
			return err
		}
	}
}
