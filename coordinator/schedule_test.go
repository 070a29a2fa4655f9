package coordinator_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cohort/coordinator/client"
	"cohort/coordinator/consensus"
	"cohort/coordinator/cron"
	"cohort/coordinator/wire"
)

// An almanac is a world whose coordinators are up only around the firings of its
// schedules: in between nothing happens that a log could show, and a year of
// heartbeats would take an hour.
type almanac struct {
	*world
	api    *client.Client
	chance *rand.Rand
	names  []string
	fates  map[string]map[string]string // schedule → firing → what became of it
	faults map[string]int
}

// weekly is a job file of a schedule on Sundays at a time that the clock jumps
// over in spring and shows twice in autumn.
func weekly(name, catchup, overlap string) string {
	return fmt.Sprintf("name: %s\nkind: graph\nstages: [{name: one, kind: noop}, {name: two, kind: noop, after: [one]}]\n", name) + fmt.Sprintf("schedule: {cron: '30 2 * * 0', zone: Europe/Berlin, catchup: %s, overlap: %s, finish_by: 6h}\n", catchup, overlap)
}

// rise starts the coordinators, and a worker where one is wanted.
func (a *almanac) rise(worker bool) {
	a.t.Helper()
	for _, id := range a.ids {
		if a.coordinators[id] == nil {
			a.startCoordinator(id)
		}
	}
	a.leader()
	if worker {
		a.startWorker("w1")
	}
}

// set stops all of it.
func (a *almanac) set() {
	a.t.Helper()
	for id, n := range a.workers {
		if err := n.Close(); err != nil {
			a.t.Error(err)
		}
		delete(a.workers, id)
	}
	for _, id := range a.ids {
		a.net.Heal(id)
		a.fell(id)
	}
}

// fell stops a coordinator that is up.
func (a *almanac) fell(id string) {
	if n := a.coordinators[id]; n != nil {
		if err := n.Close(); err != nil {
			a.t.Error(err)
		}
		delete(a.coordinators, id)
		a.net.Host(id).CloseRaft()
	}
}

func (a *almanac) sleepUntil(at time.Time) { sleep(time.Until(at)) }

// fire passes through the minute of a firing; chance has the leader die in it,
// cut off or stopped, a moment before or after the schedules fire.
func (a *almanac) fire(at time.Time) {
	a.t.Helper()
	moment := at.Add(time.Duration(a.chance.IntN(600)-200) * time.Millisecond)
	lost := a.leader()
	a.sleepUntil(moment)
	switch a.chance.IntN(4) {
	case 0:
		a.faults["cut-off"]++
		a.net.Isolate(lost)
		a.sleepUntil(at.Add(15 * time.Second))
		a.net.Heal(lost)
	case 1:
		a.faults["stopped"]++
		a.fell(lost)
		a.sleepUntil(at.Add(10 * time.Second))
		a.startCoordinator(lost)
	}
}

// settle waits until nothing is due and, with a worker, nothing runs.
func (a *almanac) settle(worker bool) {
	a.t.Helper()
	a.await("the schedules to come to rest", 2*time.Minute, func() bool {
		all, err := a.api.Schedules(a.t.Context())
		if err != nil {
			return false
		}
		for _, s := range all {
			if !s.Paused && s.Next <= time.Now().UnixMilli() || worker && !atRest(s) {
				return false
			}
		}
		return true
	})
	a.read()
}

func atRest(s wire.ScheduleView) bool {
	for _, f := range s.History {
		if f.State == wire.FiringWaiting || f.Job != "" && !f.Status.Final() {
			return false
		}
	}
	for _, b := range s.Backfills {
		if !b.Status.Final() {
			return false
		}
	}
	return true
}

// read notes what has become of firings. No fate may change but a wait's.
func (a *almanac) read() {
	a.t.Helper()
	for _, name := range a.names {
		s, err := a.api.Schedule(a.t.Context(), name)
		if err != nil {
			a.t.Fatal(err)
		}
		zone, err := cron.Zone(s.When.Zone)
		if err != nil {
			a.t.Fatal(err)
		}
		seen := map[int64]bool{}
		for _, f := range s.History {
			if seen[f.At] {
				a.t.Errorf("%s has two fates for %s", name, cron.Stamp(f.At))
			}
			seen[f.At] = true
			fate := strings.TrimRight(strings.Join([]string{f.By, string(f.State), cmp.Or(f.Reason, f.Job), string(f.Status), f.Problem, f.Warning}, " | "), " |")
			a.fates[name][cron.Text(f.At, zone)] = fate
		}
		for _, b := range s.Backfills {
			a.fates[name][b.ID] = fmt.Sprintf("backfill | %s | %d of %d done, %d failed", b.Status, b.Done, b.Total, b.Failed)
		}
	}
}

func (a *almanac) text() string {
	var b strings.Builder
	for _, name := range a.names {
		fmt.Fprintf(&b, "%s:\n", name)
		for _, at := range slices.Sorted(maps.Keys(a.fates[name])) {
			fmt.Fprintf(&b, "  %s | %s\n", at, a.fates[name][at])
		}
	}
	return b.String()
}

// A year of weekly runs on three coordinators and real Raft: both changes of the
// clock, leaders lost as the schedules fire, the whole cluster down over
// firings, runs that outlast a week for want of a worker, a pause, triggers and
// a backfill. Whatever the faults, the history is the one in the file.
func TestSimulatedYearOfWeeklyRuns(t *testing.T) {
	s := seed(t)
	synctest.Test(t, func(t *testing.T) {
		a := &almanac{
			world: newWorld(t, s), chance: rand.New(rand.NewPCG(s, 2)), names: []string{"last-skip", "all-queue", "none-stop"},
			fates: map[string]map[string]string{}, faults: map[string]int{},
		}
		defer a.close()
		a.set() // and then up with logs that are cut: fifty restarts would replay them whole
		a.cut = consensus.Snapshots{Every: 5 * time.Second, After: 200, Keep: 50}
		a.api = a.client("laptop")
		a.rise(true)
		for _, name := range a.names {
			a.fates[name] = map[string]string{}
			catchup, overlap, _ := strings.Cut(name, "-")
			if _, err := a.api.PutSchedule(t.Context(), wire.ScheduleRequest{Spec: weekly(name, catchup, overlap)}); err != nil {
				t.Fatal(err)
			}
		}
		a.set()
		a.year(firingsOf2000(t))
		a.rise(false)
		a.agree()
		a.checkJobs()
		a.golden("year.txt")
		t.Logf("faults: %v", a.faults)
		if a.faults["cut-off"] < 3 || a.faults["stopped"] < 3 {
			t.Errorf("too few leaders were lost: %v", a.faults)
		}
	})
}

// firingsOf2000, the year in which a bubble's time begins.
func firingsOf2000(t *testing.T) []time.Time {
	t.Helper()
	zone, err := cron.Zone("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	line, err := cron.Parse("30 2 * * 0", zone)
	if err != nil {
		t.Fatal(err)
	}
	var all []time.Time
	for _, ms := range line.Between(time.Now().UnixMilli(), time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC).UnixMilli(), 100) {
		all = append(all, time.UnixMilli(ms))
	}
	return all
}

// year goes from firing to firing; weeks are counted from 1.
func (a *almanac) year(firings []time.Time) {
	a.t.Helper()
	for k, at := range firings {
		week := k + 1
		if week >= 6 && week <= 8 || week == 13 { // the 13th is the day of the jump
			continue // nobody is there
		}
		if week == 9 || week == 14 {
			a.sleepUntil(at.Add(-48 * time.Hour)) // back two days before the next firing
			a.rise(true)
			a.settle(true)
			a.set()
		}
		a.sleepUntil(at.Add(-12 * time.Second))
		worker := week != 18 && (week < 23 || week > 25)
		a.rise(worker)
		a.hands(week)
		a.fire(at)
		a.sleepUntil(at.Add(time.Second))
		a.settle(worker)
		if week == 24 { // the run of last week is late by now
			a.await("a warning", time.Minute, func() bool {
				j, _, err := a.api.Job(a.t.Context(), "last-skip-"+cron.Stamp(firings[k-1].UnixMilli()), 0, 0)
				return err == nil && j.Warning != ""
			})
		}
		a.set()
	}
}

// hands does what people do that week.
func (a *almanac) hands(week int) {
	a.t.Helper()
	ctx := a.t.Context()
	for _, name := range a.names {
		var err error
		switch week {
		case 30:
			_, err = a.api.PauseSchedule(ctx, name, wire.CheckRequest{})
		case 33:
			_, err = a.api.ResumeSchedule(ctx, name, wire.CheckRequest{})
		case 36:
			_, err = a.api.TriggerSchedule(ctx, name)
			a.settle(true)
		case 40:
			if name == "last-skip" {
				_, err = a.api.Backfill(ctx, name, wire.BackfillRequest{From: "1999-10-25", To: "1999-12-31", Parallel: 2})
			}
		}
		if err != nil {
			a.t.Fatal(err)
		}
	}
}

// checkJobs holds the jobs against the history: one for each firing that was
// started, and no other but the backfill's.
func (a *almanac) checkJobs() {
	a.t.Helper()
	started, backfilled := 0, 0
	for _, fates := range a.fates {
		for _, fate := range fates {
			if strings.Contains(fate, "| started |") {
				started++
			}
		}
	}
	jobs := a.coordinators["c1"].State().Read().Jobs(nil, 0)
	for _, j := range jobs {
		if strings.Contains(j.ID, "-b1-") {
			backfilled++
		}
	}
	if len(jobs) != started+backfilled || backfilled != 9 {
		a.t.Errorf("%d jobs, of which %d of the backfill, for %d firings", len(jobs), backfilled, started)
	}
}

// golden compares the history with a file, which COHORT_UPDATE=1 writes. The
// moment of a trigger is chance's: it is left out.
func (a *almanac) golden(name string) {
	a.t.Helper()
	path := filepath.Join("testdata", name)
	lines := strings.Split(a.text(), "\n")
	for k, l := range lines {
		if strings.Contains(l, "| trigger |") {
			parts := strings.Split(l, " | ")
			lines[k] = strings.Join(slices.Concat([]string{parts[0][:len("  2000-09-03")]}, parts[1:3], parts[4:]), " | ")
		}
	}
	got := strings.Join(lines, "\n")
	if os.Getenv("COHORT_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			a.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		a.t.Fatal(err)
	}
	if d := gocmp.Diff(strings.Split(string(want), "\n"), lines); d != "" {
		a.t.Errorf("%s (COHORT_UPDATE=1 rewrites it): %s", path, d)
	}
}
