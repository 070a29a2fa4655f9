package serve_test

import (
	"net/http"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"cohort/worker/serve"
)

// heavy is a request that takes a while.
func heavy(rows int) string {
	row := "[" + strings.Repeat("1,", window-1) + "2],"
	return `{"inputs": [` + strings.TrimSuffix(strings.Repeat(row, rows), ",") + `]}`
}

func TestAFullQueueRefusesAndATimeIsKept(t *testing.T) {
	k := keep(t, sound)
	c := k.config(t)
	c.Queue = 10
	a := ask(t, start(t, c), "/invocations", "application/json", heavy(11))
	if a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, "too many sequences wait") {
		t.Errorf("%+v", a)
	}
	c = k.config(t)
	c.Timeout = time.Millisecond
	late := false
	r := start(t, c)
	for deadline := time.Now().Add(30 * time.Second); !late && time.Now().Before(deadline); {
		a, err := send(http.MethodPost, "http://"+r.Addr()+"/invocations", "application/json", heavy(9000))
		late = err == nil && a.status == http.StatusGatewayTimeout && strings.Contains(a.body, "Request processing time exceeded limit")
	}
	if !late {
		t.Error("no request took too long")
	}
}

// What was taken in is answered, though the replica closes meanwhile.
func TestClosingFinishesWhatWasTakenIn(t *testing.T) {
	c := keep(t, sound).config(t)
	c.Threads = 1
	r := start(t, c)
	const n = 8
	got := make(chan answer, n)
	rush := func() {
		http.DefaultClient.CloseIdleConnections()
		for range n {
			go func() {
				a, err := send(http.MethodPost, "http://"+r.Addr()+"/invocations", "application/json", heavy(2000))
				if err != nil {
					a.body = err.Error()
				}
				got <- a
			}()
		}
	}
	rush()
	queued := regexp.MustCompile(`(?m)^cohort_replica_queue_sequences (\d{4,}|1.*e.*)$`)
	for deadline := time.Now().Add(time.Minute); ; {
		a, err := send(http.MethodGet, "http://"+r.Addr()+"/metrics", "", "")
		ok(t, err)
		if queued.MatchString(a.body) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nothing waits: %s", a.body)
		}
		if len(got) == n { // all came and went unseen
			for range n {
				if a := <-got; a.status != http.StatusOK {
					t.Fatalf("%.200s", a.body)
				}
			}
			rush()
		}
	}
	http.DefaultClient.CloseIdleConnections()
	ok(t, r.Close())
	answered := 0
	for range n {
		switch a := <-got; {
		case a.status == http.StatusOK:
			answered++
		case !strings.Contains(a.body, "connection refused") && !strings.Contains(a.body, "reset by peer"):
			t.Errorf("%.200s", a.body)
		}
	}
	if answered == 0 {
		t.Error("none was answered")
	}
	if _, err := send(http.MethodGet, "http://"+r.Addr()+"/ping", "", ""); err == nil {
		t.Error("a closed replica answers")
	}
}

func TestMetricsTellWhatWasAsked(t *testing.T) {
	r := start(t, keep(t, sound).config(t))
	ask(t, r, "/invocations", "application/json", `{"inputs": [[1], [2]]}`)
	ask(t, r, "/invocations", "application/json", `[]`)
	ask(t, r, "/v1/step", "application/json", `{"student": "a", "attempts": [{"skill": "7"}]}`)
	ask(t, r, "/v1/step", "application/json", `{"student": "a", "from": 1, "attempts": [{"skill": "7"}]}`)
	ask(t, r, "/v1/step", "application/json", `{"student": "b", "from": 1, "attempts": [{"skill": "7"}]}`)
	a, err := send(http.MethodGet, "http://"+r.Addr()+"/metrics", "", "")
	ok(t, err)
	for _, line := range []string{
		`cohort_replica_requests_total{code="200",model="m",path="/invocations",version="3"} 1`,
		`cohort_replica_requests_total{code="400",model="m",path="/invocations",version="3"} 1`,
		`cohort_replica_requests_total{code="409",model="m",path="/v1/step",version="3"} 1`,
		`cohort_replica_request_seconds_count{model="m",path="/v1/step",version="3"} 3`,
		`cohort_replica_batch_sequences_count{model="m",version="3"} 4`,
		`cohort_replica_steps_total{from="state",model="m",version="3"} 1`,
		`cohort_replica_steps_total{from="window",model="m",version="3"} 1`,
		`cohort_replica_steps_total{from="need",model="m",version="3"} 1`,
		`cohort_replica_queue_sequences 0`, `cohort_replica_states 1`,
	} {
		if !strings.Contains(a.body, "\n"+line+"\n") {
			t.Errorf("no %s in\n%s", line, a.body)
		}
	}
}

func TestAProcessorIsLeftToRequests(t *testing.T) {
	have := runtime.GOMAXPROCS(0)
	if got := [3]int{serve.Lanes(1), serve.Lanes(have), serve.Lanes(1000)}; got != [3]int{1, max(1, have-1), max(1, have-1)} {
		t.Errorf("%d of %d", got, have)
	}
}
