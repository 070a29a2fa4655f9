// Package httpapi serves the coordinators' HTTP API (wire/api.go says what it
// is). A coordinator that does not lead hands requests on to the one that does.
package httpapi

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"cohort/coordinator/consensus"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// Consensus is the part of consensus.Node that the API needs.
type Consensus interface {
	Propose(ctx context.Context, env wire.Envelope) (wire.Outcome, error)
	// Serving returns a context that ends, with consensus.ErrNotLeader as its
	// cause, when this node no longer leads; false when it does not now.
	Serving() (context.Context, bool)
	Leader() (id, addr string)
	Voters() ([]string, error)
}

// Leases are kept by the leader, in memory.
type Leases interface {
	Registered(node string)
	Renew(ctx context.Context, node string, r wire.RenewRequest) (wire.RenewReply, error)
	Length() time.Duration
}

// Logs keep the lines of tasks.
type Logs interface {
	Append(ctx context.Context, task string, lines []string) error
	Read(ctx context.Context, job string, from uint64, wait time.Duration) (wire.LogsReply, error)
}

// Deps are what the API works on.
type Deps struct {
	ID, Version string
	State       *state.Store
	Consensus   Consensus
	LeaderURL   func() string // base URL of another's API, who leads; empty: unknown
	Transport   http.RoundTripper
	Blobs       lake.Blobs
	Logs        Logs
	Leases      Leases
	Progress    *Progress
	Live        LiveStats              // nil: nothing is known
	StreamURL   string                 // told to workers
	Alive       func(node string) bool // gossip's word
	Parts       []Part                 // of the API that others serve
	Logger      *slog.Logger
	Sign        ed25519.PrivateKey // signs models
	Key         wire.SigningKey    // that one's record, which the leader makes known
	AdminToken  string             // of those who may pass over gates; empty: nobody may
	Metrics     http.Handler       // of /metrics; nil: none
}

type api struct {
	Deps
	mux *http.ServeMux
}

// Bounds of a request.
const (
	maxBody = 4 << 20 // of anything but a blob
	maxWait = 60 * time.Second
)

// New returns the API's handler.
func New(d Deps) http.Handler {
	a := &api{Deps: d, mux: http.NewServeMux()}
	a.local("GET /v1/status", a.status)
	a.local("GET /v1/blobs/{hash}", a.getBlob)
	a.local("HEAD /v1/blobs/{hash}", a.getBlob)
	a.local("PUT /v1/blobs/{hash}", a.putBlob)
	a.leader("GET /v1/jobs", a.jobs)
	a.leader("POST /v1/jobs", a.submit)
	a.leader("POST /v1/jobs/plan", a.plan)
	a.leader("GET /v1/jobs/{job}", a.job)
	a.leader("GET /v1/jobs/{job}/logs", a.logs)
	a.leader("POST /v1/jobs/{job}/stop", a.stop)
	a.leader("POST /v1/jobs/{job}/retry", a.retry)
	a.serveSchedules()
	a.serveModels()
	a.serveDeployments()
	a.serveStudies()
	a.serveAlerts()
	a.leader("GET /v1/nodes", a.nodes)
	a.leader("GET /v1/nodes/{node}", a.node)
	a.leader("POST /v1/nodes/{node}/register", a.register)
	a.leader("POST /v1/nodes/{node}/renew", a.renew)
	a.leader("POST /v1/nodes/{node}/drain", a.drain(wire.NodeDraining))
	a.leader("POST /v1/nodes/{node}/undrain", a.drain(wire.NodeReady))
	a.leader("GET /v1/nodes/{node}/tasks", a.tasks)
	a.leader("POST /v1/tasks/result", a.result)
	a.leader("POST /v1/tasks/checkpoint", a.checkpoint)
	a.leader("POST /v1/tasks/plan", a.putPlan)
	a.leader("POST /v1/tasks/progress", a.progress)
	a.leader("GET /v1/datasets", a.datasets)
	a.leader("GET /v1/datasets/{id}", a.dataset)
	a.leader("GET /v1/features", a.features)
	a.leader("GET /v1/features/diff", a.featureDiff)
	a.leader("GET /v1/features/{id}", a.feature)
	a.leader("GET /v1/features/{id}/students/{student}", a.featuresOf)
	a.serveParts()
	if d.Metrics != nil {
		a.mux.Handle("GET /metrics", d.Metrics)
	}
	a.local("/", func(http.ResponseWriter, *http.Request) error {
		return &wire.Error{Code: wire.CodeNotFound, Message: "no such page: the API is below /v1/"}
	})
	return a.mux
}

// handler answers, or returns why not.
type handler func(w http.ResponseWriter, r *http.Request) error

func (a *api) local(pattern string, h handler) {
	a.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			a.refuse(w, r, err)
		}
	})
}

// leader serves pattern on the leader, as long as it is that, and hands it on
// elsewhere.
func (a *api) leader(pattern string, h handler) {
	a.local(pattern, func(w http.ResponseWriter, r *http.Request) error { //nolint:contextcheck // the office's also ends it
		office, ok := a.Consensus.Serving()
		if !ok {
			return a.forward(w, r)
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer context.AfterFunc(office, func() { cancel(context.Cause(office)) })() //nolint:contextcheck // as above
		return h(w, r.WithContext(ctx))
	})
}

// Fault is what the API answers to an error: CodeInternal where it is neither the
// request's fault nor a leader lost.
func Fault(err error) *wire.Error {
	var reply *wire.Error
	switch {
	case errors.As(err, &reply):
		return reply
	case errors.Is(err, consensus.ErrNotLeader), errors.Is(err, consensus.ErrUnknown), errors.Is(err, consensus.ErrBusy), errors.Is(err, context.Canceled):
		return &wire.Error{Code: wire.CodeNoLeader, Message: err.Error()}
	case errors.Is(err, lake.ErrNotFound):
		return &wire.Error{Code: wire.CodeNotFound, Message: err.Error()}
	default:
		return &wire.Error{Code: wire.CodeInternal, Message: err.Error()}
	}
}

// refuse answers an error. What is the cluster's fault is logged, by the page's
// pattern: its path may name a student.
func (a *api) refuse(w http.ResponseWriter, r *http.Request, err error) {
	reply := Fault(err)
	if reply.Code == wire.CodeInternal {
		a.Logger.Warn("request failed", "method", r.Method, "page", r.Pattern, "error", err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(reply.Code.Status())
	if r.Method != http.MethodHead {
		_ = json.NewEncoder(w).Encode(reply) // the client has gone
	}
}

// answer writes out as JSON with its index.
func answer(w http.ResponseWriter, index uint64, out any) error {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set(wire.HeaderIndex, strconv.FormatUint(index, 10))
	return json.NewEncoder(w).Encode(out)
}

// body decodes a request's JSON.
func body[T any](r *http.Request) (T, error) {
	var v T
	text, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return v, &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("read request: %v", err)}
	}
	if len(text) == 0 {
		return v, nil
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return v, &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("decode request: %v", err)}
	}
	return v, nil
}

// propose commits a command in the name of the request.
func (a *api) propose(r *http.Request, n wire.Number, command any) (wire.Outcome, error) {
	env, err := state.Envelope(n, command, r.Header.Get(wire.HeaderActor), r.Header.Get(wire.HeaderRequest))
	if err != nil {
		return wire.Outcome{}, err
	}
	env.Time = time.Now().UnixMilli()
	out, err := a.Consensus.Propose(r.Context(), env)
	if err != nil {
		return out, err
	}
	if out.Code != wire.OK {
		return out, &wire.Error{Code: out.Code, Message: out.Error}
	}
	return out, nil
}

// query is the blocking part of a read.
type query struct {
	index uint64
	wait  time.Duration
}

func parseQuery(r *http.Request) (q query, err error) {
	if s := r.URL.Query().Get("index"); s != "" {
		if q.index, err = strconv.ParseUint(s, 10, 64); err != nil {
			return q, &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("index %q is no number", s)}
		}
	}
	if s := r.URL.Query().Get("wait"); s != "" {
		if q.wait, err = time.ParseDuration(s); err != nil || q.wait < 0 {
			return q, &wire.Error{Code: wire.CodeInvalid, Message: fmt.Sprintf("wait %q is no duration such as 30s", s)}
		}
	}
	q.wait = min(q.wait, maxWait)
	return q, nil
}

// read answers a read of the state: at once when something was applied since
// the query's index, else when what it read changes or the wait is over. When
// the lead is lost meanwhile it is refused: what is here may be old.
func (a *api) read(w http.ResponseWriter, r *http.Request, f func(v *state.View, on *state.Watch) (any, error)) error {
	q, err := parseQuery(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), q.wait)
	defer cancel()
	for {
		v, on := a.State.Read(), &state.Watch{}
		out, err := f(v, on)
		if err != nil {
			return err
		}
		if v.Index() > q.index || on.Wait(ctx) != nil {
			if lost := context.Cause(r.Context()); lost != nil {
				return lost
			}
			return answer(w, v.Index(), out)
		}
	}
}

// count is a number of the query, or what it is where none is given.
func count(r *http.Request, name string, n int) (int, error) {
	s := r.URL.Query().Get(name)
	if s == "" {
		return n, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, invalid("%s %q is no count", name, s)
	}
	return n, nil
}

func notFound(what, id string) error {
	return &wire.Error{Code: wire.CodeNotFound, Message: fmt.Sprintf("no %s %q", what, id)}
}
