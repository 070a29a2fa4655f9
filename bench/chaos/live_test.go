package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"cohort/bench"
	"cohort/coordinator/wire"
)

// answers notes which versions have answered, and when the last request that a
// version answered was sent.
type answers struct {
	mu   sync.Mutex // guards below
	last map[int]time.Time
}

func (a *answers) note(version int, sent time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if sent.After(a.last[version]) {
		a.last[version] = sent
	}
}

func (a *answers) of(version int) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last[version]
}

// invocation is a request for one sequence.
func invocation(k int) string {
	r := rand.New(rand.NewPCG(11, uint64(k)))
	var b strings.Builder
	b.WriteString(`{"inputs": [[`)
	for n := range 20 {
		if n > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d", r.IntN(2*skills))
	}
	b.WriteString(`]]}`)
	return b.String()
}

// ask has the gateway answer a sequence, with all skills of it.
func (s *site) ask(seen *answers) func(ctx context.Context, k int) error {
	return func(ctx context.Context, k int) error {
		var reply struct {
			Predictions [][]float64 `json:"predictions"`
		}
		sent := time.Now()
		by, err := s.client.Post(ctx, "/invocations", invocation(k), &reply)
		if err != nil {
			return err
		}
		version, err := strconv.Atoi(by)
		if err != nil || len(reply.Predictions) != 1 || len(reply.Predictions[0]) != skills {
			return fmt.Errorf("version %q answers %v", by, reply)
		}
		seen.note(version, sent)
		return nil
	}
}

// live says that a version has all of the traffic.
func live(version int) func(wire.DeploymentView) bool {
	return func(d wire.DeploymentView) bool {
		return d.Status == wire.Live && len(d.Routes) == 1 && d.Routes[0].Version == version
	}
}

func backOn(version int) func(wire.DeploymentView) bool {
	return func(d wire.DeploymentView) bool {
		return d.Status == wire.RolledBack && len(d.Routes) == 1 && d.Routes[0].Version == version
	}
}

// A replica killed, a new version, its rollback by hand, one that breaks its bound:
// no request fails.
func TestServingFailsNoRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real processes for about a minute: make cover and make chaos run it")
	}
	s := newSite(t)
	s.train(1, gatesOpen, "correct")
	s.do("deploy", "start", served+"@1", "-q")
	for seed := range 2 {
		s.train(2+seed, gatesOpen, "correct")
	}
	s.train(4, gatesWorse, "correct")
	seen := &answers{last: map[int]time.Time{}}
	traffic := bench.StartTraffic(s.ctx, rate(t), 0, s.ask(seen))
	defer traffic.Stop()
	second := int(rate(t))
	s.more(traffic, second)
	s.unfailing(traffic, "two replicas")
	s.killReplica(traffic, second)
	s.restartReplica(traffic, second)
	s.promoteAndBack(traffic, seen, second)
	s.breakBound(traffic, seen)
	worse := s.refused(3, "deploy", "start", served+"@4", "-q")
	if !strings.Contains(worse, "does not pass its gates") {
		t.Errorf("the worse one: %s", worse)
	}
	_, err := s.client.Post(s.ctx, "/v1/deployments/"+served+"/start", `{"version": 4, "auto": true}`, nil)
	if err == nil || !strings.Contains(err.Error(), `"gate"`) {
		t.Errorf("the worse one by the API: %v", err)
	}
	traffic.Stop()
	s.unfailing(traffic, "all")
}

// killReplica kills the worker of one of two replicas, and waits until another
// has taken its place.
func (s *site) killReplica(traffic *bench.Traffic, second int) {
	s.t.Helper()
	d := s.await(live(1))
	on, err := s.Workers(s.ctx, d, 1)
	if err != nil || len(on) != 2 || on[0] == on[1] {
		s.t.Fatalf("replicas are on %v: %v", on, err)
	}
	start := time.Now()
	if err := s.Signal(on[0], syscall.SIGKILL); err != nil {
		s.t.Fatal(err)
	}
	s.await(func(d wire.DeploymentView) bool {
		now, err := s.Workers(s.ctx, d, 1)
		return err == nil && d.Versions[0].Ready == 2 && len(now) == 2 && !slices.Contains(now, on[0])
	})
	s.t.Logf("another replica took the place of the killed one after %.1f s", time.Since(start).Seconds())
	s.more(traffic, second)
	s.unfailing(traffic, "kill -9 of a replica's worker")
	if err := s.Start(on[0]); err != nil {
		s.t.Fatal(err)
	}
}

// restartReplica ends a worker in order, as one does to renew it, while another
// could take its replica.
func (s *site) restartReplica(traffic *bench.Traffic, second int) {
	s.t.Helper()
	d := s.await(live(1))
	on, err := s.Workers(s.ctx, d, 1)
	if err != nil || len(on) != 2 {
		s.t.Fatalf("replicas are on %v: %v", on, err)
	}
	if err := s.Terminate(on[1]); err != nil {
		s.t.Fatal(err)
	}
	s.await(func(d wire.DeploymentView) bool {
		now, err := s.Workers(s.ctx, d, 1)
		return err == nil && d.Versions[0].Ready == 2 && len(now) == 2 && !slices.Contains(now, on[1])
	})
	s.more(traffic, second)
	s.unfailing(traffic, "a worker ended in order")
	if err := s.Start(on[1]); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) promoteAndBack(traffic *bench.Traffic, seen *answers, second int) {
	s.t.Helper()
	s.do("deploy", "start", served+"@2", "-q")
	s.await(live(2))
	s.more(traffic, second)
	s.unfailing(traffic, "blue-green to version 2")
	if seen.of(2).IsZero() {
		s.t.Error("version 2 has answered nothing")
	}
	start := time.Now()
	if _, err := s.client.Post(s.ctx, "/v1/deployments/"+served+"/rollback", `{"reason": "a drill"}`, nil); err != nil {
		s.t.Fatal(err)
	}
	told := time.Since(start)
	s.await(backOn(1))
	s.more(traffic, second)
	last := seen.of(2).Sub(start)
	s.t.Logf("rollback acknowledged after %.1f ms; the last request that version 2 answered was sent %.1f ms after the command was",
		told.Seconds()*1e3, last.Seconds()*1e3)
	if bound := patience(time.Second); last > bound || told > bound {
		s.t.Errorf("the rollback took %v, and %v to take effect", told, last)
	}
	s.unfailing(traffic, "rollback")
}

// boundFor is how long a bound may be broken.
const boundFor = 2 * time.Second

// patience is a bound where serving is measured, else what a loaded machine may take.
func patience(bound time.Duration) time.Duration {
	if os.Getenv("COHORT_LIVE_RATE") == "" {
		return 30 * time.Second
	}
	return bound
}

// cameAndWent waits until version 3 has been taken back, and says how long it had all
// of the traffic; 0: it was gone before it was seen.
func (s *site) cameAndWent() (took time.Duration, back wire.DeploymentView) {
	s.t.Helper()
	came := s.await(func(d wire.DeploymentView) bool { return live(3)(d) || backOn(1)(d) })
	if back = s.await(backOn(1)); live(3)(came) {
		took = time.Duration(back.Moved-came.Moved) * time.Millisecond
	}
	return took, back
}

// breakBound starts a version that is held to a latency that none can have.
func (s *site) breakBound(traffic *bench.Traffic, seen *answers) {
	s.t.Helper()
	s.do("deploy", "start", served+"@3", "-d", "--p99", "1us", "--for", boundFor.String())
	took, back := s.cameAndWent()
	s.t.Logf("rolled back by itself %v after it had come, bound %v: %s", took, boundFor, back.Reason)
	if took != 0 && (took < boundFor || took > boundFor+patience(2*time.Second)) {
		s.t.Errorf("a bound that may be broken for %v was held after %v", boundFor, took)
	}
	if !strings.Contains(back.Reason, "p99") || seen.of(3).IsZero() {
		s.t.Errorf("rolled back because: %s", back.Reason)
	}
	s.unfailing(traffic, "rollback by itself")
}
