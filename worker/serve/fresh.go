package serve

import (
	"net"
	"net/http"
	"sync"
)

// fresh are connections on which no request has come yet. http.Server.Shutdown
// waits seconds for one; those who keep connections in stock hold some.
type fresh struct {
	mu     sync.Mutex // guards below
	conns  map[net.Conn]bool
	closed bool
}

// state is http.Server's ConnState.
func (f *fresh) state(c net.Conn, s http.ConnState) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case s != http.StateNew:
		delete(f.conns, c)
	case f.closed:
		_ = c.Close() // its own end sees to it
	default:
		f.conns[c] = true
	}
}

// close closes those there are, and those that still come.
func (f *fresh) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for c := range f.conns {
		_ = c.Close() // likewise
	}
}
