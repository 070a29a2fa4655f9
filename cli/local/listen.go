package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Listen opens a node's listener. An address that others can reach is refused
// unless insecure is said; name is the setting that holds the address.
func Listen(ctx context.Context, name, addr string, insecure bool) (net.Listener, error) {
	if err := checkAddress(name, addr, insecure); err != nil {
		return nil, err
	}
	var c net.ListenConfig
	l, err := c.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s %s: %w; end what listens there or choose another port", name, addr, syscall.EADDRINUSE)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return l, nil
}

func checkAddress(name, addr string, insecure bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%s %q: want HOST:PORT", name, addr)
	}
	ip := net.ParseIP(host)
	if !insecure && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("%s %s can be reached by others: use 127.0.0.1, or say insecure: true if the network is trusted", name, addr)
	}
	return nil
}
