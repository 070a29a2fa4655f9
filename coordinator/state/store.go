// Package state is the coordinators' replicated state machine: records on
// go-memdb, changed only by Apply, the same on every replica. See DESIGN.md.
package state

import (
	"fmt"
	"sync"

	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// Store holds the state. Apply and Restore are called by one goroutine, as
// Raft does; everything else may be called by any.
type Store struct {
	mu      sync.Mutex
	db      *memdb.MemDB
	changed chan struct{} // closed at the next change
	dropped chan struct{} // closed when db is replaced
	applied applied
}

// New returns an empty state.
func New() *Store {
	return &Store{db: empty(), changed: make(chan struct{}), dropped: make(chan struct{})}
}

func empty() *memdb.MemDB {
	db, err := memdb.NewMemDB(schema())
	if err != nil {
		panic(fmt.Sprintf("state: the schema is wrong: %v", err)) // a mistake in this package
	}
	return db
}

// Read is a consistent view of now.
func (s *Store) Read() *View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &View{txn: s.db.Txn(false), dropped: s.dropped}
}

// Changed is closed at the next applied command or restore. Attempts close it not:
// they come by the thousand, and nothing that is decided depends on their log.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// announce wakes everyone who waits on Changed.
func (s *Store) announce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// bodyVersion is the newest shape of command bodies that this binary reads.
const bodyVersion = 1

// Apply runs the command of a committed log entry and says what came of it.
// It panics on a command that this binary does not know: the node must not go
// on and drift from the others.
func (s *Store) Apply(index uint64, env wire.Envelope) wire.Outcome {
	if env.Number != wire.CmdAppendAttempts && env.Number != wire.CmdSealAttempts {
		defer s.announce()
	}
	s.applied.count(env.Number)
	t := &tx{Txn: s.db.Txn(true), index: index, now: env.Time, actor: env.Actor}
	if r := t.request(env.Request); r != nil {
		t.settle(env.Request, wire.Outcome{})
		return r.Outcome
	}
	id, err := t.apply(env)
	out := wire.Outcome{Index: index, ID: id, Reused: err == nil && t.reused}
	if err != nil {
		t.Abort()
		t = &tx{Txn: s.db.Txn(true), index: index, now: env.Time, actor: env.Actor}
		out.Code, out.Error = err.Code, err.Message
	}
	t.settle(env.Request, out)
	return out
}

// apply is the flat switch over all commands.
func (t *tx) apply(env wire.Envelope) (id string, refused *wire.Error) {
	checkVersion(env)
	switch env.Number {
	case wire.CmdRegisterNode:
		return do(env, t.registerNode)
	case wire.CmdNodeStatus:
		return do(env, t.nodeStatus)
	case wire.CmdSubmitJob:
		return do(env, t.submitJob)
	case wire.CmdStopJob:
		return do(env, t.stopJob)
	case wire.CmdAssign:
		return do(env, t.assign)
	case wire.CmdTaskResult:
		return do(env, t.taskResult)
	case wire.CmdReleaseTasks:
		return do(env, t.releaseTasks)
	case wire.CmdPutCheckpoint:
		return do(env, t.putCheckpoint)
	case wire.CmdAddStages:
		return do(env, t.addStages)
	case wire.CmdFeatureLevel:
		return do(env, t.featureLevel)
	case wire.CmdPutPlan:
		return do(env, t.putPlan)
	case wire.CmdRetryJob:
		return do(env, t.retryJob)
	case wire.CmdPutSchedule:
		return do(env, t.putSchedule)
	case wire.CmdSetSchedule:
		return do(env, t.pauseSchedule)
	case wire.CmdFireSchedule:
		return do(env, t.fireSchedule)
	case wire.CmdStartRun:
		return do(env, t.startRun)
	case wire.CmdTriggerSchedule:
		return do(env, t.triggerSchedule)
	case wire.CmdDeleteSchedule:
		return do(env, t.deleteSchedule)
	case wire.CmdPutBackfill:
		return do(env, t.putBackfill)
	case wire.CmdStopBackfill:
		return do(env, t.stopBackfill)
	case wire.CmdStepBackfill:
		return do(env, t.stepBackfill)
	case wire.CmdWarnJob:
		return do(env, t.warnJob)
	default:
		return t.applyLife(env)
	}
}

func checkVersion(env wire.Envelope) {
	if env.Version > bodyVersion {
		panic(fmt.Sprintf("state: command %d has version %d, this binary knows %d: upgrade it", env.Number, env.Version, bodyVersion))
	}
}

func refuse(code wire.Code, format string, args ...any) *wire.Error {
	return &wire.Error{Code: code, Message: fmt.Sprintf(format, args...)}
}
