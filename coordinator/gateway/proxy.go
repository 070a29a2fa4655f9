package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"

	"cohort/coordinator/wire"
)

// hopByHop are headers of one connection, not of the request.
func hopByHop() []string {
	return []string{"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Proxy-Connection"}
}

// headerVersion says which version answered.
const headerVersion = "Cohort-Version"

// proxy hands a request to a replica and its answer back.
func (g *Gateway) proxy(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		fault(w, http.StatusRequestEntityTooLarge, "BAD_REQUEST", "the body can't be read, or is longer than "+strconv.Itoa(maxBody)+" bytes")
		return nil //nolint:nilerr // it is answered
	}
	c := call{method: r.Method, uri: r.URL.RequestURI(), header: bare(r.Header), body: body}
	m, err := g.table.Load().find(modelOf(r))
	if err != nil {
		g.faultOf(w, err)
		return nil
	}
	turn := g.turn.Add(1)
	s := search{
		g:    g,
		pick: func() []*replica { return g.candidates(m.name, func(m *model) []*replica { return m.byLoad(turn) }) },
		ask:  func(ctx context.Context, r *replica) (*answer, error) { return g.ask(ctx, r, c) },
		name: m.name,
	}
	a, by, err := s.answer(r.Context())
	if err != nil {
		g.faultOf(w, err)
		return nil
	}
	maps.Copy(w.Header(), bare(a.header))
	signed(w, s.name, by.version)
	g.mark(w)
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // the client has gone, if it fails
	return nil
}

// modelOf is the model that a request names; empty: none.
func modelOf(r *http.Request) string {
	if name := r.Header.Get(wire.HeaderModel); name != "" {
		return name
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("model")
}

// candidates are the replicas of a model by the table as it is now.
func (g *Gateway) candidates(name string, order func(*model) []*replica) []*replica {
	m, err := g.table.Load().find(name)
	if err != nil {
		return nil
	}
	return order(m)
}

// bare copies a header without what belongs to one connection.
func bare(h http.Header) http.Header {
	out := h.Clone()
	for _, name := range hopByHop() {
		out.Del(name)
	}
	return out
}

// mark says on an answer that the table may be old.
func (g *Gateway) mark(w http.ResponseWriter) {
	if g.degraded() {
		w.Header().Set(wire.HeaderDegraded, "true")
	}
}

// faultOf answers an error in the words of the scoring protocol.
func (g *Gateway) faultOf(w http.ResponseWriter, err error) {
	g.mark(w)
	refused, is := errors.AsType[*wire.Error](err)
	switch {
	case is && refused.Code == wire.CodeNotFound:
		fault(w, http.StatusNotFound, "RESOURCE_DOES_NOT_EXIST", refused.Message)
	case is:
		fault(w, http.StatusBadRequest, "BAD_REQUEST", err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		fault(w, http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", "no replica answered in time")
	default:
		w.Header().Set("Retry-After", "1")
		fault(w, http.StatusServiceUnavailable, "TEMPORARILY_UNAVAILABLE", err.Error())
	}
}

// fault is an error's body, as replicas write it.
func fault(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error_code": code, "message": message}) // the client has gone, if it fails
}

// health answers as a replica does, and 404 where no model has one.
func (g *Gateway) health(w http.ResponseWriter, r *http.Request) error {
	if m, err := g.table.Load().find(modelOf(r)); err == nil && m.answers() {
		return g.proxy(w, r)
	}
	g.mark(w)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "\n") // the client has gone, if it fails
	return nil
}
