package simnet

import (
	"io"
	"time"

	"github.com/hashicorp/raft"
)

// raftPort is a host's Raft transport: raft's own in-memory one, with the
// network's delays, losses and cuts on each call. It has no pipelines, so that
// no call goes around them.
type raftPort struct {
	*raft.InmemTransport
	host *Host
	addr raft.ServerAddress
}

var (
	_ raft.Transport   = (*raftPort)(nil)
	_ raft.WithPreVote = (*raftPort)(nil)
)

// raftTimeout is how long a call waits for its answer.
const raftTimeout = 500 * time.Millisecond

// Raft opens the host's Raft transport anew, as a restarted process would. The
// address stays the same.
func (h *Host) Raft() (raft.ServerAddress, raft.Transport) {
	addr, t := raft.NewInmemTransportWithTimeout(raft.ServerAddress(h.Name), raftTimeout)
	p := &raftPort{t, h, addr}
	h.net.mu.Lock()
	h.raft = p
	h.net.mu.Unlock()
	h.net.joinRaft()
	return addr, p
}

// CloseRaft takes the host's transport off the network.
func (h *Host) CloseRaft() {
	h.net.mu.Lock()
	h.raft = nil
	h.net.mu.Unlock()
	h.net.joinRaft()
}

// joinRaft connects every pair of transports.
func (n *Network) joinRaft() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.hosts {
		for _, b := range n.hosts {
			switch {
			case a == b || a.raft == nil:
			case b.raft == nil:
				a.raft.Disconnect(raft.ServerAddress(b.Name))
			default:
				a.raft.Connect(b.raft.addr, b.raft.InmemTransport)
			}
		}
	}
}

// call makes the way there and, with the answer, back.
func (p *raftPort) call(to raft.ServerAddress, do func() error) error {
	if err := p.travel(p.host.Name, string(to)); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return p.travel(string(to), p.host.Name)
}

func (p *raftPort) travel(from, to string) error {
	delay, state, lost := p.host.net.way(from, to)
	switch {
	case state == linkCut:
		return ErrUnreachable
	case lost:
		<-time.After(raftTimeout)
		return ErrLost
	case delay > 0:
		<-time.After(delay)
	}
	return nil
}

// AppendEntries replicates entries, or is a heartbeat.
func (p *raftPort) AppendEntries(id raft.ServerID, to raft.ServerAddress, q *raft.AppendEntriesRequest, r *raft.AppendEntriesResponse) error {
	return p.call(to, func() error { return p.InmemTransport.AppendEntries(id, to, q, r) })
}

// AppendEntriesPipeline is refused: raft then makes one call after the other.
func (p *raftPort) AppendEntriesPipeline(raft.ServerID, raft.ServerAddress) (raft.AppendPipeline, error) {
	return nil, raft.ErrPipelineReplicationNotSupported
}

// RequestVote asks for a vote.
func (p *raftPort) RequestVote(id raft.ServerID, to raft.ServerAddress, q *raft.RequestVoteRequest, r *raft.RequestVoteResponse) error {
	return p.call(to, func() error { return p.InmemTransport.RequestVote(id, to, q, r) })
}

// RequestPreVote asks whether a vote would be had.
func (p *raftPort) RequestPreVote(id raft.ServerID, to raft.ServerAddress, q *raft.RequestPreVoteRequest, r *raft.RequestPreVoteResponse) error {
	return p.call(to, func() error { return p.InmemTransport.RequestPreVote(id, to, q, r) })
}

// InstallSnapshot sends a whole state.
func (p *raftPort) InstallSnapshot(id raft.ServerID, to raft.ServerAddress, q *raft.InstallSnapshotRequest, r *raft.InstallSnapshotResponse, data io.Reader) error {
	return p.call(to, func() error { return p.InmemTransport.InstallSnapshot(id, to, q, r, data) })
}
