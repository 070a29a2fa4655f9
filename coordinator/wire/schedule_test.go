package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

const graphFile = "name: g\nkind: graph\nstages: [{name: a, kind: noop}]\n"

func TestAScheduleIsALineOrASection(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]wire.ScheduleSpec{
		"schedule: '0 3 * * 1'": {Cron: "0 3 * * 1"},
		"schedule: '@daily'":    {Cron: "@daily"},
		"schedule: {cron: 0 3 * * 1, zone: Europe/Berlin, catchup: all, overlap: queue, finish_by: 6h}": {
			Cron: "0 3 * * 1", Zone: "Europe/Berlin", Catchup: "all", Overlap: "queue", FinishBy: "6h",
		},
	} {
		s := parse(t, graphFile+text+"\n")
		if d := cmp.Diff(want, s.Schedule); d != "" {
			t.Error(d)
		}
		again, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(s, parse(t, again)); d != "" {
			t.Errorf("written and read again: %s", d)
		}
	}
	want := wire.ScheduleSpec{Cron: "@daily", Zone: "UTC", Catchup: "last", Overlap: "skip"}
	if d := cmp.Diff(want, wire.ScheduleSpec{Cron: "@daily"}.Filled()); d != "" {
		t.Error(d)
	}
}

func TestAWrongScheduleNamesItsFieldAndLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"schedule: '0 25 * * 1'":                           `job.yaml:4: schedule.cron hour "25" is not understood; want 0-23, lists, ranges, steps or *`,
		"schedule: 'every monday'":                         `job.yaml:4: schedule.cron "every monday" has 2 fields`,
		"schedule: '@every 5m'":                            `job.yaml:4: schedule.cron "@every 5m" is unknown`,
		"schedule: '0 0 30 2 *'":                           "names a day that no year has",
		"schedule: {zone: UTC}":                            "schedule.cron is missing",
		"schedule:\n  cron: '@daily'\n  zone: Europe/Bonn": `job.yaml:6: schedule.zone "Europe/Bonn" is no IANA time zone`,
		"schedule: {cron: '@daily', overlap: skp}":         `schedule.overlap "skp" is unknown; did you mean skip?`,
		"schedule: {cron: '@daily', catchup: first}":       `schedule.catchup "first" is unknown`,
		"schedule: {cron: '@daily', finish_by: soon}":      `schedule.finish_by "soon" is no duration`,
	} {
		_, err := wire.ParseSpec("job.yaml", []byte(graphFile+text+"\n"))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s:\n%v\nwant %q", text, err, want)
		}
	}
	_, err := wire.ParseSpec("job.yaml", []byte("name: i\nkind: import\ndata: {events: e.csv}\nschedule: '@daily'\n"))
	if err == nil || !strings.Contains(err.Error(), "schedule is for kinds pipeline, train and graph") {
		t.Error(err)
	}
}

func TestADeadlineIsAfterTheTimeOfTheFiring(t *testing.T) {
	t.Parallel()
	if got := (wire.ScheduleSpec{FinishBy: "90m"}).Deadline(1000); got != 1000+90*time.Minute.Milliseconds() {
		t.Errorf("got %d", got)
	}
	if got := (wire.ScheduleSpec{}).Deadline(1000); got != 0 {
		t.Errorf("got %d", got)
	}
}

func TestEachCommandHasItsLevel(t *testing.T) {
	t.Parallel()
	for n, want := range map[wire.Number]int{wire.CmdRegisterNode: 1, wire.CmdFeatureLevel: 1, wire.CmdPutSchedule: 2, wire.CmdWarnJob: 2} {
		if got := n.Level(); got != want || got > wire.FeatureLevel {
			t.Errorf("command %d has level %d, want %d", n, got, want)
		}
	}
	for want, s := range map[int]wire.Stage{1: {Inputs: map[string]string{"a": "b/c"}}, 3: {Inputs: map[string]string{"a": "@m"}}} {
		for _, c := range []interface{ Level() int }{
			wire.SubmitJob{Stages: []wire.Stage{s}},
			wire.StartRun{Stages: []wire.Stage{s}},
			wire.TriggerSchedule{Stages: []wire.Stage{s}},
			wire.StepBackfill{Stages: []wire.Stage{s}},
		} {
			if got := c.Level(); got != want {
				t.Errorf("%T has level %d, want %d", c, got, want)
			}
		}
	}
	if n := (wire.SubmitJob{Stages: []wire.Stage{{}, {Fan: true}}}).Level(); n != 3 {
		t.Errorf("a fan has level %d", n)
	}
	if n := wire.CmdPutSilence + 1; n.Level() <= wire.FeatureLevel {
		t.Errorf("command %d, of the future, has level %d", n, n.Level())
	}
}
