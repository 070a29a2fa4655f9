package quality_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/quality"
	"cohort/dkt/simulate"

	"github.com/google/go-cmp/cmp"
)

func gate(t *testing.T, r *quality.Report, name string) quality.Gate {
	t.Helper()
	for _, g := range r.Gates {
		if g.Name == name {
			return g
		}
	}
	t.Fatalf("no gate %q in %+v", name, r.Gates)
	return quality.Gate{}
}

var noon = time.Date(2024, 3, 5, 12, 0, 0, 0, time.UTC)

func columns() wire.Columns {
	return wire.Columns{Student: "user", Item: "item", Skill: "skill", Correct: wire.Correct{Column: "right"}, Time: "at", ID: "id", Elapsed: "ms"}
}

// input is of a run at noon, with events kept.
func input(kept int64) quality.Input {
	return quality.Input{
		Name: "weekly", At: noon.UnixMilli(), Spec: wire.DefaultValidate(), Columns: columns(),
		Counts: quality.Counts{Rows: kept, Kept: kept, Dropped: []quality.Drop{}},
	}
}

// log makes n events, ten a student, an hour apart, the newest of each an hour
// before noon.
func log(n int) []dataplane.Event {
	all := make([]dataplane.Event, n)
	for k := range all {
		at := noon.Add(-time.Duration(10-k%10) * time.Hour)
		all[k] = dataplane.Event{
			Student: fmt.Sprintf("%032d", k/10), Time: at.UnixMicro(), ID: fmt.Sprint(k), Item: fmt.Sprint(k % 7),
			Skill: fmt.Sprint(k % 5), Correct: k%3 > 0, Elapsed: 900,
		}
	}
	return all
}

func run(t *testing.T, in quality.Input, events []dataplane.Event, rejects ...lake.Reject) (*quality.Report, *quality.Check) {
	t.Helper()
	c, err := quality.New(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rejects {
		c.Reject(r)
	}
	for _, e := range events {
		if err := c.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	r, p := c.Finish()
	if p.Events != r.Events || p.Students != r.Students {
		t.Errorf("the profile has %d events of %d students, the report %d of %d", p.Events, p.Students, r.Events, r.Students)
	}
	return r, c
}

func TestASoundDatasetPasses(t *testing.T) {
	in := input(1000)
	in.Spec.Freshness, in.Spec.MinEvents = "48h", 500
	r, _ := run(t, in, log(1000))
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	var got []string
	for _, g := range r.Gates {
		got = append(got, g.Name+" "+string(g.Status))
	}
	want := []string{
		"completeness passed", "nulls passed", "types passed", "duplicates passed", "freshness passed", "skew passed",
		"min_class passed", "min_events passed", "drift.answer_rate not applicable", "drift.population not applicable",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if r.Events != 1000 || r.Students != 100 || r.Skills != 5 || r.Right != 666 || r.QuarantinedEvents() != 0 || !r.Clock.Is {
		t.Errorf("%+v", r)
	}
}

// Each gate fails at its bound, and says which number.
func TestAGateSaysWhichNumberIsOutOfBounds(t *testing.T) {
	edit := func(n int, change func(k int, e *dataplane.Event)) []dataplane.Event {
		all := log(n)
		for k := range all {
			change(k, &all[k])
		}
		return all
	}
	rejects := func(n int, column, reason string) (all []lake.Reject) {
		for k := range n {
			all = append(all, lake.Reject{At: fmt.Sprintf("log.csv, row %d", k), Column: column, Reason: reason})
		}
		return all
	}
	for name, c := range map[string]struct {
		in      func(in *quality.Input)
		events  []dataplane.Event
		rejects []lake.Reject
		gate    string
		want    []string // of the failure; none: passes
	}{
		"completeness-at-its-bound": {
			func(in *quality.Input) { in.Counts.Rejected = 50 }, log(950), rejects(50, "right", `"x" is neither "1" (right) nor "0" (wrong)`),
			"completeness", nil,
		},
		"completeness": {
			func(in *quality.Input) { in.Counts.Rejected = 51 }, log(949), rejects(51, "right", `"x" is neither "1" (right) nor "0" (wrong)`),
			"completeness",
			[]string{"completeness 0.949 is below 0.95: 5.1 % of 1,000 rows are no events; most: right: a value is neither \"1\" (right) nor \"0\" (wrong) (51)"},
		},
		"nulls-of-a-needed-column": {
			func(in *quality.Input) { in.Counts.Rejected = 60; in.Spec.Completeness = 0 }, log(940), rejects(60, "user", "the student is empty"),
			"nulls",
			[]string{"nulls 0.060 is above 0.05: column user is empty in 60 of 1,000 rows"},
		},
		"nulls-of-an-answer": {
			func(in *quality.Input) { in.Counts.Rejected = 60; in.Spec.Completeness = 0 }, log(940), rejects(60, "right", `"" is neither "1" (right) nor "0" (wrong)`),
			"nulls",
			[]string{"column right is empty in 60 of 1,000"},
		},
		"nulls-of-a-skill": {
			func(in *quality.Input) { in.Counts.Dropped = []quality.Drop{{Reason: "skill is empty", Rows: 250}} }, log(750), nil,
			"nulls",
			[]string{"nulls 0.250 is above 0.05: column skill is empty in 250 of 1,000 rows"},
		},
		"nulls-of-an-item": {
			nil, edit(1000, func(k int, e *dataplane.Event) {
				if k < 51 {
					e.Item = ""
				}
			}), nil, "nulls", []string{"nulls 0.051 is above 0.05: column item is empty in 51 of 1,000 rows"},
		},
		"no-items-at-all": {nil, edit(1000, func(_ int, e *dataplane.Event) { e.Item, e.Elapsed = "", 0 }), nil, "nulls", nil},
		"duplicates-at-their-bound": {nil, edit(1000, func(k int, e *dataplane.Event) {
			if k < 500 && k%10 == 9 {
				e.ID, e.Item, e.Skill = fmt.Sprint(k-5), fmt.Sprint((k-5)%7), fmt.Sprint((k-5)%5)
			}
		}), nil, "duplicates", nil},
		"duplicates": {
			nil, edit(1000, func(k int, e *dataplane.Event) {
				if k < 510 && k%10 == 9 {
					e.ID, e.Item, e.Skill = fmt.Sprint(k-5), fmt.Sprint((k-5)%7), fmt.Sprint((k-5)%5)
				}
			}), nil, "duplicates", []string{"duplicates 0.051 is above 0.05: 51 of 1,000 events quarantined"},
		},
		"skills-of-one-answer-and-ids-of-another-student": {nil, edit(1000, func(k int, e *dataplane.Event) { e.ID, e.Item, e.Skill = "1", "i", fmt.Sprint(k%10) }), nil, "duplicates", nil},
		"rows-sent-twice": {
			nil, edit(1000, func(k int, e *dataplane.Event) {
				e.ID = ""
				if k%10 == 9 {
					e.Time, e.Item, e.Skill, e.Correct = e.Time-3600e6, fmt.Sprint((k-1)%7), fmt.Sprint((k-1)%5), (k-1)%3 > 0
				}
			}), nil, "duplicates", []string{"duplicates 0.100 is above 0.05: 100 of 1,000 events quarantined (equal rows"},
		},
		"stale": {
			func(in *quality.Input) { in.Spec.Freshness = "30m" }, log(1000), nil,
			"freshness",
			[]string{"freshness 1 h 0 min is above 30 min 0 s", "the newest event, of 2024-03-05 11:00:00Z, is 1 h 0 min old"},
		},
		"skewed": {
			nil, edit(1000, func(k int, e *dataplane.Event) {
				if k%10 == 9 {
					e.Time = noon.Add(61 * time.Minute).UnixMicro()
				}
			}), nil, "completeness", []string{"completeness 0.900 is below 0.95: 10.0 % of 1,000 rows are no events; most: time later than the run by more than the skew allowed (100)"},
		},
		"skew-within-bounds": {nil, edit(1000, func(k int, e *dataplane.Event) {
			if k%10 == 9 {
				e.Time = noon.Add(60 * time.Minute).UnixMicro()
			}
		}), nil, "skew", nil},
		"one-class": {
			func(in *quality.Input) { in.Spec.MinClass = 0.2 }, edit(1000, func(k int, e *dataplane.Event) { e.Correct = k%10 > 0 }), nil,
			"min_class",
			[]string{"min_class 0.100 is below 0.2: 100 of 1,000 answers are wrong"},
		},
		"few":  {func(in *quality.Input) { in.Spec.MinEvents = 2000 }, log(1000), nil, "min_events", []string{"min_events 1,000 is below 2,000"}},
		"none": {nil, nil, nil, "min_events", []string{"min_events 0 is below 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(int64(len(c.events)))
			if c.in != nil {
				c.in(&in)
			}
			in.Counts.Rows = in.Counts.Kept + in.Counts.Rejected
			r, _ := run(t, in, c.events, c.rejects...)
			g := gate(t, r, c.gate)
			if (g.Status == quality.Failed) != (c.want != nil) || r.OK != (c.want == nil) {
				t.Fatalf("%+v: %s", g, r.Failure)
			}
			for _, w := range c.want {
				if !strings.Contains(r.Failure, w) || !strings.Contains(r.Err().Error(), w) || !errors.Is(r.Err(), quality.ErrFailed) || strings.Contains(r.Failure, "\n") {
					t.Errorf("%q does not say %q", r.Failure, w)
				}
			}
		})
	}
}

func TestAGateWithoutItsDataSaysSo(t *testing.T) {
	events := log(1000)
	for k := range events {
		events[k].Time, events[k].ID = int64(k)*1e6, ""
		if k%2 == 1 {
			events[k] = events[k-1] // of an order, this may be another answer
		}
	}
	in := input(1000)
	in.Spec.Freshness = "1h"
	in.Columns.Elapsed = ""
	r, _ := run(t, in, events)
	for _, name := range []string{"freshness", "skew", "duplicates", "drift.population"} {
		if g := gate(t, r, name); g.Status != quality.NotApplicable || !strings.Contains(g.Text, "not applicable, ") {
			t.Errorf("%+v", g)
		}
	}
	if g := gate(t, r, "nulls"); g.Status != quality.Passed || len(g.Lines) != 1 || !strings.Contains(g.Lines[0], "not applicable to id:") {
		t.Errorf("%+v", g)
	}
	if !r.OK || r.Clock.Is || r.QuarantinedEvents() != 0 {
		t.Errorf("%+v", r)
	}
	in.Spec = wire.ValidateSpec{}
	r, _ = run(t, in, log(1000))
	for name, want := range map[string]quality.Status{"completeness": quality.Noted, "freshness": quality.Off, "skew": quality.Off, "drift.population": quality.Off} {
		if g := gate(t, r, name); g.Status != want {
			t.Errorf("%+v", g)
		}
	}
}

func TestTimesAreAClockWhenMostCouldBe(t *testing.T) {
	at := func(scale func(k int, micro int64) int64) *quality.Report {
		events := log(1000)
		for k := range events {
			events[k].Time = scale(k, events[k].Time)
		}
		r, _ := run(t, input(1000), events)
		return r
	}
	if r := at(func(k int, v int64) int64 { return v }); !r.Clock.Is {
		t.Error(r.Clock)
	}
	if r := at(func(k int, v int64) int64 {
		if k%10 == 0 {
			return 0 // the first of a student's
		}
		return v
	}); !r.Clock.Is || r.OK || len(r.Quarantined) != 1 || r.Quarantined[0] != (quality.Quarantined{Reason: "time before 1990", Events: 100}) {
		t.Errorf("%+v, %+v: %s", r.Clock, r.Quarantined, r.Failure)
	}
	for scale, want := range map[int64]string{1000: "as fine", -1000: "as coarse"} {
		r := at(func(_ int, v int64) int64 {
			if scale > 0 {
				return v * scale
			}
			return v / -scale
		})
		if r.Clock.Is || !strings.Contains(r.Clock.Why, want) {
			t.Errorf("%+v, want %q", r.Clock, want)
		}
	}
}

// The filter parts exactly what the check has counted, and names no student.
func TestTheFilterPartsWhatTheReportCounts(t *testing.T) {
	events := log(1000)
	for k := range events {
		switch e := &events[k]; {
		case k%10 == 9 && k < 100:
			e.Time = noon.Add(2 * time.Hour).UnixMicro()
		case k%10 == 9 && k < 200:
			e.Time = noon.AddDate(11, 0, 0).UnixMicro()
		case k%10 == 9 && k < 300:
			e.ID, e.Item, e.Skill = events[k-1].ID, events[k-1].Item, events[k-1].Skill
		case k%10 == 0 && k < 400:
			e.Time = -5
		case k%10 == 5 && k < 500:
			e.Elapsed = -1
		case k%10 >= 8 && k > 900:
			*e = events[k-k%10+8]
			e.ID = ""
		}
	}
	r, c := run(t, input(1000), events)
	counted := map[string]int64{}
	for _, q := range r.Quarantined {
		counted[q.Reason] = q.Events
	}
	want := map[string]int64{
		"response time out of range": 50, "time before 1990": 40, "time more than ten years after the run": 10,
		"time later than the run by more than the skew allowed": 10, "repeats an event of the same id": 10, "repeats the row before it": 10,
	}
	if d := cmp.Diff(want, counted); d != "" {
		t.Error(d)
	}
	f := c.Filter()
	var kept []dataplane.Event
	reasons := map[string]int{}
	for _, e := range events {
		keep, why := f.Event(e)
		if keep {
			kept = append(kept, e)
			continue
		}
		if strings.Contains(fmt.Sprint(why), e.Student) || why.At == "" || why.Reason == "" {
			t.Errorf("%+v of %s", why, e.Student)
		}
		reasons[why.Reason]++
	}
	if int64(len(kept)) != r.Events || int64(len(events)-len(kept)) != r.QuarantinedEvents() {
		t.Errorf("%d kept of %d, the report says %d", len(kept), len(events), r.Events)
	}
	if reasons["2024-03-05 14:00:00Z is 2 h 0 min later than the run, at 2024-03-05 12:00:00Z"] != 10 || reasons["a response time of -1 ms"] != 50 {
		t.Error(reasons)
	}
	again, _ := run(t, input(1000), kept)
	if again.QuarantinedEvents() != 0 || again.Events != r.Events || again.Right != r.Right {
		t.Errorf("what was kept is not clean: %+v", again.Quarantined)
	}
}

func TestEventsOutOfOrderAreRefused(t *testing.T) {
	c, err := quality.New(input(2))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Event(dataplane.Event{Student: "a", Time: 2}), c.Event(dataplane.Event{Student: "b", Time: 1})); err != nil {
		t.Error(err)
	}
	if err := c.Event(dataplane.Event{Student: "b", Time: 0}); !errors.Is(err, quality.ErrOrder) {
		t.Error(err)
	}
	for _, in := range []quality.Input{
		{At: -1}, {At: 1 << 60}, {Spec: wire.ValidateSpec{Skew: "soon"}}, {Spec: wire.ValidateSpec{Freshness: "-1h"}},
	} {
		if _, err := quality.New(in); err == nil {
			t.Errorf("%+v was taken", in)
		}
	}
}

func TestAReportComesBackAndFitsATerminal(t *testing.T) {
	in := input(1000)
	in.Counts.Rejected, in.Counts.Rows = 100, 1100
	in.Counts.Dropped = []quality.Drop{{Reason: "right is STUDY", Rows: 7}}
	in.Columns.Skill = "a\x1b[2J" + strings.Repeat("long ", 40)
	var rejects []lake.Reject
	for k := range 100 {
		rejects = append(rejects, lake.Reject{Column: in.Columns.Skill, Reason: fmt.Sprintf("%q is wrong", fmt.Sprint(k))})
	}
	r, _ := run(t, in, log(1000), rejects...)
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	back, err := quality.DecodeReport(data)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r, back); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "{}", `{"version":2}`} {
		if _, err := quality.DecodeReport([]byte(bad)); !errors.Is(err, quality.ErrReport) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	var text bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text.String()) {
		if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > 80 || strings.ContainsAny(line, "\x1b\t") {
			t.Errorf("%d characters: %q", utf8.RuneCountInString(line), line)
		}
	}
	for _, want := range []string{"weekly, validated for 2024-03-05 12:00:00Z: failed", "FAILED completeness 0.909", "7 rows left out by a rule of the job: right is STUDY"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	events := log(200_000)
	n := 0
	for b.Loop() {
		c, err := quality.New(input(int64(len(events))))
		if err != nil {
			b.Fatal(err)
		}
		for _, e := range events {
			if err := c.Event(e); err != nil {
				b.Fatal(err)
			}
		}
		c.Finish()
		n += len(events)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkCompare(b *testing.B) {
	all := population(b, simulate.Config{Students: 10000, Skills: 100, Answers: 60, Seed: 1})
	_, accepted := check(b, quality.Input{}, all[:5000])
	_, p := check(b, quality.Input{}, all[5000:])
	for b.Loop() {
		quality.Compare(accepted, p)
	}
}
