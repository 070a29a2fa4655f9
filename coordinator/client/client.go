// Package client is the Go client of the coordinators' HTTP API, used by the
// command line, workers, benchmarks and tests.
package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"cohort/coordinator/wire"
)

// Options of a client.
type Options struct {
	HTTP     *http.Client  // nil: a client of its own
	Actor    string        // who asks
	Patience time.Duration // how long to go on trying when nobody answers; 0 is 2 s
	Token    string        // of an admin; empty: none
}

// Client asks any of several coordinators. It is safe for concurrent use.
// Errors that a coordinator answered are *wire.Error.
type Client struct {
	addrs    []string
	http     *http.Client
	actor    string
	token    string
	patience time.Duration
	at       atomic.Uint32 // address that answered last
}

// New returns a client of the coordinators at addrs, HOST:PORT or URLs.
func New(addrs []string, o Options) *Client {
	c := &Client{http: o.HTTP, actor: o.Actor, token: o.Token, patience: o.Patience}
	for _, a := range addrs {
		if !strings.Contains(a, "://") {
			a = "http://" + a
		}
		c.addrs = append(c.addrs, strings.TrimRight(a, "/"))
	}
	if c.http == nil {
		c.http = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, IdleConnTimeout: 30 * time.Second}}
	}
	if c.patience == 0 {
		c.patience = 2 * time.Second
	}
	return c
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// RequestID draws an id under which a write may be repeated.
func RequestID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// call is one request to the API.
type call struct {
	method, path string
	body         func() (io.Reader, error) // made anew for each try
	request      string                    // request id of a write
	length       int64                     // of the body; 0 is unknown or none
}

// retryPause is between rounds over the addresses.
const retryPause = 100 * time.Millisecond

// send tries the addresses in turn, beginning with the one that answered last,
// until one gives an answer other than "unavailable" or patience ends.
func (c *Client) send(ctx context.Context, k call) (*http.Response, error) {
	if len(c.addrs) == 0 {
		return nil, &wire.Error{Code: wire.CodeInvalid, Message: "no coordinator address is known: set --addr or COHORT_ADDR"}
	}
	giveUp := time.Now().Add(c.patience)
	var last error
	for {
		for range c.addrs {
			addr := c.addrs[int(c.at.Load())%len(c.addrs)]
			r, err := c.once(ctx, addr, k)
			if err == nil {
				return r, nil
			}
			var reply *wire.Error
			if errors.As(err, &reply) && reply.Code != wire.CodeNoLeader || ctx.Err() != nil {
				return nil, err
			}
			last = err
			c.at.Add(1)
		}
		if time.Now().After(giveUp) {
			return nil, &wire.Error{
				Code:    wire.CodeNoLeader,
				Message: fmt.Sprintf("no coordinator answers (tried %s): %v", strings.Join(c.addrs, ", "), heart(last)),
			}
		}
		timer := time.NewTimer(retryPause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		case <-timer.C:
		}
	}
}

// heart is what broke a call, without the URL, whose address is told already.
func heart(err error) error {
	if call, ok := errors.AsType[*url.Error](err); ok {
		return call.Err
	}
	return err
}

// once sends a request to one address. An answer that is an error becomes a *wire.Error.
func (c *Client) once(ctx context.Context, addr string, k call) (*http.Response, error) {
	var body io.Reader
	if k.body != nil {
		var err error
		if body, err = k.body(); err != nil {
			return nil, &wire.Error{Code: wire.CodeInvalid, Message: err.Error()}
		}
	}
	req, err := http.NewRequestWithContext(ctx, k.method, addr+k.path, body)
	if err != nil {
		return nil, &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("address %s: %v", addr, err)}
	}
	if k.length > 0 {
		req.ContentLength = k.length
	}
	if k.request != "" {
		req.Header.Set(wire.HeaderRequest, k.request)
	}
	req.Header.Set(wire.HeaderActor, c.actor)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	r, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if r.StatusCode < 300 {
		return r, nil
	}
	defer r.Body.Close() //nolint:errcheck // read only
	text, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	reply := &wire.Error{}
	if json.Unmarshal(text, reply) != nil || reply.Code == "" {
		reply = statusError(k, r.StatusCode, text)
	}
	return nil, reply
}

// statusError stands in for a reply without a body, as HEAD's is.
func statusError(k call, status int, text []byte) *wire.Error {
	code := wire.CodeInternal
	switch status {
	case http.StatusNotFound:
		code = wire.CodeNotFound
	case http.StatusServiceUnavailable, http.StatusBadGateway:
		code = wire.CodeNoLeader
	}
	return &wire.Error{Code: code, Message: fmt.Sprintf("%s %s: %s %s", k.method, k.path, http.StatusText(status), bytes.TrimSpace(text))}
}

// do sends in as JSON and reads the answer into out; either may be nil. It
// returns the answer's index.
func (c *Client) do(ctx context.Context, method, path string, in, out any) (index uint64, err error) {
	k := call{method: method, path: path}
	if method != http.MethodGet {
		k.request = RequestID()
	}
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return 0, fmt.Errorf("encode request: %w", err)
		}
		k.body = func() (io.Reader, error) { return bytes.NewReader(text), nil }
	}
	r, err := c.send(ctx, k)
	if err != nil {
		return 0, err
	}
	defer r.Body.Close() //nolint:errcheck // read only
	if _, err := fmt.Sscan(r.Header.Get(wire.HeaderIndex), &index); err != nil {
		index = 0
	}
	if out != nil {
		if err := json.NewDecoder(r.Body).Decode(out); err != nil {
			return 0, fmt.Errorf("%s %s: decode answer: %w", method, path, err)
		}
	}
	return index, nil
}
