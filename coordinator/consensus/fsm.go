package consensus

import (
	"fmt"
	"io"

	"cohort/coordinator/state"

	"github.com/hashicorp/raft"
)

// fsm hands committed entries to the store. Raft calls Apply and Restore from
// one goroutine; Snapshot is cheap, since views are copy-on-write.
type fsm struct{ state *state.Store }

var _ raft.FSM = (*fsm)(nil)

// Apply panics on an entry that can't be read: the log is not what was written.
func (f *fsm) Apply(l *raft.Log) any {
	env, err := state.Decode(l.Data)
	if err != nil {
		panic(fmt.Sprintf("consensus: log entry %d: %v", l.Index, err))
	}
	return f.state.Apply(l.Index, env)
}

func (f *fsm) Snapshot() (raft.FSMSnapshot, error) { return snapshot{f.state.Read()}, nil }

func (f *fsm) Restore(r io.ReadCloser) error {
	defer r.Close() //nolint:errcheck // read only
	return f.state.Restore(r)
}

type snapshot struct{ view *state.View }

func (s snapshot) Persist(sink raft.SnapshotSink) error {
	if _, err := s.view.WriteTo(sink); err != nil {
		return fmt.Errorf("write snapshot: %w", orCancel(sink, err))
	}
	return sink.Close()
}

func orCancel(sink raft.SnapshotSink, err error) error {
	if c := sink.Cancel(); c != nil {
		return fmt.Errorf("%w; cancel: %w", err, c)
	}
	return err
}

func (snapshot) Release() {}
