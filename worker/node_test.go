package worker

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/coordinator/wire"
)

// simulated runs a test in a bubble of simulated time.
func simulated(t *testing.T, f func(t *testing.T, c *cluster)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newCluster()) })
}

func TestATaskRunsAndItsResultArrives(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		token := c.assign("job/stage/0", wire.StageNoop, wire.Batch, "")
		started := time.Now()
		c.until(t, "result", func() bool { return len(c.results) == 1 })
		if d := time.Since(started); d > 100*time.Millisecond {
			t.Errorf("took %s", d)
		}
		if r := c.results[0]; r.Task != "job/stage/0" || r.Token != token || r.Error != "" || r.Cause != wire.CauseNone {
			t.Errorf("result %+v", r)
		}
		if len(c.nodes) != 1 || c.nodes[0].ID != "w1" || c.nodes[0].Addr != n.Addr() || c.nodes[0].Kernels != "portable" || c.nodes[0].Resources.Cores != 2 {
			t.Errorf("registered as %+v", c.nodes)
		}
		pass(time.Hour) // nothing is run or told twice
		if len(c.results) != 1 || len(c.sessions) != 1 || n.ID() != "w1" {
			t.Errorf("%d results, %d sessions", len(c.results), len(c.sessions))
		}
	})
}

func TestFailuresAreToldWithTheirCause(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		for _, k := range []struct {
			kind     wire.StageKind
			settings string
			cause    wire.Cause
			text     string
		}{
			{wire.StageNoop, `{"fail_attempts":1}`, wire.CauseTask, "attempt 1 fails"},
			{wire.StageNoop, `{"fail_attempts":"x"}`, wire.CauseFatal, "settings of stage"},
			{"polka", ``, wire.CauseFatal, `kind "polka"`},
			{wire.StageTrain, `{}`, wire.CauseTask, "without a round"},
		} {
			before := len(c.results)
			c.assign("job/stage/0", k.kind, wire.Batch, k.settings)
			c.until(t, "result", func() bool { return len(c.results) > before })
			r := c.results[before]
			if r.Cause != k.cause || !strings.Contains(r.Error, k.text) {
				t.Errorf("%s %s: cause %q, error %q", k.kind, k.settings, r.Cause, r.Error)
			}
		}
	})
}

func TestAWorkerOutlivesItsCoordinator(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		c.down = true
		n := begin(t, c)
		defer end(t, c, n)
		pass(time.Minute)
		c.do(func() { c.down = false })
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
		c.do(func() { c.down = true })
		pass(time.Hour) // the lease is long over: the work goes on, its effects wait
		c.assign("job/noop/0", wire.StageNoop, wire.Batch, "")
		c.do(func() { c.down = false })
		c.until(t, "the noop's result", func() bool { return len(c.results) == 1 })
		if held := n.held(); len(held) != 1 || held[0].a.Task.ID != "job/idle/0" || len(c.sessions) != 1 {
			t.Errorf("%d tasks held, %d sessions", len(held), len(c.sessions))
		}
	})
}

// The coordinator goes away while a task runs, and the task ends meanwhile.
func TestAResultWaitsForTheCoordinatorAndALease(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/idle/0", wire.StageIdle, wire.Batch, "")
		c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
		c.do(func() { c.down = true })
		n.held()[0].stop(errDrained) // the work ends
		pass(20 * time.Minute)
		c.do(func() { c.down = false })
		c.until(t, "the result", func() bool { return len(c.results) == 1 })
		if c.results[0].Cause != wire.CauseDrain {
			t.Errorf("result %+v", c.results[0])
		}
		c.until(t, "log lines", func() bool { return len(c.assignments) == 0 })
	})
}

func TestARefusedResultIsNotSentAgain(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		c.refuse = &wire.Error{Code: wire.CodeConflict, Message: "old token"}
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/noop/0", wire.StageNoop, wire.Batch, "")
		pass(time.Hour)
		if len(c.results) != 1 {
			t.Errorf("told %d times", len(c.results))
		}
	})
}

func TestAResultIsSentAgainWhileTheCoordinatorIsBroken(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		c.refuse = &wire.Error{Code: wire.CodeNoLeader, Message: "no leader"}
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/noop/0", wire.StageNoop, wire.Batch, "")
		c.until(t, "tries", func() bool { return len(c.results) > 3 })
		c.do(func() { c.refuse = nil })
		c.until(t, "an end", func() bool { return len(c.assignments) == 0 })
	})
}

func TestARevokedTaskPublishesNothing(t *testing.T) {
	for how, revoke := range map[string]func(c *cluster){
		"view":  func(c *cluster) { delete(c.assignments, "job/idle/0") },
		"lease": func(c *cluster) { c.lost = []wire.TokenOf{{Task: "job/idle/0", Token: 12}} },
	} {
		t.Run(how, func(t *testing.T) {
			simulated(t, func(t *testing.T, c *cluster) {
				n := begin(t, c)
				defer end(t, c, n)
				if err := n.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
				token := c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
				c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
				held := n.held()
				c.do(func() {
					revoke(c)
					for k := range c.lost {
						c.lost[k].Token = token
					}
				})
				select {
				case <-held[0].done:
				case <-time.After(10 * time.Second):
					t.Fatal("goes on")
				}
				pass(time.Minute)
				if len(c.results) != 0 {
					t.Errorf("published %+v", c.results)
				}
			})
		})
	}
}

func TestViewsOfThePastAreIgnored(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
		held := n.held()[0]
		c.do(func() { c.views = []wire.TasksReply{{Index: 3}, {Index: 4}} }) // a follower that lags
		pass(time.Minute)
		if held.over() || len(n.held()) != 1 || len(c.views) != 0 {
			t.Error("a view of the past ended a task")
		}
	})
}

func TestANewTokenStartsTheTaskAfresh(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
		old := n.held()[0]
		token := c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a lease for the new token", func() bool { return len(c.renewed) == 2 })
		if held := n.held(); !old.over() || len(held) != 1 || held[0].a.Task.Token != token || len(c.results) != 0 {
			t.Errorf("old over: %v, held: %d, results: %d", old.over(), len(held), len(c.results))
		}
	})
}

func TestAWorkerWrittenOffComesBackAsNew(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
		old := n.held()[0]
		c.do(func() { c.gone = true; c.index = 1; delete(c.assignments, "job/idle/0") }) // even a younger state
		c.until(t, "a second session", func() bool { return len(c.sessions) == 2 })
		if !old.over() || c.sessions[0] == c.sessions[1] {
			t.Errorf("old task over: %v, sessions %v", old.over(), c.sessions)
		}
		c.assign("job/noop/0", wire.StageNoop, wire.Batch, "")
		c.until(t, "a result", func() bool { return len(c.results) == 1 })
	})
}

func TestAWorkerThatIsUnknownRegistersAgain(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.do(func() { c.sessions = append(c.sessions, "another's") }) // refuses ours
		c.until(t, "a new session", func() bool { return len(c.sessions) == 3 })
		c.assign("job/noop/0", wire.StageNoop, wire.Batch, "")
		c.until(t, "a result", func() bool { return len(c.results) == 1 })
	})
}

func TestDrainHandsWorkBack(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/service/0", wire.StageIdle, wire.Service, "")
		c.assign("job/batch/0", wire.StageIdle, wire.Batch, "")
		c.until(t, "leases", func() bool { return len(c.renewed) == 2 })
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		begun := time.Now()
		if err := n.Drain(ctx); err != nil {
			t.Errorf("drain: %v", err)
		}
		if d := time.Since(begun); d < time.Minute || d > time.Minute+2*time.Second {
			t.Errorf("took %s: the batch task has a minute", d)
		}
		if len(c.results) != 2 || c.results[0].Task != "job/service/0" || c.results[0].Cause != wire.CauseDrain ||
			c.results[1].Cause != wire.CauseDrain || c.drained != 1 {
			t.Errorf("results %+v, drained %d", c.results, c.drained)
		}
		c.assign("job/late/0", wire.StageNoop, wire.Batch, "")
		c.until(t, "the late task's return", func() bool { return len(c.results) == 3 })
		if c.results[2].Cause != wire.CauseDrain {
			t.Errorf("late task: %+v", c.results[2])
		}
	})
}

func TestDrainGivesUpWithItsContext(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		c.assign("job/service/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
		c.do(func() { c.down = true })
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		begun := time.Now()
		if err := n.Drain(ctx); err == nil {
			t.Error("drained without a coordinator")
		}
		if d := time.Since(begun); d > 12*time.Second {
			t.Errorf("took %s", d)
		}
	})
}

func TestCloseEndsTasksWithoutAWord(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a lease", func() bool { return len(c.renewed) == 1 })
		begun := time.Now()
		end(t, c, n)
		end(t, c, n) // twice is once
		if time.Since(begun) > time.Second || len(c.results) != 0 {
			t.Errorf("took %s, told %v", time.Since(begun), c.results)
		}
		if err := n.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStartNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Config{Kernels: "abacus"})
	if err == nil {
		t.Fatal("started")
	}
	for _, what := range []string{"id", "data folder", "coordinator", "listener", "logger", `"abacus"`} {
		if !strings.Contains(err.Error(), what) {
			t.Errorf("%q does not name %s", err, what)
		}
	}
	cfg := config(t, newCluster())
	cfg.DataDir = "/dev/null/x"
	if _, err := Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "/dev/null") {
		t.Errorf("bad folder: %v", err)
	}
}

func TestATaskWaitsForItsEarlierRunHere(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		n := begin(t, c)
		defer end(t, c, n)
		if err := n.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		nothing := func(error) {}
		slow := &task{lease: newLease(), revoke: nothing, stop: nothing, done: make(chan struct{})}
		n.mu.Lock()
		n.tasks["job/noop/0"] = slow // a run that takes its time to end
		n.mu.Unlock()
		c.assign("job/noop/0", wire.StageNoop, wire.Batch, "")
		pass(time.Minute)
		if len(c.results) != 0 {
			t.Error("two runs of a task at the same time")
		}
		close(slow.done)
		c.until(t, "a result", func() bool { return len(c.results) == 1 })
	})
}

// slowRenewal answers renewals late.
type slowRenewal struct{ *cluster }

func (s slowRenewal) Renew(ctx context.Context, node string, r wire.RenewRequest) (wire.RenewReply, error) {
	reply, err := s.cluster.Renew(ctx, node, r)
	pass(2 * time.Second)
	return reply, err
}

func TestALeaseCountsFromTheSendingOfItsRenewal(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		cfg := config(t, c)
		cfg.API = slowRenewal{c}
		n, err := Start(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer end(t, c, n)
		c.assign("job/idle/0", wire.StageIdle, wire.Service, "")
		c.until(t, "a renewal", func() bool { return len(c.renewed) == 1 })
		sent := time.Now()
		c.do(func() { c.down = true })
		pass(4 * time.Second)
		if live, _ := n.held()[0].lease.live(); !live {
			t.Errorf("no lease %s after its renewal was sent", time.Since(sent))
		}
		pass(time.Second)
		if live, _ := n.held()[0].lease.live(); live {
			t.Errorf("a lease %s after its renewal was sent", time.Since(sent))
		}
	})
}
