package simnet

import (
	"time"

	"github.com/hashicorp/raft"
)

// raftPort is a host's Raft transport.
type raftPort struct {
	addr raft.ServerAddress
	t    *raft.InmemTransport
}

// raftTimeout is how long an RPC waits for its answer.
const raftTimeout = 500 * time.Millisecond

// Raft opens the host's Raft transport anew, as a restarted process would. The
// address stays the same.
func (h *Host) Raft() (raft.ServerAddress, raft.Transport) {
	addr, t := raft.NewInmemTransportWithTimeout(raft.ServerAddress(h.Name), raftTimeout)
	h.net.mu.Lock()
	h.raft = &raftPort{addr, t}
	h.net.mu.Unlock()
	h.net.joinRaft()
	return addr, t
}

// CloseRaft takes the host's transport off the network.
func (h *Host) CloseRaft() {
	h.net.mu.Lock()
	h.raft = nil
	h.net.mu.Unlock()
	h.net.joinRaft()
}

// joinRaft connects every pair of transports that no cut parts.
func (n *Network) joinRaft() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, a := range n.hosts {
		if a.raft == nil {
			continue
		}
		for _, b := range n.hosts {
			switch {
			case a == b:
			case b.raft == nil || n.cut[pair(a.Name, b.Name)]:
				a.raft.t.Disconnect(raft.ServerAddress(b.Name))
			default:
				a.raft.t.Connect(b.raft.addr, b.raft.t)
			}
		}
	}
}
