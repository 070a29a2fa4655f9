package schedule_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/cron"
	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

const (
	hour = int64(3600_000)
	day  = 24 * hour
)

func berlin(t rapid.TB) *time.Location {
	t.Helper()
	z, err := cron.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func moment(t rapid.TB, text string) int64 {
	t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", text, berlin(t))
	if err != nil {
		t.Fatal(err)
	}
	return at.UnixMilli()
}

// jobFile is a job of one stage that does nothing.
func jobFile(name string, s wire.ScheduleSpec) string {
	return fmt.Sprintf(`name: %s
kind: graph
schedule: {cron: %q, zone: %q, catchup: %q, overlap: %q, finish_by: %q}
stages: [{name: only, kind: noop}]
`, name, s.Cron, s.Zone, s.Catchup, s.Overlap, s.FinishBy)
}

func (c *cluster) must(n wire.Number, body any) wire.Outcome {
	c.t.Helper()
	out := c.apply(n, body)
	if out.Code != wire.OK {
		c.t.Fatalf("command %d: %s", n, out.Error)
	}
	return out
}

func (c *cluster) put(name string, when wire.ScheduleSpec) {
	c.t.Helper()
	text := jobFile(name, when)
	spec, err := wire.ParseSpec("", []byte(text))
	if err != nil {
		c.t.Fatal(err)
	}
	s := wire.Schedule{Name: name, Kind: spec.Kind, Spec: text, When: spec.Schedule.Filled()}
	line, err := s.When.Line()
	if err != nil {
		c.t.Fatal(err)
	}
	s.Next = line.Next(c.now)
	c.must(wire.CmdPutSchedule, wire.PutSchedule{Schedule: s})
}

func (c *cluster) schedule(name string) *wire.Schedule {
	c.t.Helper()
	s, ok := c.s.Read().Schedule(nil, name)
	if !ok {
		c.t.Fatalf("no schedule %s", name)
	}
	return s
}

// A life passes time over a cluster: it jumps from one event to the next.
// Leaders die, when chance is there, just as they propose.
type life struct {
	*cluster
	chance *rand.Rand
	takes  func(j *wire.Job) int64 // how long a run takes
	ends   map[string]int64        // running task → when it ends
	script []event
	lost   int             // leaders that died as they proposed
	seen   map[string]bool // firings in a schedule's history
	lines  map[string][]string
	open   map[string]bool // jobs that were seen and had not ended
}

// event is something that happens at a time. Down: nobody leads until then.
type event struct {
	at   int64
	down int64
	do   func()
}

func newLife(c *cluster, chance *rand.Rand, takes func(*wire.Job) int64) *life {
	return &life{
		cluster: c, chance: chance, takes: takes,
		ends: map[string]int64{}, seen: map[string]bool{}, lines: map[string][]string{}, open: map[string]bool{},
	}
}

func (l *life) say(name, format string, args ...any) {
	l.lines[name] = append(l.lines[name], fmt.Sprintf(format, args...))
}

// lead does what a leader does at l.now, and returns when it wants to be woken.
func (l *life) lead() (next int64) {
	for {
		l.end()
		v := l.s.Read()
		decisions, wake := schedule.Due(v, l.now)
		next = wake
		if len(decisions) == 0 {
			decisions, _ = schedule.Decide(v, l.now)
		}
		if len(decisions) == 0 {
			return next
		}
		for _, d := range decisions {
			l.propose(d)
		}
		l.look()
	}
}

// propose commits a decision; at times its leader dies of it, before or after,
// and another one, whose clock is another, decides as well.
func (l *life) propose(d schedule.Decision) {
	l.t.Helper()
	dies := l.chance != nil && d.Number >= wire.CmdPutSchedule && l.chance.IntN(4) == 0
	if dies && l.chance.IntN(2) == 0 {
		l.lost++
		l.now += int64(l.chance.IntN(3000))
		return // the log never had it; the next leader sees what it saw
	}
	if out := l.apply(d.Number, d.Body); out.Code != wire.OK {
		l.t.Fatalf("command %d, made from this state, was refused: %s", d.Number, out.Error)
	}
	if dies {
		l.lost++
		l.now += int64(l.chance.IntN(3000))
		if out := l.apply(d.Number, d.Body); out.Code != wire.CodeConflict {
			l.t.Fatalf("command %d was accepted twice: %+v", d.Number, out)
		}
	}
}

// end finishes the tasks whose time has come.
func (l *life) end() {
	for _, k := range l.running() {
		at, ok := l.ends[k.ID]
		if !ok {
			j, _ := l.s.Read().Job(nil, k.Job)
			l.ends[k.ID] = l.now + l.takes(j)
		} else if at <= l.now {
			l.apply(wire.CmdTaskResult, wire.TaskResult{Task: k.ID, Token: k.Token})
		}
	}
	l.look()
}

// look writes down what has become of firings and runs.
func (l *life) look() {
	v := l.s.Read()
	for _, s := range v.Schedules(nil) {
		z, err := cron.Zone(s.When.Zone)
		if err != nil {
			l.t.Fatal(err)
		}
		beside := besides(v, s)
		twice := map[int64]bool{}
		for _, f := range append(slices.Clone(s.Runs), s.Waiting...) {
			if twice[f.At] {
				l.t.Fatalf("%s has two fates for %s: %+v", s.Name, cron.Text(f.At, z), s)
			}
			twice[f.At] = true
		}
		for _, f := range s.Runs {
			key := fmt.Sprint(s.Name, " ", f.By, " ", f.At)
			if l.seen[key] {
				continue
			}
			l.seen[key] = true
			l.say(s.Name, "%s  %-7s  %-7s  %s%s", cron.Text(f.At, z), f.By, f.State, cmp.Or(f.Reason, f.Job), beside)
			l.open[f.Job] = f.Job != ""
		}
		for _, b := range v.Backfills(nil, s.Name) {
			for _, id := range b.Active {
				if _, ok := l.open[id]; !ok {
					l.say(s.Name, "%s  starts", id)
					l.open[id] = true
				}
			}
		}
	}
	for _, id := range slices.Sorted(mapKeys(l.open)) {
		if j, ok := v.Job(nil, id); ok && l.open[id] && j.Status.Final() {
			l.open[id] = false
			l.say(j.Schedule, "%s", ending(j))
		}
	}
}

// ending is how a run ended.
func ending(j *wire.Job) string {
	text := j.ID + "  " + string(j.Status)
	if j.Reason != "" {
		text += "  " + j.Reason
	}
	if j.Warning != "" {
		text += "  warning: " + j.Warning
	}
	return text
}

func mapKeys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// besides says how many runs of backfills go on.
func besides(v *state.View, s *wire.Schedule) string {
	n := 0
	for _, b := range v.Backfills(nil, s.Name) {
		for _, id := range b.Active {
			if j, ok := v.Job(nil, id); ok && !j.Status.Final() {
				n++
			}
		}
	}
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("  beside %d of a backfill", n)
}

// until passes time up to a moment.
func (l *life) until(end int64) {
	slices.SortStableFunc(l.script, func(a, b event) int { return cmp.Compare(a.at, b.at) })
	for l.now < end {
		for len(l.script) > 0 && l.script[0].at <= l.now {
			e := l.script[0]
			l.script = l.script[1:]
			if e.do != nil {
				e.do()
			}
			if e.down > l.now {
				l.now = e.down
			}
		}
		next := end
		if wake := l.lead(); wake > 0 {
			next = min(next, wake)
		}
		for _, k := range l.running() {
			next = min(next, l.ends[k.ID])
		}
		if len(l.script) > 0 {
			next = min(next, l.script[0].at)
		}
		l.now = max(next, l.now)
	}
}

// once checks that every firing of [from, to) of a schedule that was not paused
// then has one fate, and no other has any.
func (l *life) once(name string, from, to int64, but ...[2]int64) {
	l.t.Helper()
	line, err := l.schedule(name).When.Line()
	if err != nil {
		l.t.Fatal(err)
	}
	fates := map[int64]int{}
	for key := range l.seen {
		if f := strings.Fields(key); f[0] == name && f[1] != wire.ByTrigger {
			at, err := strconv.ParseInt(f[2], 10, 64)
			if err != nil {
				l.t.Fatal(err)
			}
			fates[at]++
		}
	}
	for _, at := range line.Between(from, to, 1000) {
		want := 1
		for _, b := range but {
			if at >= b[0] && at < b[1] {
				want = 0
			}
		}
		if fates[at] != want {
			l.t.Errorf("%s: the firing for %s has %d fates, want %d", name, cron.Stamp(at), fates[at], want)
		}
		delete(fates, at)
	}
	for at := range fates {
		l.t.Errorf("%s: %s is no firing", name, cron.Stamp(at))
	}
}

// golden compares with a file; COHORT_UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("COHORT_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := gocmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (COHORT_UPDATE=1 rewrites it): %s", path, d)
	}
}

func seeds(t *testing.T) []uint64 {
	t.Helper()
	s := rand.Uint64()
	if text := os.Getenv("COHORT_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("COHORT_SEED=%d", s)
	return []uint64{0, s, s + 1, s + 2} // 0: nobody dies
}

// A year of weekly runs, at a time that the clock jumps over in spring and shows
// twice in autumn: missed runs, overlaps, a pause, a trigger and a backfill, each
// under its policies. The history is the same whoever dies as it proposes.
func TestAYearOfWeeklyRuns(t *testing.T) {
	for _, seed := range seeds(t) {
		t.Run(fmt.Sprintf("seed-%d", seed), func(t *testing.T) { yearOf(t, seed) })
	}
}

func yearOf(t *testing.T, seed uint64) {
	var chance *rand.Rand
	if seed != 0 {
		chance = rand.New(rand.NewPCG(seed, 7))
	}
	c := newCluster(t)
	c.now = moment(t, "2026-01-01 00:00")
	c.must(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: wire.FeatureLevel})
	c.node("a", 20)
	long := map[string]int64{"2026-05-03 02:30": 10 * day, "2026-06-07 02:30": 24 * day}
	l := newLife(c, chance, func(j *wire.Job) int64 {
		if strings.Contains(j.ID, "-b") {
			return 5 * day
		}
		for text, span := range long {
			if j.At == moment(t, text) {
				return span
			}
		}
		return 2 * hour
	})
	names := []string{"none", "last", "all", "queue", "stop"}
	for _, name := range names {
		when := wire.ScheduleSpec{Cron: "30 2 * * 0", Zone: "Europe/Berlin", FinishBy: "12h", Catchup: "last", Overlap: "skip"}
		switch name {
		case "queue", "stop":
			when.Overlap = name
		default:
			when.Catchup = name
		}
		c.put(name, when)
	}
	each := func(do func(name string)) func() {
		return func() {
			for _, name := range names {
				do(name)
			}
		}
	}
	pause := [2]int64{moment(t, "2026-08-01 00:00"), moment(t, "2026-08-20 00:00")}
	l.script = []event{
		{at: moment(t, "2026-02-06 00:00"), down: moment(t, "2026-02-24 12:00")}, // three firings
		{at: moment(t, "2026-03-28 20:00"), down: moment(t, "2026-03-29 09:00")}, // that of the jump
		{at: pause[0], do: each(func(name string) {
			c.must(wire.CmdSetSchedule, wire.SetSchedule{Name: name, Paused: true})
		})},
		{at: pause[1], do: each(func(name string) {
			line, err := c.schedule(name).When.Line()
			if err != nil {
				t.Fatal(err)
			}
			c.must(wire.CmdSetSchedule, wire.SetSchedule{Name: name, Next: line.Next(c.now)})
		})},
		{at: moment(t, "2026-09-09 12:00"), do: each(func(name string) {
			s, trigger := c.schedule(name), wire.TriggerSchedule{Schedule: name, At: moment(t, "2026-09-09 12:00")}
			var err error
			if trigger.Job, trigger.Stages, err = schedule.RunOf(s, wire.Firing{At: trigger.At, By: wire.ByTrigger}); err != nil {
				t.Fatal(err)
			}
			c.must(wire.CmdTriggerSchedule, trigger)
		})},
		{at: moment(t, "2026-09-30 12:00"), do: func() {
			s := c.schedule("last")
			from, to := moment(t, "2025-10-20 00:00"), moment(t, "2025-12-31 00:00")
			line, err := s.When.Line()
			if err != nil {
				t.Fatal(err)
			}
			times := line.Between(from, to, 100)
			c.must(wire.CmdPutBackfill, wire.PutBackfill{Backfill: wire.Backfill{
				Schedule: s.Name, Kind: s.Kind, Priority: schedule.BackfillPriority(s.Priority), Spec: s.Spec,
				Cron: s.When.Cron, Zone: s.When.Zone, From: from, To: to, Parallel: 2, Total: len(times), Next: times[0],
			}})
		}},
	}
	end := moment(t, "2027-01-01 00:00")
	l.until(end)
	for _, name := range names {
		l.once(name, moment(t, "2026-01-01 00:00"), end, pause)
		golden(t, "year-"+name+".txt", strings.Join(l.lines[name], "\n")+"\n")
	}
	b := c.s.Read().Backfills(nil, "last")[0]
	if b.Status != wire.Done || b.Done != b.Total || b.Total != 10 {
		t.Errorf("the backfill: %+v", b)
	}
	if seed != 0 && l.lost < 50 {
		t.Errorf("only %d leaders were lost", l.lost)
	}
}
