package consensus

import (
	"strconv"

	"github.com/hashicorp/raft"
)

// Stats is how a member stands.
type Stats struct {
	Leader                  bool
	Term                    uint64
	Applied, Last, Snapshot uint64 // indexes
	Voters                  int
}

// Stats is how this member stands now.
func (n *Node) Stats() Stats {
	snapshot, _ := strconv.ParseUint(n.raft.Stats()["last_snapshot_index"], 10, 64) // 0 before the first
	s := Stats{
		Leader: n.raft.State() == raft.Leader, Term: n.raft.CurrentTerm(),
		Applied: n.raft.AppliedIndex(), Last: n.raft.LastIndex(), Snapshot: snapshot,
	}
	if ids, err := n.Voters(); err == nil {
		s.Voters = len(ids)
	}
	return s
}
