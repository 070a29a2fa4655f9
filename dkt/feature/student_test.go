package feature_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"cohort/dataplane"
	"cohort/dkt/feature"
)

const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
	monday = 1_700_438_400 * second // 2023-11-20 00:00 UTC
)

func settings() feature.Settings {
	return feature.Settings{Recent: 3, Gap: 30 * minute, Clock: true}
}

// bits compares floats by their bits, but for NaNs.
func bits() cmp.Option { return cmpopts.EquateNaNs() }

func feed(id string, s feature.Settings, events []dataplane.Event) *feature.Student {
	st := feature.NewStudent(id, s)
	for _, e := range events {
		st.Add(e)
	}
	return st
}

func lesson() []dataplane.Event {
	return []dataplane.Event{
		{Time: monday, Item: "i1", Skill: "a", Correct: true, Elapsed: 1000},
		{Time: monday + minute, Item: "i1", Skill: "b", Correct: true, Elapsed: 1000}, // the same answer's second skill
		{Time: monday + 2*minute, Item: "i2", Skill: "a", Correct: true, Elapsed: 4000},
		{Time: monday + 32*minute, Item: "i3", Skill: "c", Correct: false},                   // the gap itself ends nothing
		{Time: monday + 24*hour, Item: "i1", Skill: "b", Correct: true, Elapsed: 2000},       // a session and a day later
		{Time: monday + 24*hour + minute, Item: "i1", Skill: "b", Correct: true, Elapsed: 9}, // the same skill again: another answer
	}
}

func TestAStudentByHand(t *testing.T) {
	s := feed("ann", settings(), lesson())
	got := s.Row(monday + 25*hour)
	want := feature.UserRow{
		Student: "ann", Answers: 5, Right: 4, Accuracy: 0.8, RecentAnswers: 3, RecentAccuracy: 2.0 / 3,
		Streak: 2, LongestStreak: 2, Skills: 3, Items: 3, Timed: 4, ElapsedMean: 7009.0 / 4, ElapsedMedian: 1500,
		Sessions: 2, SessionAnswers: 2.5, SessionMinutes: 33.0 / 2, Days: 2,
		First: monday, Last: monday + 24*hour + minute, SinceFirst: 25 * 3600, SinceLast: 59 * 60,
		History: got.History,
	}
	// Spacing: a after 1 answer and 2 min, b after 3 and 1439 min, then after 1 and 1 min.
	want.SpacingAnswers = (0 + math.Log(3) + 0) / 3
	want.SpacingTime = (math.Log1p(120) + math.Log1p(1439*60) + math.Log1p(60)) / 3
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(1e-14, 0)); d != "" {
		t.Error(d)
	}
	skills := []feature.SkillRow{
		{Student: "ann", Skill: "a", Attempts: 2, Right: 2, Accuracy: 1, Streak: 2, First: monday, Last: monday + 2*minute},
		{Student: "ann", Skill: "b", Attempts: 3, Right: 3, Accuracy: 1, Streak: 3, First: monday + minute, Last: monday + 24*hour + minute},
		{Student: "ann", Skill: "c", Attempts: 1, First: monday + 32*minute, Last: monday + 32*minute},
	}
	if d := cmp.Diff(skills, s.Skills()); d != "" {
		t.Error(d)
	}
	if all := s.Row(feature.All); all.SinceLast != 0 || all.SinceFirst != (24*3600+60) {
		t.Errorf("without a cut, %g s since the first and %g since the last answer", all.SinceFirst, all.SinceLast)
	}
}

func TestWithoutAClockWhatNeedsOneIsAbsent(t *testing.T) {
	how := settings()
	how.Clock = false
	s := feed("ann", how, lesson())
	r := s.Row(monday + 25*hour)
	for name, v := range map[string]float64{
		"session answers": r.SessionAnswers, "session minutes": r.SessionMinutes, "spacing": r.SpacingTime,
		"since first": r.SinceFirst, "since last": r.SinceLast,
	} {
		if v == v {
			t.Errorf("%s is %g", name, v)
		}
	}
	if r.Sessions != 0 || r.Days != 0 || r.Answers != 5 || r.SpacingAnswers != r.SpacingAnswers {
		t.Errorf("%+v", r)
	}
	empty := feature.NewStudent("nobody", settings()).Row(feature.All)
	if empty.Accuracy == empty.Accuracy || empty.SinceLast == empty.SinceLast || empty.ElapsedMedian == empty.ElapsedMedian || empty.Answers != 0 {
		t.Errorf("no answers give %+v", empty)
	}
}

// history draws a student's events in order.
func history(t *rapid.T, student string) []dataplane.Event {
	n := rapid.IntRange(1, 60).Draw(t, "events")
	now := monday
	var events []dataplane.Event
	for k := range n {
		now += rapid.SampledFrom([]int64{0, second, minute, 29 * minute, 31 * minute, 20 * hour}).Draw(t, "pause")
		events = append(events, dataplane.Event{
			Student: student, Time: now, ID: fmt.Sprintf("%04d", k),
			Item:    rapid.SampledFrom([]string{"", "i1", "i2", "i3", "i4"}).Draw(t, "item"),
			Skill:   rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "skill"),
			Correct: rapid.Bool().Draw(t, "correct"),
			Elapsed: rapid.SampledFrom([]int64{0, 1, 7, 400, 401, dataplane.MaxElapsed}).Draw(t, "elapsed"),
		})
	}
	return events
}

// oracle computes a row from the whole list, as the definitions read.
func oracle(events []dataplane.Event, s feature.Settings) (r feature.UserRow) {
	type one struct {
		dataplane.Event
		skills []string
	}
	var answers []one
	for _, e := range events {
		if n := len(answers) - 1; n >= 0 && e.Item != "" && answers[n].Item == e.Item && answers[n].Correct == e.Correct && !slices.Contains(answers[n].skills, e.Skill) {
			answers[n].skills = append(answers[n].skills, e.Skill)
			continue
		}
		answers = append(answers, one{e, []string{e.Skill}})
	}
	var elapsed []int64
	days, skills, items := map[int64]bool{}, map[string]bool{}, map[string]bool{}
	recent, inSessions := 0, int64(0)
	for k, a := range answers {
		r.Answers++
		run := 0
		for j := k; j >= 0 && answers[j].Correct; j-- {
			run++
		}
		r.Streak, r.LongestStreak = int64(run), max(r.LongestStreak, int64(run))
		if a.Correct {
			r.Right++
			if k >= len(answers)-s.Recent {
				recent++
			}
		}
		if a.Elapsed > 0 {
			elapsed = append(elapsed, a.Elapsed)
		}
		days[a.Time/(24*hour)] = true
		if a.Item != "" {
			items[a.Item] = true
		}
		for _, skill := range a.skills {
			skills[skill] = true
		}
		if k == 0 || a.Time-answers[k-1].Time > s.Gap {
			r.Sessions++
		} else {
			inSessions += a.Time - answers[k-1].Time
		}
	}
	slices.Sort(elapsed)
	if n := len(elapsed); n%2 == 1 {
		r.ElapsedMedian = float64(elapsed[n/2])
	} else if n > 0 {
		r.ElapsedMedian = float64(elapsed[n/2-1]+elapsed[n/2]) / 2
	} else {
		r.ElapsedMedian = math.NaN()
	}
	r.Timed, r.Days, r.Skills, r.Items = int64(len(elapsed)), int64(len(days)), int64(len(skills)), int64(len(items))
	r.RecentAnswers = min(r.Answers, int64(s.Recent))
	r.RecentAccuracy = float64(recent) / float64(r.RecentAnswers)
	r.Accuracy = float64(r.Right) / float64(r.Answers)
	r.SessionMinutes = float64(inSessions) / float64(r.Sessions) / float64(minute)
	return r
}

func TestStepByStepIsAsTheDefinitionsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, how := history(t, "s"), settings()
		how.Recent = rapid.IntRange(1, 12).Draw(t, "recent")
		got := feed("s", how, events).Row(feature.All)
		want := oracle(events, how)
		ignored := cmpopts.IgnoreFields(feature.UserRow{}, "Student", "ElapsedMean", "SessionAnswers", "SpacingAnswers", "SpacingTime", "First", "Last", "SinceFirst", "SinceLast", "History")
		if d := cmp.Diff(want, got, bits(), ignored); d != "" {
			t.Fatal(d)
		}
	})
}

func TestTheDigestNamesTheEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := history(t, "s")
		one := feed("s", settings(), events).Digest()
		if one != feature.Digest(events) || one != feed("s", settings(), events).Row(feature.All).History || len(one) != 32 {
			t.Fatalf("digests %s and %s", one, feature.Digest(events))
		}
		k := rapid.IntRange(0, len(events)-1).Draw(t, "changed")
		other := slices.Clone(events)
		switch rapid.IntRange(0, 5).Draw(t, "field") {
		case 0:
			other[k].Time++
		case 1:
			other[k].Item += "x"
		case 2:
			other[k].Item, other[k].Skill = other[k].Item+other[k].Skill[:1], other[k].Skill[1:] // the same bytes, cut elsewhere
		case 3:
			other[k].Correct = !other[k].Correct
		case 4:
			other[k].Elapsed++
		case 5:
			other = slices.Delete(other, k, k+1)
		}
		if feature.Digest(other) == one {
			t.Fatal("other events have the same digest")
		}
	})
}

func TestARowMovesToAnotherCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events, how := history(t, "s"), settings()
		how.Clock = rapid.Bool().Draw(t, "clock")
		last := events[len(events)-1].Time
		from := rapid.SampledFrom([]int64{feature.All, last + 1, last + hour}).Draw(t, "from")
		to := rapid.SampledFrom([]int64{feature.All, last + 1, last + 7*hour}).Draw(t, "to")
		s := feed("s", how, events)
		table := feature.UserTable([]feature.UserRow{s.Row(from)})
		feature.Recut(table, 0, how, to)
		if d := cmp.Diff(feature.UserTable([]feature.UserRow{s.Row(to)}), table, bits()); d != "" {
			t.Fatal(d)
		}
	})
}

func TestClocksAreToldFromOrders(t *testing.T) {
	for name, c := range map[string]struct {
		times []int64
		clock bool
	}{
		"none":    {nil, false},
		"order":   {[]int64{1 * second, 2 * second, 325_000 * second}, false},
		"ids":     {[]int64{38_310_225 * second, 20_224_085 * second}, false}, // order numbers of tens of millions
		"clock":   {[]int64{monday, monday + 1}, true},
		"mostly":  {[]int64{0, monday, monday + 1}, true}, // one clock was not set
		"a_third": {[]int64{0, 1, monday}, false},
	} {
		var k feature.Clock
		for _, at := range c.times {
			k.Add(at)
		}
		if k.IsClock() != c.clock || k.Seen() != int64(len(c.times)) {
			t.Errorf("%s: clock %v of %d", name, k.IsClock(), k.Seen())
		}
	}
}

func TestWrongSettingsAreNamed(t *testing.T) {
	for name, s := range map[string]feature.Settings{"recent": {Gap: 1}, "gap": {Recent: 1}, "long": {Recent: 1 << 20, Gap: 1}} {
		if s.Validate() == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := settings().Validate(); err != nil {
		t.Error(err)
	}
}
