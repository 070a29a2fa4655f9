package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cohort/coordinator/httpapi"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// fakeWindow is the window of the replicas' model.
const fakeWindow = 4

// office is a cluster of one whose consensus is a mutex.
type office struct {
	*Gateway
	t       *testing.T
	server  *httptest.Server
	mu      sync.Mutex // guards below
	last    uint64
	now     int64 // offset of the commands' clock, milliseconds
	refuse  error
	models  []Deployed
	changed atomic.Int64 // commands
	quiet   atomic.Bool  // no leader is known
}

func newOffice(t *testing.T, dir string) *office {
	t.Helper()
	o := &office{t: t, last: 10}
	o.open(state.New(), lake.NewMemory(), dir)
	return o
}

// open starts the gateway on a state, as a new leader would.
func (o *office) open(s *state.Store, blobs lake.Blobs, dir string) {
	o.t.Helper()
	g, err := New(Config{
		ID: "c1", Dir: dir, State: s, Blobs: blobs, Logger: slog.New(slog.DiscardHandler), Propose: o.propose,
		Deployments: func() []Deployed {
			o.mu.Lock()
			defer o.mu.Unlock()
			return o.models
		},
		Serving:   func() (context.Context, bool) { return context.Background(), true },
		Contact:   func() bool { return !o.quiet.Load() },
		LeaderURL: func() string { return "" },
		Dial:      (&net.Dialer{}).DialContext,
		Fault:     httpapi.Fault,
	})
	if err != nil {
		o.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	loops.Go(func() { g.Run(ctx) })
	mux := http.NewServeMux()
	for _, p := range g.Pages() {
		mux.HandleFunc(p.Pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := p.Serve(w, r); err != nil {
				w.WriteHeader(g.Fault(err).Code.Status())
				_, _ = io.WriteString(w, err.Error())
			}
		})
	}
	server := httptest.NewServer(mux)
	o.Gateway, o.server = g, server
	o.t.Cleanup(func() {
		server.Close()
		cancel()
		loops.Wait()
		if err := g.Close(); err != nil {
			o.t.Error(err)
		}
	})
}

func (o *office) propose(_ context.Context, env wire.Envelope) (wire.Outcome, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refuse != nil {
		return wire.Outcome{}, o.refuse
	}
	o.last++
	o.changed.Add(1)
	env.Time += o.now
	return o.State.Apply(o.last, env), nil
}

// deploy sets what is deployed, and the table with it.
func (o *office) deploy(models ...Deployed) {
	o.mu.Lock()
	o.models = models
	o.mu.Unlock()
	o.table.Store(newTable(o.table.Load(), models))
}

// send posts a body and answers status and text.
func (o *office) send(path, body string, header ...string) (int, string, http.Header) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodPost, o.server.URL+path, strings.NewReader(body))
	if err != nil {
		o.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for k := 0; k+1 < len(header); k += 2 {
		req.Header.Set(header[k], header[k+1])
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Error(err)
		return 0, "", nil
	}
	defer r.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Error(err)
	}
	return r.StatusCode, string(text), r.Header
}

func attemptText(id, skill string, right bool) string {
	return fmt.Sprintf(`{"id":%q,"skill":%q,"correct":%t}`, id, skill, right)
}

// attempt sends one, and wants it kept.
func (o *office) attempt(student, id, skill string, right bool) (int, wire.AttemptsReply) {
	o.t.Helper()
	status, text, _ := o.send("/v1/students/"+student+"/attempts", attemptText(id, skill, right))
	var r wire.AttemptsReply
	if err := json.Unmarshal([]byte(text), &r); err != nil || r.Accepted != 1 {
		o.t.Errorf("attempt %s: %d %s", id, status, text)
	}
	return status, r
}

// fake is a replica whose model counts right answers in the window.
type fake struct {
	server *httptest.Server
	addr   string
	calls  atomic.Int64 // of /invocations
	steps  atomic.Int64
	needs  atomic.Int64
	status atomic.Int64 // of /invocations, where not 200

	mu    sync.Mutex // guards below
	stand map[string][]wire.StepAttempt
	at    map[string]uint64
	seen  map[string]bool // students
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{stand: map[string][]wire.StepAttempt{}, at: map[string]uint64{}, seen: map[string]bool{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/step", f.step)
	mux.HandleFunc("POST /invocations", func(w http.ResponseWriter, r *http.Request) {
		f.calls.Add(1)
		if s := f.status.Load(); s != 0 {
			w.WriteHeader(int(s))
			return
		}
		w.Header().Set("Content-Type", "application/json")
		text, _ := io.ReadAll(r.Body)
		_, _ = fmt.Fprintf(w, `{"predictions":%q,"type":%q}`, text, r.Header.Get("Content-Type"))
	})
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "\n") })
	f.server = httptest.NewServer(mux)
	f.addr = f.server.Listener.Addr().String()
	t.Cleanup(f.server.Close)
	return f
}

// kill ends a replica as a killed process does.
func (f *fake) kill() {
	_ = f.server.Listener.Close()
	f.server.CloseClientConnections()
}

// forget loses all students.
func (f *fake) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.stand)
	clear(f.at)
}

func (f *fake) step(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps.Add(1)
	var q wire.StepRequest
	if json.NewDecoder(r.Body).Decode(&q) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	f.seen[q.Student] = true
	window := f.stand[q.Student]
	if at, ok := f.at[q.Student]; !ok || at != q.From {
		if window = nil; q.From%fakeWindow != 0 {
			f.needs.Add(1)
			w.WriteHeader(http.StatusConflict)
			_ = json.NewEncoder(w).Encode(wire.StepReply{Need: q.From / fakeWindow * fakeWindow})
			return
		}
	}
	reply := wire.StepReply{}
	for k, a := range q.Attempts {
		if (q.From+uint64(k))%fakeWindow == 0 {
			window = nil
		}
		before := -1.0
		if len(window) > 0 {
			before = fakeP(window)[a.Skill]
		}
		reply.Before = append(reply.Before, before)
		window = append(slices.Clip(window), a)
		if a.Skill == "odd" {
			reply.Unknown++
		}
	}
	f.stand[q.Student], f.at[q.Student] = window, q.From+uint64(len(q.Attempts))
	reply.Position, reply.P, reply.Next, reply.NextP = f.at[q.Student], fakeP(window), "s2", fakeP(window)["s2"]
	_ = json.NewEncoder(w).Encode(reply)
}

// fakeP is what the model says after a window.
func fakeP(window []wire.StepAttempt) map[string]float64 {
	p := map[string]float64{}
	for _, skill := range []string{"s1", "s2"} {
		right, n := 1.0, 2.0
		for k, a := range window {
			if a.Skill == skill {
				n += float64(k + 1)
				if a.Correct {
					right += float64(k + 1)
				}
			}
		}
		p[skill] = right / n
	}
	return p
}

func routes(percents ...int) []wire.Route {
	var all []wire.Route
	for k, p := range percents {
		all = append(all, wire.Route{Version: k + 1, Percent: p})
	}
	return all
}

func deployed(routes []wire.Route, replicas ...[]*fake) Deployed {
	d := Deployed{Model: "m", Routes: routes, Replicas: map[int][]string{}}
	for k, all := range replicas {
		for _, f := range all {
			d.Replicas[k+1] = append(d.Replicas[k+1], f.addr)
		}
	}
	return d
}
