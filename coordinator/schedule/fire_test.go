package schedule_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/cron"
	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

// leveled is a cluster that knows the commands of schedules.
func leveled(t rapid.TB, now int64) *cluster {
	c := newCluster(t)
	c.now = now
	c.must(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: wire.FeatureLevel})
	return c
}

// due applies what Due says until it says nothing; it fails when that has no end.
func (c *cluster) due() (next int64) {
	c.t.Helper()
	for range 1000 {
		decisions, next := schedule.Due(c.s.Read(), c.now)
		if len(decisions) == 0 {
			return next
		}
		for _, d := range decisions {
			c.must(d.Number, d.Body)
		}
	}
	c.t.Fatal("the schedules do not come to rest")
	return 0
}

// history is "time by state" of what does not wait, and then of what does.
func (c *cluster) history(name string) string {
	var all []string
	s := c.schedule(name)
	for _, f := range append(append([]wire.Firing{}, s.Runs...), s.Waiting...) {
		all = append(all, strings.Join([]string{cron.Stamp(f.At)[9:], f.By, string(f.State)}, " "))
	}
	return strings.Join(all, ", ")
}

// done ends the job of a schedule's run.
func (c *cluster) done(id string) {
	c.t.Helper()
	c.must(wire.CmdStopJob, wire.StopJob{Job: id, Reason: "for the test"})
}

const noon = int64(1_790_000_000_000/day)*day + 12*hour

// hourly fires at each hour's beginning; it is made at 12:00.
func hourly(t rapid.TB, catchup, overlap string) *cluster {
	c := leveled(t, noon)
	c.put("s", wire.ScheduleSpec{Cron: "0 * * * *", Catchup: catchup, Overlap: overlap})
	return c
}

func TestWhatBecomesOfFiringsThatWereMissed(t *testing.T) {
	for _, c := range []struct {
		name, catchup string
		minutes       int64 // after noon that somebody leads again
		want          string
	}{
		{"in-time", "none", 60, "1300Z cron started"},
		{"late-by-a-minute-is-in-time", "none", 61, "1300Z cron started"},
		{"none", "none", 62, "1300Z cron missed"},
		{"none-but-the-one-that-is-due-now", "none", 180, "1300Z cron missed, 1400Z cron missed, 1500Z cron started"},
		{"last", "last", 190, "1300Z cron missed, 1400Z cron missed, 1500Z catchup started"},
		{"last-of-one", "last", 100, "1300Z catchup started"},
		{"last-is-due-now", "last", 180, "1300Z cron missed, 1400Z cron missed, 1500Z cron started"},
		{"all", "all", 190, "1300Z catchup started, 1400Z catchup waiting, 1500Z catchup waiting"},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := hourly(t, c.catchup, "skip")
			k.now += c.minutes * 60_000
			next := k.due()
			if d := cmp.Diff(c.want, k.history("s")); d != "" {
				t.Error(d)
			}
			if want := (k.now/hour + 1) * hour; next != want || k.schedule("s").Next != want {
				t.Errorf("next is %d and %d, want %d", next, k.schedule("s").Next, want)
			}
		})
	}
}

func TestALongOutageIsPassedOverInFewCommands(t *testing.T) {
	c := leveled(t, noon)
	c.put("s", wire.ScheduleSpec{Cron: "* * * * *", Catchup: "last"})
	c.now += 30*day + 90_000
	before := c.index
	c.due()
	s := c.schedule("s")
	if took := c.index - before; took > 50 {
		t.Errorf("%d commands for 43,200 firings", took)
	}
	if len(s.Runs) != wire.KeepFirings || s.Runs[len(s.Runs)-1].State != wire.FiringStarted || s.Next <= c.now {
		t.Errorf("%d firings are kept, next %d at %d: %+v", len(s.Runs), s.Next, c.now, s.Runs[len(s.Runs)-1])
	}
	all := leveled(t, noon)
	all.put("s", wire.ScheduleSpec{Cron: "*/5 * * * *", Catchup: "all"})
	all.now += 10*hour + 180_000
	runs := 0
	for all.due(); len(all.schedule("s").Waiting) > 0 || all.schedule("s").Next <= all.now; all.due() {
		if n := len(all.schedule("s").Waiting); n > wire.KeepFirings {
			t.Fatalf("%d firings wait", n)
		}
		all.done(all.schedule("s").Run)
		runs++
	}
	if runs != 119 { // and the one that goes on
		t.Errorf("%d runs of 120 were caught up before the last", runs)
	}
}

func TestOverlaps(t *testing.T) {
	for _, c := range []struct{ overlap, at14, at15, after string }{
		{
			"skip", "1300Z cron started, 1400Z cron skipped", "1300Z cron started, 1400Z cron skipped, 1500Z cron skipped",
			"1300Z cron started, 1400Z cron skipped, 1500Z cron skipped",
		},
		{
			"queue", "1300Z cron started, 1400Z cron waiting", "1300Z cron started, 1400Z cron skipped, 1500Z cron waiting",
			"1300Z cron started, 1400Z cron skipped, 1500Z cron started",
		},
		{
			"stop", "1300Z cron started, 1400Z cron started", "1300Z cron started, 1400Z cron started, 1500Z cron started",
			"1300Z cron started, 1400Z cron started, 1500Z cron started",
		},
	} {
		t.Run(c.overlap, func(t *testing.T) {
			k := hourly(t, "last", c.overlap)
			var got []string
			for range 3 {
				k.now += hour
				k.due()
				got = append(got, k.history("s"))
			}
			run := k.schedule("s").Run
			k.done(run)
			k.due()
			got = append(got, k.history("s"))
			if d := cmp.Diff([]string{"1300Z cron started", c.at14, c.at15, c.after}, got); d != "" {
				t.Error(d)
			}
			if j, _ := k.s.Read().Job(nil, "s-"+cron.Stamp(noon+hour)); c.overlap == "stop" && !strings.Contains(j.Reason, "overlap: stop") {
				t.Errorf("the first run: %+v", j)
			}
		})
	}
}

func TestWhatIsCaughtUpWaitsItsTurn(t *testing.T) {
	for overlap, want := range map[string]string{
		"skip":  "1300Z catchup started, 1600Z cron skipped, 1700Z cron skipped, 1400Z catchup waiting, 1500Z catchup waiting",
		"queue": "1300Z catchup started, 1600Z cron skipped, 1400Z catchup waiting, 1500Z catchup waiting, 1700Z cron waiting",
		"stop":  "1300Z catchup started, 1400Z catchup waiting, 1500Z catchup waiting, 1600Z cron waiting, 1700Z cron waiting",
	} {
		c := hourly(t, "all", overlap)
		for _, after := range []int64{3 * hour, hour, hour} {
			c.now += after
			c.due()
		}
		if d := cmp.Diff(want, c.history("s")); d != "" {
			t.Errorf("%s: %s", overlap, d)
		}
	}
}

func TestTwoFiringsInOneMinuteOfGraceAreBothSettled(t *testing.T) {
	c := leveled(t, noon)
	c.put("s", wire.ScheduleSpec{Cron: "* * * * *", Catchup: "none"})
	c.now += 120_000
	c.due()
	if d := cmp.Diff("1201Z cron missed, 1202Z cron started", c.history("s")); d != "" {
		t.Error(d)
	}
}

func TestAPausedScheduleStartsNothing(t *testing.T) {
	c := hourly(t, "all", "queue")
	c.now += 3 * hour
	c.due() // 13:00 runs, 14:00 and 15:00 wait
	c.must(wire.CmdSetSchedule, wire.SetSchedule{Name: "s", Paused: true})
	c.done(c.schedule("s").Run)
	c.now += 5 * hour
	if next := c.due(); next != 0 {
		t.Errorf("a paused schedule wakes the leader at %d", next)
	}
	want := "1300Z catchup started, 1400Z catchup waiting, 1500Z catchup waiting"
	if d := cmp.Diff(want, c.history("s")); d != "" {
		t.Error(d)
	}
	c.must(wire.CmdSetSchedule, wire.SetSchedule{Name: "s", Next: c.now + hour})
	c.due()
	if d := cmp.Diff("1300Z catchup started, 1400Z catchup started, 1500Z catchup waiting", c.history("s")); d != "" {
		t.Error(d)
	}
}

func TestARunThatIsLateIsWarnedOfOnce(t *testing.T) {
	c := leveled(t, noon)
	c.put("s", wire.ScheduleSpec{Cron: "0 13 * * *", FinishBy: "90m"})
	c.now += hour
	if next := c.due(); next != noon+hour+90*60_000 {
		t.Errorf("next is %d", next-noon)
	}
	id := c.schedule("s").Run
	c.now += 90*60_000 - 1
	c.due()
	if j, _ := c.s.Read().Job(nil, id); j.Warning != "" {
		t.Errorf("too early: %s", j.Warning)
	}
	c.now++
	c.due()
	if j, _ := c.s.Read().Job(nil, id); !strings.Contains(j.Warning, "90m") || j.Status.Final() {
		t.Errorf("got %+v", j)
	}
	if decisions, next := schedule.Due(c.s.Read(), c.now+hour); len(decisions) != 0 || next != noon+hour+day {
		t.Errorf("again: %v, next %d", decisions, next)
	}
}

func TestAFileThatCannotRunIsSkippedWithItsFault(t *testing.T) {
	c := leveled(t, noon)
	when := wire.ScheduleSpec{Cron: "0 * * * *"}.Filled()
	c.must(wire.CmdPutSchedule, wire.PutSchedule{Schedule: wire.Schedule{Name: "s", Kind: "graph", Spec: "name: s\nkind: nonsense\n", When: when, Next: noon + hour}})
	c.now += hour
	c.due()
	f := c.schedule("s").Runs[0]
	if f.State != wire.FiringSkipped || !strings.Contains(f.Reason, "nonsense") || f.Job != "" {
		t.Errorf("got %+v", f)
	}
}

func TestOlderCoordinatorsAreNotSentCommandsOfSchedules(t *testing.T) {
	c := newCluster(t)
	c.now = noon
	c.put("s", wire.ScheduleSpec{Cron: "0 * * * *"})
	if d, next := schedule.Due(c.s.Read(), noon+2*hour); len(d) != 0 || next != 0 {
		t.Errorf("at level 1: %v, %d", d, next)
	}
}

// backfilled begins a backfill of the eleven hours before noon.
func backfilled(t rapid.TB, parallel int, halt bool) *cluster {
	c := hourly(t, "last", "skip")
	s := c.schedule("s")
	c.must(wire.CmdPutBackfill, wire.PutBackfill{Backfill: wire.Backfill{
		Schedule: "s", Kind: s.Kind, Priority: -50, Spec: s.Spec, Cron: s.When.Cron, Zone: s.When.Zone,
		From: noon - 11*hour, To: noon, Parallel: parallel, StopOnFailure: halt, Total: 11, Next: noon - 11*hour,
	}})
	return c
}

func (c *cluster) backfill() *wire.Backfill {
	c.t.Helper()
	b, ok := c.s.Read().Backfill(nil, "s-b1")
	if !ok {
		c.t.Fatal("no backfill s-b1")
	}
	return b
}

// work lets the workers do all that is placed, once.
func (c *cluster) work() {
	c.decide()
	c.finish()
}

func TestABackfillRunsSoManyAtATimeToItsEnd(t *testing.T) {
	c := backfilled(t, 3, false)
	c.node("a", 8)
	most := 0
	for range 50 {
		c.due()
		c.decide()
		most = max(most, len(c.running()))
		c.finish()
	}
	if b := c.backfill(); b.Status != wire.Done || b.Done != 11 || b.Next != 0 || len(b.Active) != 0 || b.Ended == 0 || most != 3 {
		t.Errorf("%d at a time, %+v", most, b)
	}
	for k := range int64(11) {
		at := noon - (11-k)*hour
		if j, ok := c.s.Read().Job(nil, "s-b1-"+cron.Stamp(at)); !ok || j.At != at || j.Schedule != "s" || j.Priority != -50 {
			t.Errorf("run %d: %+v", k, j)
		}
	}
}

func TestAFailedRunEndsABackfillOnlyWhenAsked(t *testing.T) {
	for _, halt := range []bool{false, true} {
		c := backfilled(t, 2, halt)
		c.node("a", 8)
		c.due()
		c.done(c.backfill().Active[0]) // stopped counts as failed
		for range 50 {
			c.due()
			c.work()
		}
		b, want := c.backfill(), 10
		if halt {
			want = 0
		}
		if b.Status != wire.Failed || b.Failed != 1 || b.Done != want || b.Reason == "" {
			t.Errorf("stop on failure %v: %+v", halt, b)
		}
	}
}

func TestAStoppedBackfillStopsItsRuns(t *testing.T) {
	c := backfilled(t, 2, false)
	c.due()
	active := c.backfill().Active
	c.must(wire.CmdStopBackfill, wire.StopBackfill{ID: "s-b1", Reason: "enough"})
	c.due()
	b := c.backfill()
	if b.Status != wire.Stopped || b.Failed != 2 || b.Started != 2 || len(active) != 2 {
		t.Errorf("got %+v", b)
	}
	for _, id := range active {
		if j, _ := c.s.Read().Job(nil, id); j.Status != wire.Stopped || !strings.Contains(j.Reason, "enough") {
			t.Errorf("got %+v", j)
		}
	}
	if out := c.apply(wire.CmdStopBackfill, wire.StopBackfill{ID: "s-b1"}); out.Code != wire.CodeConflict {
		t.Errorf("again: %+v", out)
	}
}

// A gang that needs both nodes at once would wait for ever behind a stream of
// small runs, whatever its priority.
func TestABackfillNeverStarvesALiveGang(t *testing.T) {
	c := backfilled(t, 2, false)
	c.node("a", 1)
	c.node("b", 1)
	c.due()
	c.decide()
	c.submit("live", 0, stage("gang", wire.Gang, 2))
	c.due()
	c.decide()
	if got := schedule.HeldBack(c.s.Read(), c.backfill()); got == nil || got.ID != "live" {
		t.Errorf("held back by %v", got)
	}
	// The two runs end one after the other; nothing takes the place of the first.
	for k, task := range c.running() {
		c.apply(wire.CmdTaskResult, wire.TaskResult{Task: task.ID, Token: task.Token})
		c.due()
		c.decide()
		if n := len(c.running()); k == 0 && n != 1 || k == 1 && (n != 2 || c.running()[0].Job != "live") {
			t.Fatalf("after %d runs have ended: %v", k+1, c.running())
		}
	}
	for range 30 {
		c.due()
		c.work()
	}
	if b := c.backfill(); b.Status != wire.Done || b.Done != 11 {
		t.Errorf("the backfill does not go on: %+v", b)
	}
}

// Whatever people and time do: every command made from a state is accepted by
// it, the schedules come to rest, one live run goes on at most, no firing is
// settled twice, and none is left behind.
func TestSchedulesHoldTheirPromises(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := leveled(t, noon)
		c.node("a", 3)
		draw := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
		put := func() {
			c.put("s", wire.ScheduleSpec{
				Cron:     draw("cron", "0 * * * *", "30 */2 * * *", "*/10 * * * *", "@daily"),
				Catchup:  draw("catchup", "none", "last", "all"),
				Overlap:  draw("overlap", "skip", "queue", "stop"),
				FinishBy: draw("finish", "5m", "3h"),
			})
		}
		put()
		settled := map[string]int64{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			s := c.schedule("s")
			switch draw("do", "wait", "wait", "wait", "work", "work", "pause", "trigger", "put", "backfill", "stop") {
			case "wait":
				c.now += rapid.SampledFrom([]int64{1000, 59_000, 600_000, hour, 7 * hour, 30 * hour}).Draw(t, "for")
			case "work":
				c.work()
			case "pause":
				line, _ := s.When.Line()
				c.must(wire.CmdSetSchedule, wire.SetSchedule{Name: "s", Paused: !s.Paused, Next: map[bool]int64{true: line.Next(max(c.now, s.Last))}[s.Paused]})
			case "trigger":
				q := wire.TriggerSchedule{Schedule: "s", At: c.now}
				q.Job, q.Stages, _ = schedule.RunOf(s, wire.Firing{At: c.now, By: wire.ByTrigger})
				c.apply(wire.CmdTriggerSchedule, q)
			case "put":
				put()
			case "backfill":
				line, _ := s.When.Line()
				times := line.Between(c.now-5*hour, c.now, 100)
				if len(times) == 0 {
					continue
				}
				c.must(wire.CmdPutBackfill, wire.PutBackfill{Backfill: wire.Backfill{
					Schedule: "s", Kind: s.Kind, Spec: s.Spec, Cron: s.When.Cron, Zone: s.When.Zone, To: c.now, Total: len(times), Next: times[0],
					Parallel: rapid.IntRange(1, 3).Draw(t, "parallel"), Priority: -50, StopOnFailure: rapid.Bool().Draw(t, "halt"),
				}})
			case "stop":
				for _, j := range c.s.Read().OpenJobs() {
					if rapid.Bool().Draw(t, "this") {
						c.done(j.ID)
					}
				}
			}
			if rapid.Bool().Draw(t, "lead") {
				c.due()
				c.promise(settled)
			}
		}
		for busy := true; busy; {
			c.due()
			c.work()
			decisions, _ := schedule.Due(c.s.Read(), c.now)
			busy = len(decisions)+len(c.s.Read().OpenJobs()) > 0
		}
		c.promise(settled)
		for _, b := range c.s.Read().Backfills(nil, "s") {
			if !b.Status.Final() || b.Done+b.Failed+len(b.Active) != b.Started || b.Status == wire.Done && b.Done != b.Total {
				t.Fatalf("a backfill is left: %+v", b)
			}
		}
	})
}

func (c *cluster) promise(settled map[string]int64) {
	c.t.Helper()
	s := c.schedule("s")
	live := 0
	for _, j := range c.s.Read().OpenJobs() {
		if !strings.Contains(j.ID, "-b") {
			live++
		}
	}
	if live > 1 || len(s.Waiting) > wire.KeepFirings || !s.Paused && s.Next <= c.now && len(s.Waiting) < wire.KeepFirings {
		c.t.Fatalf("%d live runs, %d wait, next %d at %d", live, len(s.Waiting), s.Next, c.now)
	}
	here := map[string]bool{}
	for _, f := range s.Runs {
		key := fmt.Sprint(f.By == wire.ByTrigger, f.At)
		if old, ok := settled[key]; here[key] || ok && old != f.Settled {
			c.t.Fatalf("%+v is settled twice", f)
		}
		here[key], settled[key] = true, f.Settled
	}
}
