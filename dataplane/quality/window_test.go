package quality_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/dataplane"
	"cohort/dataplane/quality"
	"cohort/dkt/simulate"
)

// school spreads learners' answers over weeks from the start: each begins on some
// day and then answers in sessions of ten, every second or third day.
func school(t testing.TB, c simulate.Config, weeks int) []history {
	all := population(t, c)
	r := rand.New(rand.NewPCG(uint64(c.Seed), 11))
	begin := start
	for _, h := range all {
		at := begin.Add(time.Duration(r.Int64N(int64(weeks) * 7 * 24 * int64(time.Hour))))
		for k := range h {
			if k%10 == 0 && k > 0 {
				at = at.Add(time.Duration(48+r.IntN(24)) * time.Hour)
			}
			at = at.Add(time.Minute)
			h[k].Time = at.UnixMicro()
		}
	}
	return all
}

var start = time.Date(2024, 1, 1, 3, 0, 0, 0, time.UTC)

// until is the log as it was at some time.
func until(all []history, at time.Time) (out []history) {
	for _, h := range all {
		n, _ := slices.BinarySearchFunc(h, at.UnixMicro(), func(e dataplane.Event, t int64) int {
			if e.Time < t {
				return -1
			}
			return 1
		})
		if n > 0 {
			out = append(out, h[:n])
		}
	}
	return out
}

func weekly(t testing.TB, all []history, at time.Time, accepted *quality.Profile) (*quality.Report, *quality.Profile) {
	return check(t, quality.Input{At: at.UnixMilli(), Spec: driftOnly, Reference: accepted}, until(all, at))
}

// A log that grows week by week, with nothing changed, alarms in at most 1 of 100
// weeks, though every run's dataset contains the one before.
func TestAGrowingLogAlarmsInOneOfAHundredWeeksAtMost(t *testing.T) {
	n, weeks := 0, 0
	for world := range uint32(drawn(10)) {
		all := school(t, simulate.Config{Students: 3000, Skills: 30, Answers: 40, Seed: 100 + world}, 20)
		var accepted *quality.Profile
		for week := 10; week <= 20; week++ { // from where as many leave as come
			r, p := weekly(t, all, start.AddDate(0, 0, 7*week), accepted)
			if accepted != nil {
				weeks++
				if !strings.HasPrefix(r.Drift.Compared, "the 7 days to ") || r.Drift.Candidate.Students < 100 {
					t.Fatalf("%+v", r.Drift)
				}
				if alarms(r.Drift) {
					n++
					t.Log(r.Failure)
				}
			}
			accepted = p
		}
	}
	t.Logf("%d alarms in %d weeks", n, weeks)
	if n > 5 { // were it 1 in 100, more would come of 1 in 1000 such tests
		t.Errorf("%d alarms in %d weeks", n, weeks)
	}
}

// What changed this week is not hidden by the years before.
func TestANewWeekIsComparedNotTheWholeLog(t *testing.T) {
	all := school(t, simulate.Config{Students: 8000, Skills: 30, Answers: 40, Seed: 3}, 40)
	last := start.AddDate(0, 0, 7*38)
	_, accepted := weekly(t, all, last, nil)
	for _, h := range all {
		for k := range h {
			if h[k].Time > last.UnixMicro() && k%8 == 0 {
				h[k].Correct = false
			}
		}
	}
	for days, want := range map[int]string{
		7:  "the 7 days to 2024-09-30 03:00:00Z with the 7 to 2024-09-23 03:00:00Z",
		1:  "the 1 day to 2024-09-24 03:00:00Z with the 1 to 2024-09-17 03:00:00Z",
		10: "the 10 days to 2024-10-03 03:00:00Z with the 10 to 2024-09-19 03:00:00Z",
	} {
		r, _ := weekly(t, all, last.AddDate(0, 0, days), accepted)
		if r.Drift.Compared != want {
			t.Errorf("%d days: compared %q, want %q", days, r.Drift.Compared, want)
		}
		answers := 0
		for _, h := range until(all, last.AddDate(0, 0, days)) {
			for _, e := range h {
				if e.Time > last.UnixMicro() {
					answers++
				}
			}
		}
		if r.Drift.Candidate.Answers != int64(answers) {
			t.Errorf("%d answers of %d days compared, there are %d", r.Drift.Candidate.Answers, days, answers)
		}
		if days == 7 && (r.OK || !strings.Contains(r.Failure, "drift.answer_rate")) {
			t.Errorf("the week's drift of %d students is not noticed", r.Drift.Candidate.Students)
		}
	}
}

// Where days can't be compared the report says why, and whole histories are.
func TestTheReportSaysWhyWholeHistoriesAreCompared(t *testing.T) {
	all := school(t, simulate.Config{Students: 1000, Skills: 30, Answers: 40, Seed: 3}, 10)
	compared := func(from, to time.Time) *quality.Drift {
		_, accepted := weekly(t, all, from, nil)
		r, _ := weekly(t, all, to, accepted)
		if r.Drift.Why != "" {
			t.Fatal(r.Drift.Why)
		}
		if !r.OK {
			t.Errorf("%v to %v: %s", from, to, r.Failure)
		}
		return r.Drift
	}
	at := start.AddDate(0, 0, 60)
	for want, d := range map[string]*quality.Drift{
		"is not older by a day; most students are in both":                        compared(at, at.Add(time.Hour)),
		"have 0 students, and those before 0: too few; most students are in both": compared(at.AddDate(0, 6, 0), at.AddDate(0, 6, 7)),
		"holds less than the 42 days to compare with":                             compared(start.AddDate(0, 0, 35), start.AddDate(0, 0, 37+35)),
	} {
		if !strings.Contains(d.Compared, want) {
			t.Errorf("%q does not say %q", d.Compared, want)
		}
		if grown := fmt.Sprint(d.Statistics[4].Why); (grown != "") != strings.Contains(d.Compared, "most students are in both") {
			t.Errorf("%q, activity %q", d.Compared, grown)
		}
	}
}
