package consensus

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// Transport carries Raft's messages between members.
type Transport = raft.Transport

// Bounds of the transport over TCP.
const (
	poolSize    = 3
	rpcTimeout  = 2 * time.Second
	dialTimeout = time.Second
)

// NewTransport carries Raft over TCP connections that l accepts; the other
// members reach this one at addr. Closing the transport closes l.
func NewTransport(l net.Listener, addr string, log *slog.Logger) (Transport, error) {
	advertised, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("raft address: %w", err)
	}
	return raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: &stream{l, advertised}, MaxPool: poolSize, Timeout: rpcTimeout, Logger: adapt(log),
	}), nil
}

type stream struct {
	net.Listener
	advertised net.Addr
}

func (s *stream) Addr() net.Addr { return s.advertised }

// Dial is raft's way to reach another member.
func (s *stream) Dial(addr raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), min(timeout, dialTimeout))
	defer cancel()
	var d net.Dialer
	return d.DialContext(ctx, "tcp", string(addr))
}
