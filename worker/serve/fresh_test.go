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
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("the end took %v", took)
	}
	ok(t, c.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the connection in stock: %v", err)
	}
}
