package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

func (o *office) get(path string) (int, string, http.Header) {
	o.t.Helper()
	req, err := http.NewRequestWithContext(o.t.Context(), http.MethodGet, o.server.URL+path, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		o.t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(r.Body)
	if err != nil {
		o.t.Error(err)
	}
	return r.StatusCode, string(text), r.Header
}

func TestARequestIsHandedOnAsItIs(t *testing.T) {
	o := newOffice(t, "")
	f := newFake(t)
	if status, text, _ := o.get("/ping"); status != http.StatusNotFound || text != "\n" {
		t.Errorf("without a model: %d %q", status, text)
	}
	if status, text, _ := o.send("/invocations", `{}`); status != http.StatusNotFound || !strings.Contains(text, "no model is deployed") {
		t.Errorf("without a model: %d %q", status, text)
	}
	o.deploy(deployed(routes(100), []*fake{f}))
	status, text, header := o.send("/invocations", `{"inputs":[[1]]}`)
	if status != http.StatusOK || text != `{"predictions":"{\"inputs\":[[1]]}","type":"application/json"}` ||
		header.Get("Content-Type") != "application/json" || header.Get(wire.HeaderModel) != "m" || header.Get(headerVersion) != "1" || header.Get(wire.HeaderDegraded) != "" {
		t.Errorf("%d %s %v", status, text, header)
	}
	f.status.Store(http.StatusUnsupportedMediaType)
	if status, _, _ := o.send("/invocations", ``); status != http.StatusUnsupportedMediaType {
		t.Errorf("a refusal became %d", status)
	}
	if status, text, _ := o.get("/health"); status != http.StatusOK || text != "\n" {
		t.Errorf("health: %d %q", status, text)
	}
	other := deployed(routes(100), []*fake{newFake(t)})
	other.Model = "other"
	o.deploy(deployed(routes(100), []*fake{f}), other)
	f.status.Store(0)
	if status, text, _ := o.send("/invocations", ``); status != http.StatusBadRequest || !strings.Contains(text, "m, other") {
		t.Errorf("with two models: %d %s", status, text)
	}
	for _, header := range [][]string{{wire.HeaderModel, "other"}, {}} {
		path := "/invocations"
		if len(header) == 0 {
			path += "?model=other"
		}
		if status, _, got := o.send(path, ``, header...); status != http.StatusOK || got.Get(wire.HeaderModel) != "other" {
			t.Errorf("model by %v: %d %v", header, status, got)
		}
	}
	if status, text, _ := o.send("/invocations?model=third", ``); status != http.StatusNotFound || !strings.Contains(text, `no model \"third\"`) {
		t.Errorf("%d %s", status, text)
	}
}

// load sends requests until stop is called, which answers how many did not get 200.
func (o *office) load(clients int) (sent *atomic.Int64, stop func() []string) {
	var wait sync.WaitGroup
	var mu sync.Mutex
	var failed []string
	sent, done := &atomic.Int64{}, make(chan struct{})
	for c := range clients {
		wait.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-done:
					return
				default:
				}
				path, body := "/invocations", `{}`
				if c%2 == 0 {
					path, body = fmt.Sprintf("/v1/students/s%d/attempts", c), attemptText(fmt.Sprint(n), "s1", true)
				}
				if status, text, _ := o.send(path, body); status != http.StatusOK {
					mu.Lock()
					failed = append(failed, fmt.Sprintf("%s: %d %s", path, status, text))
					mu.Unlock()
				}
				sent.Add(1)
			}
		})
	}
	return sent, func() []string {
		close(done)
		wait.Wait()
		return failed
	}
}

// until polls.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// A replica is killed, another comes, a version takes over and goes back: not one
// request fails.
func TestNoRequestFailsWhenReplicasDieOrTrafficMoves(t *testing.T) {
	o := newOffice(t, "")
	a, b, c := newFake(t), newFake(t), newFake(t)
	o.deploy(deployed(routes(100), []*fake{a, b}))
	sent, stop := o.load(6)
	more := func() {
		begun := sent.Load()
		until(t, "100 more requests", func() bool { return sent.Load() >= begun+100 })
	}
	more()
	a.kill() // the table does not know yet
	more()
	o.deploy(deployed(routes(100), []*fake{b}))
	more()
	o.deploy(deployed(routes(0, 100), []*fake{b}, []*fake{c}))
	more()
	b.kill() // has no traffic any more
	more()
	d := newFake(t)
	o.deploy(deployed(routes(100), []*fake{d}, []*fake{c}))
	more()
	c.status.Store(http.StatusServiceUnavailable)
	more()
	if failed := stop(); len(failed) > 0 {
		t.Errorf("%d of %d requests failed, the first: %s", len(failed), sent.Load(), failed[0])
	}
	for name, f := range map[string]*fake{"a": a, "b": b, "c": c, "d": d} {
		if f.calls.Load() == 0 || f.steps.Load() == 0 {
			t.Errorf("replica %s was never asked", name)
		}
	}
}

func TestABusyReplicaIsPassedOver(t *testing.T) {
	o := newOffice(t, "")
	busy, free := newFake(t), newFake(t)
	busy.status.Store(http.StatusServiceUnavailable)
	o.deploy(deployed(routes(100), []*fake{busy, free}))
	for range 20 {
		if status, text, _ := o.send("/invocations", ``); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
	}
	free.status.Store(http.StatusServiceUnavailable)
	if status, text, header := o.send("/invocations", ``); status != http.StatusServiceUnavailable || header.Get("Retry-After") == "" {
		t.Errorf("all busy: %d %s", status, text)
	}
}

func TestARequestOfAStudentGoesWhereHisStateIs(t *testing.T) {
	o := newOffice(t, "")
	replicas := []*fake{newFake(t), newFake(t), newFake(t)}
	o.deploy(deployed(routes(100), replicas))
	const students = 60
	for n := range 3 {
		for s := range students {
			o.attempt(fmt.Sprint("s", s), fmt.Sprint(n), "s1", true)
		}
	}
	total := 0
	for k, f := range replicas {
		if total += len(f.seen); len(f.seen) == 0 || f.needs.Load() != 0 {
			t.Errorf("replica %d has %d students and asked %d times for a window", k, len(f.seen), f.needs.Load())
		}
	}
	if total != students {
		t.Errorf("%d students on replicas, want %d", total, students)
	}
}

// A version's part of the students is as large as its per cents, and only grows
// while these do.
func TestTrafficIsDealtByPercent(t *testing.T) {
	newTo := func(percent int) map[string]bool {
		m := &model{routes: routes(100-percent, percent), pools: map[int][]*replica{1: {{version: 1, addr: "a"}}, 2: {{version: 2, addr: "b"}}}}
		found := map[string]bool{}
		byLoad := 0
		for k := range 4000 {
			student := fmt.Sprint("student", k)
			if m.byStudent(student)[0].version == 2 {
				found[student] = true
			}
			if m.byLoad(uint64(k))[0].version == 2 {
				byLoad++
			}
		}
		for what, n := range map[string]int{"students": len(found), "requests": byLoad} {
			if want := 40 * percent; n < want-150 || n > want+150 {
				t.Errorf("%d of 4000 %s at %d %%", n, what, percent)
			}
		}
		return found
	}
	before := map[string]bool{}
	for _, percent := range []int{0, 10, 50, 100} {
		now := newTo(percent)
		for student := range before {
			if !now[student] {
				t.Fatalf("%s went back at %d %%", student, percent)
			}
		}
		before = now
	}
}

func TestTheLeastLoadedReplicaIsAskedFirst(t *testing.T) {
	a, b, c := &replica{version: 1, addr: "a"}, &replica{version: 1, addr: "b"}, &replica{version: 1, addr: "c"}
	m := &model{routes: routes(100), pools: map[int][]*replica{1: {a, b, c}}}
	a.outstanding.Store(3)
	b.outstanding.Store(1)
	c.shun()
	for turn := range uint64(50) {
		if got := m.byLoad(turn); got[0] != b || got[1] != a || got[2] != c {
			t.Fatalf("order %s %s %s", got[0].addr, got[1].addr, got[2].addr)
		}
	}
}

func TestAGatewayWithoutALeaderSaysSo(t *testing.T) {
	o := newOffice(t, "")
	o.deploy(deployed(routes(100), []*fake{newFake(t)}))
	o.quiet.Store(true)
	o.heard.Store(time.Now().Add(-silence - time.Second).UnixNano())
	status, text, header := o.get("/health")
	if status != http.StatusOK || text != "\n" || header.Get(wire.HeaderDegraded) != "true" {
		t.Errorf("%d %q %v", status, text, header)
	}
	if _, text, _ := o.get("/v1/gateway/status"); !strings.Contains(text, `"degraded":true`) {
		t.Error(text)
	}
	if status, _, header := o.send("/invocations", ``); status != http.StatusOK || header.Get(wire.HeaderDegraded) == "" {
		t.Errorf("%d %v", status, header)
	}
	o.quiet.Store(false)
	until(t, "no longer degraded", func() bool { _, _, header := o.get("/health"); return header.Get(wire.HeaderDegraded) == "" })
}

// A request that names no model stays with the one that was found for it, though
// another is deployed while it looks for a replica.
func TestARequestStaysWithItsModel(t *testing.T) {
	o := newOffice(t, "")
	other := deployed(routes(100), []*fake{newFake(t)})
	other.Model = "other"
	var m Deployed
	busy := atomic.Bool{}
	busy.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if busy.Swap(false) {
			o.deploy(m, other)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	m = Deployed{Model: "m", Routes: routes(100), Replicas: map[int][]string{1: {server.Listener.Addr().String()}}}
	o.deploy(m)
	if status, text, header := o.send("/invocations", `{}`); status != http.StatusOK || header.Get(wire.HeaderModel) != "m" {
		t.Errorf("%d %s %v", status, text, header)
	}
}
