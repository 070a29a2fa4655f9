package state

import (
	"fmt"

	"cohort/coordinator/wire"
)

// failReplica takes a replica that ended by itself back to pending, with back-off
// and whatever the cause: another machine may do better, and one replica's end is
// not the end of those that serve. The rollout looks at what is said here.
func (t *tx) failReplica(k *wire.Task, s *wire.Stage, c wire.TaskResult) {
	if c.Error == "" {
		c.Error, c.Cause = "the replica ended by itself", wire.CauseTask
	}
	t.release(k, s, c.Cause, c.Error)
	t.setTask(*t.task(k.ID), func(k *wire.Task) {
		k.Failures++
		k.Error, k.Cause = c.Error, c.Cause
		k.Pause = t.now + backoff(k.Failures)
		k.Reason = fmt.Sprintf("failed %d times, tried again after a pause: %s", k.Failures, c.Error)
	})
}

// ownFailure reports whether an attempt ended by the task's own doing.
func ownFailure(c wire.TaskResult) bool {
	switch c.Cause {
	case wire.CauseTask, wire.CauseFatal, wire.CauseGate:
		return true
	case wire.CauseNone:
		return c.Error == ""
	case wire.CausePeer, wire.CauseLease, wire.CauseNode, wire.CauseDrain, wire.CauseStopped:
	}
	return false
}
