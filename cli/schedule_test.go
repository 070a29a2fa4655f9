package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

func scheduled(name, when string) string {
	return fmt.Sprintf("name: %s\nkind: graph\nschedule: %s\nstages: [{name: a, kind: noop}]\n", name, when)
}

// show reads a schedule as a program would.
func show(t *testing.T, url, name string) (s wire.ScheduleView) {
	t.Helper()
	o := cohort(t, "", nil, "schedule", "show", name, "-o", "json", "--addr", url)
	if err := json.Unmarshal([]byte(o.out), &s); err != nil {
		t.Fatalf("code %d, %q, %q: %v", o.code, o.out, o.err, err)
	}
	return s
}

func TestAScheduleFromFileToBackfill(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	run := func(stdin string, args ...string) outcome {
		t.Helper()
		return cohort(t, stdin, []string{"USER=ann"}, append(args, "--addr", url)...)
	}
	o := run(scheduled("nightly", "{cron: '30 2 * * *', zone: Europe/Berlin, finish_by: 6h}"), "job", "run", "-", "-o", "json")
	o.expect(t, 0, "schedule nightly is stored; next: ")
	j := final(t, o)
	if j.Status != wire.Done || j.Schedule != "nightly" || !strings.HasPrefix(j.ID, "nightly-t2") || j.At == 0 {
		t.Errorf("the first run: %+v", j)
	}
	s := show(t, url, "nightly")
	if s.Next <= time.Now().UnixMilli() || len(s.History) != 1 || s.History[0].Job != j.ID || s.History[0].Status != wire.Done || s.When.Overlap != "skip" {
		t.Errorf("got %+v", s)
	}

	run(scheduled("nightly", "'0 4 * * *'"), "job", "run", "-", "--check-index", "1").expect(t, 5, "schedule nightly has changed")
	run(scheduled("nightly", "'0 4 * * *'"), "job", "run", "-", "-q", "--check-index", fmt.Sprint(s.ModifyIndex)).expect(t, 0, "")
	if again := show(t, url, "nightly"); again.When.Cron != "0 4 * * *" || again.Next == s.Next || len(again.History) != 2 || again.CreateIndex != s.CreateIndex {
		t.Errorf("the second file: %+v", again)
	}

	if o := run("", "schedule", "pause", "nightly"); o.out != "nightly paused\n" {
		t.Errorf("got %+v", o)
	}
	run("", "schedule", "pause", "nightly").expect(t, 5, "paused already")
	if o := run("", "schedule", "list"); !strings.Contains(o.out, "nightly  0 4 * * *  UTC   paused  ") || !strings.Contains(o.out, "done") {
		t.Errorf("got %s", o.out)
	}
	if o := run("", "schedule", "list", "-q"); o.out != "nightly\n" {
		t.Errorf("got %+v", o)
	}
	run("", "schedule", "trigger", "nightly", "-q").expect(t, 0, "") // by hand it runs all the same
	run("", "schedule", "resume", "nightly").expect(t, 0, "")
	if s := show(t, url, "nightly"); s.Paused || s.Next == 0 || len(s.History) != 3 {
		t.Errorf("resumed: %+v", s)
	}

	o = run("", "schedule", "backfill", "nightly", "--from", "2026-01-01", "--to", "2026-01-08", "--parallel", "2")
	o.expect(t, 0, "cohort schedule show --addr "+url+" nightly")
	if o.out != "nightly-b1\n" {
		t.Errorf("got %q", o.out)
	}
	for deadline := time.Now().Add(time.Minute); ; {
		b := show(t, url, "nightly").Backfills[0]
		if b.Status.Final() {
			if b.Status != wire.Done || b.Done != 7 || b.Left != 0 || b.Priority != -50 {
				t.Errorf("the backfill: %+v", b)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the backfill does not end: %+v", b)
		}
		<-time.After(20 * time.Millisecond)
	}
	o = run("", "schedule", "show", "nightly")
	for _, part := range []string{"nightly  0 4 * * *  UTC\n", "catchup last, overlap skip\n", "trigger  nightly-t2", "nightly-b1  done", "2026-01-01 00:00 UTC to 2026-01-08 00:00 UTC  7     0"} {
		if !strings.Contains(o.out, part) {
			t.Errorf("show does not say %q:\n%s", part, o.out)
		}
	}
	if o := run("", "job", "status", "nightly-b1-20260103T0400Z"); o.code != 0 {
		t.Errorf("got %+v", o)
	}
	run("", "schedule", "delete", "nightly", "--check-index", "1").expect(t, 5, "has changed")
	run("", "schedule", "delete", "nightly").expect(t, 0, "")
	run("", "schedule", "show", "nightly").expect(t, 4, `no schedule "nightly"`)
}

func TestATriggerThatOverlapsIsRefusedOrWaits(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	run := func(stdin string, args ...string) outcome {
		t.Helper()
		return cohort(t, stdin, nil, append(args, "--addr", url)...)
	}
	idle := func(name, overlap string) string {
		return fmt.Sprintf("name: %s\nkind: graph\nschedule: {cron: '@yearly', overlap: %s}\nstages: [{name: a, kind: idle}]\n", name, overlap)
	}
	first := strings.TrimSpace(run(idle("skip", "skip"), "job", "run", "-", "-d", "-q").out)
	run("", "schedule", "trigger", "skip").expect(t, 5, first+" goes on (overlap: skip)")
	run(idle("skip", "skip"), "job", "run", "-").expect(t, 5, "the schedule is stored, but not run now: schedule skip: "+first+" goes on")

	first = strings.TrimSpace(run(idle("queue", "queue"), "job", "run", "-", "-d", "-q").out)
	o := run("", "schedule", "trigger", "queue", "-d", "-o", "json")
	var r wire.TriggerReply
	if err := json.Unmarshal([]byte(o.out), &r); err != nil || !r.Waiting {
		t.Errorf("got %+v: %v", o, err)
	}
	if s := show(t, url, "queue"); s.Run != first || s.History[1].State != wire.FiringWaiting {
		t.Errorf("got %+v", s)
	}
	run("", "job", "stop", first).expect(t, 0, "")
	for deadline := time.Now().Add(time.Minute); show(t, url, "queue").Run != r.ID; {
		if time.Now().After(deadline) {
			t.Fatal("the run that waits does not start")
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestWrongScheduleLines(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	cohort(t, scheduled("s", "'0 0 1 1 *'"), nil, "job", "run", "-", "-q", "--addr", url).expect(t, 0, "")
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"schedule show none", 4, `no schedule "none"`},
		{"schedule pause none", 4, `no schedule "none"`},
		{"schedule resume s", 5, "schedule s is not paused\n"},
		{"schedule trigger none", 4, `no schedule "none"`},
		{"schedule delete none", 4, "no schedule none"},
		{"schedule backfill s", 2, "needs --from"},
		{"schedule backfill s --from 2026-01-01", 2, "needs --to"},
		{"schedule backfill none --from 2026-01-01 --to 2026-01-02", 4, `no schedule "none"`},
		{"schedule backfill s --from then --to 2026-01-02", 1, `from: "then" is no time`},
		{"schedule backfill s --from 2026-01-01 --to 2026-01-32", 1, `to: "2026-01-32" is no time`},
		{"schedule backfill s --from 2026-01-02 --to 2026-01-01", 1, "to is 2026-01-01, not after from 2026-01-02"},
		{"schedule backfill s --from 2026-01-02 --to 2999-01-01", 1, "yet to come"},
		{"schedule backfill s --from 2026-01-02 --to 2026-01-03", 1, "nothing fires"},
		{"schedule backfill s --from 2025-01-01 --to 2026-02-01 --parallel 0", 1, "parallel is 0; want 1 to 100"},
		{"schedule backfill s --from 2025-01-01 --to 2026-02-01 --priority 101", 1, "priority is 101"},
		{"schedule backfill s --stop s-b1", 4, `no backfill "s-b1"`},
		{"schedule backfill s --stop s-b1 --from 2026-01-01", 2, "do not go together"},
		{"schedule backfill s --from 2026-01-01 --to 2026-01-02 --parallel two", 2, "want a whole number"},
	} {
		o := cohort(t, "", nil, append(strings.Fields(c.line), "--addr", url)...)
		o.expect(t, c.code, c.want)
		o.oneLine(t)
	}
	cohort(t, scheduled("bad", "'0 25 * * *'"), nil, "job", "validate", "-").expect(t, 1, `schedule.cron hour "25" is not understood`)
	plain := "name: g\nkind: graph\nstages: [{name: a, kind: noop}]\n"
	cohort(t, plain, nil, "job", "run", "-", "--check-index", "3", "--addr", url).expect(t, 2, "for job files with a schedule")
}

func TestABackfillIsStopped(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	idle := "name: s\nkind: graph\nschedule: '@daily'\nstages: [{name: a, kind: idle}]\n"
	cohort(t, idle, nil, "job", "run", "-", "-d", "-q", "--addr", url).expect(t, 0, "")
	cohort(t, "", nil, "schedule", "backfill", "s", "--from", "2026-01-01", "--to", "2026-02-01", "--priority", "7", "--stop-on-failure", "--addr", url).expect(t, 0, "")
	for deadline := time.Now().Add(time.Minute); ; {
		if b := show(t, url, "s").Backfills[0]; b.Running == 1 {
			if b.Priority != 7 || !b.StopOnFailure || b.Total != 31 || b.Left != 30 {
				t.Errorf("got %+v", b)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the backfill does not begin")
		}
		<-time.After(20 * time.Millisecond)
	}
	o := cohort(t, "", []string{"USER=ann"}, "schedule", "backfill", "s", "--stop", "s-b1", "--addr", url)
	if o.out != "s-b1 stopped\n" {
		t.Errorf("got %+v", o)
	}
	b := show(t, url, "s").Backfills[0]
	if b.Status != wire.Stopped || b.Reason != "stopped by ann" || b.Running != 0 || b.Failed != 1 {
		t.Errorf("got %+v", b)
	}
}
