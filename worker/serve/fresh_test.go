package serve_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A client's connection in stock, on which nothing was asked yet, would hold up the
// end for five seconds.
func TestAConnectionInStockHoldsUpNoEnd(t *testing.T) {
	var took time.Duration
	for range 3 { // a machine with much to do may hold it up, too
		if took = endWithOneInStock(t); took <= 3*time.Second {
			return
		}
	}
	t.Errorf("the end took %v", took)
}

// endWithOneInStock is how long the end of a replica takes.
func endWithOneInStock(t *testing.T) time.Duration {
	t.Helper()
	r := start(t, keep(t, sound).config(t))
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", r.Addr())
	ok(t, err)
	defer c.Close() //nolint:errcheck // tests
	// Connections are taken in the order in which they come: once a later one's request
	// is answered, the replica has the first.
	if a, err := send(http.MethodGet, "http://"+r.Addr()+"/ping", "", ""); err != nil || a.status != http.StatusOK {
		t.Fatalf("%+v, %v", a, err)
	}
	begun := time.Now()
	ok(t, r.Close())
	took := time.Since(begun)
	ok(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection in stock: %v", err)
	}
	return took
}
