package cli_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"cohort/bench"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// user asks a deployed model: attempts of a few students, and sequences.
type user struct {
	url  string
	api  *client.Client
	http *http.Client

	mu      sync.Mutex // guards below
	answers map[string]wire.AttemptsReply
}

func newUser(t *testing.T, url string) *user {
	t.Helper()
	u := &user{url: url, api: client.New([]string{url}, client.Options{Actor: "user"}), http: &http.Client{Transport: &http.Transport{}}, answers: map[string]wire.AttemptsReply{}}
	t.Cleanup(func() {
		u.api.Close()
		u.http.CloseIdleConnections()
	})
	return u
}

// attempt sends the kth attempt.
func (u *user) attempt(ctx context.Context, k int) (r wire.AttemptsReply, err error) {
	a := wire.Attempt{ID: fmt.Sprint("a", k), Skill: fmt.Sprint(1 + k*7%5), Correct: k%3 > 0}
	r, err = u.api.SendAttempts(ctx, "", fmt.Sprint("student ", k%9), []wire.Attempt{a})
	if err == nil && (r.Model == nil || len(r.P) != 5) {
		err = fmt.Errorf("attempt %d: %+v", k, r)
	}
	return r, err
}

// ask sends a sequence and an attempt in turn.
func (u *user) ask(ctx context.Context, k int) error {
	if k%2 == 1 {
		return u.invoke(ctx)
	}
	r, err := u.attempt(ctx, k)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.answers[fmt.Sprint(k)] = r
	return err
}

func (u *user) invoke(ctx context.Context) (err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url+"/invocations", strings.NewReader(`{"inputs": [[1, 2, 3]]}`))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	reply, err := u.http.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(reply.Body)
	if reply.StatusCode != http.StatusOK {
		err = errors.Join(err, fmt.Errorf("%s: %s", reply.Status, text))
	}
	return errors.Join(err, reply.Body.Close())
}

// more waits until so many more are answered.
func more(t *testing.T, traffic *bench.Traffic, n int) {
	t.Helper()
	from, _ := traffic.Answered()
	until(t, "traffic", func() bool {
		now, _ := traffic.Answered()
		return now >= from+n
	})
}

const openGates = "gates: {auc: 0.2, accuracy: 0.2, improvement: 0, fold_spread: 0.9}"

// A version comes and goes back under traffic: no request fails, and a version says
// of an attempt what it said before, whatever its replicas had kept.
func TestAModelServesWhileVersionsComeAndGo(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 2).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	job := write(t, "retrain.yaml", pipelineOf(fmt.Sprintf("data: {events: %q, window: 6}", events), "register: {model: dkt}", openGates))
	run := func(args ...string) outcome {
		t.Helper()
		o := cohort(t, "", nil, append(args, "--addr", url)...)
		o.expect(t, 0, "")
		return o
	}
	run("job", "run", job)
	run("deploy", "start", "dkt@1", "--p99", "0s", "--calibration", "0")
	u := newUser(t, url)
	until(t, "the gateway", func() bool { return u.invoke(t.Context()) == nil })
	traffic := bench.StartTraffic(t.Context(), 60, 0, u.ask)
	defer traffic.Stop()
	run("job", "run", job, "--set", "train.seed=7")
	more(t, traffic, 20)
	run("deploy", "start", "dkt@2")
	more(t, traffic, 60)
	if o := run("deploy", "status", "dkt"); !strings.Contains(o.out, "dkt@2    100 %    2/2    ") || !strings.Contains(o.out, "kept for a rollback") {
		t.Errorf("got %s", o.out)
	}
	scrape(t, url+"/metrics", `cohort_deployment_replicas_ready{model="dkt",version="2"} 2`, `cohort_deployment_traffic_percent{model="dkt",version="1"} 0`,
		`cohort_live_error_rate{model="dkt",version="2"} 0`, `cohort_live_p99_seconds{model="dkt",version="2"}`, `cohort_live_calibration_error{model="dkt",version="2"}`,
		`cohort_gateway_requests_total{code="200",model="dkt",path="/v1/students/attempts",version="2"}`,
		`cohort_gateway_request_seconds_bucket{model="dkt",path="/invocations",le="0.01"}`, "cohort_attempt_log_attempts_total")
	run("deploy", "rollback", "dkt")
	more(t, traffic, 30)
	if f := traffic.Stop(); f.Failed > 0 || f.Requests < 100 {
		t.Errorf("%s: %v", f, f.Faults)
	}
	u.again(t)
}

// again sends all attempts once more. They count once, and the version that answers
// says what it said before.
func (u *user) again(t *testing.T) {
	t.Helper()
	before, err := u.api.AttemptLog(t.Context())
	if err != nil || before.Last != uint64(len(u.answers)) {
		t.Errorf("%d attempts are in the log, %d were sent: %v", before.Last, len(u.answers), err)
	}
	byVersion := map[int]int{}
	for id, was := range u.answers {
		var k int
		if _, err := fmt.Sscan(id, &k); err != nil {
			t.Fatal(err)
		}
		now, err := u.attempt(t.Context(), k)
		if err != nil {
			t.Fatal(err)
		}
		byVersion[was.Model.Version]++
		if now.Model.Version == was.Model.Version && !maps.Equal(now.P, was.P) {
			t.Errorf("attempt %d of version %d: %v, before %v", k, now.Model.Version, now.P, was.P)
		}
	}
	if versions := slices.Sorted(maps.Keys(byVersion)); !slices.Equal(versions, []int{1, 2}) {
		t.Errorf("versions %v have answered", versions)
	}
	if after, err := u.api.AttemptLog(t.Context()); err != nil || after.Last != before.Last {
		t.Errorf("sent again they are %d, before %d: %v", after.Last, before.Last, err)
	}
}

// A model that no replica takes is said to be one before it is started.
func TestAModelThatCannotServeIsRefusedEarly(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 1).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	text := pipelineOf(fmt.Sprintf("data: {events: %q, window: 6}", events), "register: {model: dkt}", openGates)
	gru := strings.Replace(text, "model: {", "model: {cell: gru, engine: graph, ", 1)
	job := write(t, "gru.yaml", gru)
	o := cohort(t, "", nil, "job", "run", job, "--addr", url)
	o.expect(t, 0, "")
	logs := cohort(t, "", nil, "job", "logs", strings.TrimSpace(cohort(t, "", nil, "job", "list", "-q", "--addr", url).out), "--addr", url)
	if !strings.Contains(logs.out, "not deployed") {
		t.Errorf("the register stage does not say so: %+v", logs)
	}
	o = cohort(t, "", nil, "deploy", "start", "dkt@1", "--addr", url)
	o.expect(t, 1, "version 1 of model dkt cannot be deployed: replicas serve models of engine kernels, not graph")
	cohort(t, "", nil, "deploy", "status", "dkt", "--addr", url).expect(t, 4, "dkt")
	deploys := strings.Replace(gru, "register: {model: dkt}", "register: {model: dkt, promote: true}\ndeploy: {replicas: 1}", 1)
	o = cohort(t, deploys, nil, "job", "validate", "-")
	if o.code == 0 || !strings.Contains(o.err+o.out, "deploy cannot be: replicas serve models of engine kernels, not graph") {
		t.Errorf("%+v", o)
	}
}
