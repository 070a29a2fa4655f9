package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// maxBody bounds requests and answers of replicas.
const maxBody = 32 << 20

// call is a request to a replica. Its body is whole, so that it can be sent again.
type call struct {
	method, uri string
	header      http.Header
	body        []byte
}

// answer is a replica's, whole: one that dies while it answers is asked elsewhere.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// ask sends c to one replica.
func (g *Gateway) ask(ctx context.Context, r *replica, c call) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, tryTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, c.method, "http://"+r.addr+c.uri, bytes.NewReader(c.body))
	if err != nil {
		return nil, err
	}
	req.Header = c.header
	r.outstanding.Add(1)
	defer r.outstanding.Add(-1)
	reply, err := g.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(reply.Body, maxBody+1))
	if err == nil && len(text) > maxBody {
		err = fmt.Errorf("the answer is longer than %d bytes", maxBody)
	}
	if err != nil {
		return nil, err
	}
	return &answer{reply.StatusCode, reply.Header, text}, nil
}

// search looks for a replica that answers.
type search struct {
	g     *Gateway
	name  string            // model
	pick  func() []*replica // those that may answer, best first, as it is now
	ask   func(ctx context.Context, r *replica) (*answer, error)
	begun time.Time
	tried map[*replica]bool // in this round
	last  error
	own   *ownError    // ends it
	blame map[int]bool // versions of which no replica answered
}

// answer asks one replica after another, and again after a pause, until one
// answers otherwise than 503. The requests are such that asking twice does no harm.
func (s *search) answer(ctx context.Context) (*answer, *replica, error) {
	s.begun, s.blame = time.Now(), map[int]bool{}
	for {
		s.tried = map[*replica]bool{}
		for r := s.next(); r != nil; r = s.next() {
			if a := s.try(ctx, r); a != nil {
				return a, r, nil
			}
			if s.own != nil {
				return nil, nil, s.own
			}
			if ctx.Err() != nil {
				return nil, nil, context.Cause(ctx)
			}
		}
		if len(s.tried) == 0 && s.last == nil {
			return nil, nil, errNone
		}
		if time.Since(s.begun) > patience || !rest(ctx, pause) {
			return nil, nil, s.last
		}
	}
}

// next is the best one that was not asked in this round.
func (s *search) next() *replica {
	for _, r := range s.pick() {
		if !s.tried[r] {
			return r
		}
	}
	return nil
}

// ownError is a fault of this gateway, for which no replica is to blame.
type ownError struct{ error }

func (e *ownError) Unwrap() error { return e.error }

// try asks one; nil: the next one is to be asked.
func (s *search) try(ctx context.Context, r *replica) *answer {
	s.tried[r] = true
	start := time.Now()
	a, err := s.ask(ctx, r)
	switch {
	case errors.As(err, &s.own):
		s.g.Logger.Warn("a replica could not be asked", "error", err)
		return nil
	case err == nil && a.status != http.StatusServiceUnavailable:
		r.shunned.Store(0)
		s.g.metrics.asked.WithLabelValues(s.name, strconv.Itoa(r.version), "answered").Inc()
		s.g.note(s.name, r.version, start, a.status >= http.StatusInternalServerError)
		return a
	case err == nil:
		err = errors.New("the replicas are busy")
	case ctx.Err() != nil:
		return nil // who asked has gone
	case errors.Is(err, context.DeadlineExceeded):
		err = fmt.Errorf("a replica does not answer: %w", context.DeadlineExceeded)
	default:
		s.g.Logger.Debug("a replica does not answer", "replica", r.addr, "error", err)
		err = errors.New("a replica broke off or could not be reached")
	}
	s.last = err
	s.g.metrics.asked.WithLabelValues(s.name, strconv.Itoa(r.version), "failed").Inc()
	r.shun()
	s.fault(r.version)
	return nil
}

// fault notes, once a request, that no replica of a version answered.
func (s *search) fault(v int) {
	if s.blame[v] {
		return
	}
	for _, r := range s.pick() {
		if r.version == v && !s.tried[r] {
			return
		}
	}
	s.blame[v] = true
	s.g.note(s.name, v, s.begun, true)
}
