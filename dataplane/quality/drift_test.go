package quality_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/quality"
	"cohort/dkt/simulate"
)

// A learner's events, in order.
type history []dataplane.Event

// population simulates learners.
func population(t testing.TB, c simulate.Config) []history {
	t.Helper()
	all := make([]history, c.Students)
	masks := make([]string, c.Students)
	for k := range masks {
		masks[k] = mask(fmt.Sprint(c.Seed, k))
	}
	if _, err := simulate.Learners(c, func(a simulate.Answer) error {
		all[a.Student] = append(all[a.Student], dataplane.Event{
			Student: masks[a.Student], Time: a.Order, Item: fmt.Sprint(a.Problem), Skill: fmt.Sprint(a.Skill), Correct: a.Correct,
		})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func mask(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:16])
}

// check runs a dataset of some histories through all gates.
func check(t testing.TB, in quality.Input, all []history) (*quality.Report, *quality.Profile) {
	t.Helper()
	c, err := quality.New(in)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range all {
		for _, e := range h {
			if err := c.Event(e); err != nil {
				t.Fatal(err)
			}
		}
	}
	return c.Finish()
}

var driftOnly = wire.ValidateSpec{Drift: true}

// replay compares two draws of n and m learners, nobody in both, by seed.
func replay(t testing.TB, all []history, n, m int, seed uint64, change func(history) history) *quality.Drift {
	r := rand.New(rand.NewPCG(seed, 77))
	order := r.Perm(len(all))
	var ref, cand []history
	for _, k := range order[:n] {
		ref = append(ref, all[k])
	}
	for _, k := range order[n : n+m] {
		h := all[k]
		if change != nil {
			h = change(h)
		}
		cand = append(cand, h)
	}
	_, accepted := check(t, quality.Input{Spec: driftOnly}, ref)
	report, _ := check(t, quality.Input{Spec: driftOnly, Reference: accepted}, cand)
	if report.Drift.Why != "" {
		t.Fatal(report.Drift.Why)
	}
	return report.Drift
}

func alarms(d *quality.Drift) bool {
	for _, s := range d.Statistics {
		if s.Alarm {
			return true
		}
	}
	return false
}

// drawn is how many of so many draws are made.
func drawn(n int) int {
	if raced {
		return max(1, n/20)
	}
	return n
}

// Where nothing has changed, at most 1 comparison in 100 alarms.
func TestAReplayOfTheSamePopulationAlarmsInOneOfAHundredAtMost(t *testing.T) {
	for name, c := range map[string]struct {
		accepted, candidate, skills, answers, replays int
		few                                           bool // a twelfth of the students are on a course of their own
	}{
		"60-and-60":                 {accepted: 60, candidate: 60, skills: 30, answers: 20, replays: 1000},
		"150-and-150":               {accepted: 150, candidate: 150, skills: 30, answers: 20, replays: 300},
		"60-and-240-of-1000-skills": {accepted: 60, candidate: 240, skills: 1000, answers: 20, replays: 300},
		"240-and-60-of-12-skills":   {accepted: 240, candidate: 60, skills: 12, answers: 20, replays: 300},
		"60-and-60-of-two-courses":  {accepted: 60, candidate: 60, skills: 30, answers: 20, replays: 300, few: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			by := map[string]int{}
			n := 0
			var pool []history
			limit := map[int]int{1000: 21, 300: 9}[c.replays]
			for k := range drawn(c.replays) {
				if k%100 == 0 { // another world of skills, and other learners
					seed := uint32(k + c.accepted)
					pool = population(t, simulate.Config{Students: 1100, Skills: c.skills, Answers: c.answers, Seed: seed})
					if c.few {
						pool = append(pool, otherCourse(t, 100, seed)...)
					}
				}
				d := replay(t, pool, c.accepted, c.candidate, uint64(k), nil)
				if alarms(d) {
					n++
				}
				for _, s := range d.Statistics {
					if s.Alarm {
						by[s.Name]++
					}
				}
			}
			t.Logf("%d alarms in %d replays: %v", n, c.replays, by)
			// Were it 1 in 100, more than this would come of 1 in 1000 such tests.
			if n > limit {
				t.Errorf("%d alarms in %d replays", n, c.replays)
			}
		})
	}
}

// otherCourse is learners of other skills who answer more.
func otherCourse(t testing.TB, students int, seed uint32) []history {
	all := population(t, simulate.Config{Students: students, Skills: 12, Answers: 60, Seed: seed + 1<<20})
	for _, h := range all {
		for k := range h {
			h[k].Skill = "other " + h[k].Skill
		}
	}
	return all
}

// each changes a history event by event, by a stream of its own.
func each(change func(r *rand.Rand, e *dataplane.Event)) func(history) history {
	return func(h history) history {
		r := rand.New(rand.NewPCG(uint64(len(h)), uint64(h[0].Time)))
		out := make(history, len(h))
		for k, e := range h {
			change(r, &e)
			out[k] = e
		}
		return out
	}
}

// easiest is the skill with the greatest share right.
func easiest(all []history) (skill string) {
	n, right := map[string]float64{}, map[string]float64{}
	for _, h := range all {
		for _, e := range h {
			n[e.Skill]++
			if e.Correct {
				right[e.Skill]++
			}
		}
	}
	for _, s := range slices.Sorted(maps.Keys(n)) {
		if skill == "" || right[s]/n[s] > right[skill]/n[skill] {
			skill = s
		}
	}
	return skill
}

// What is worth an alarm is noticed, at the sizes stated, in most of the draws.
func TestChangesAreNoticed(t *testing.T) {
	pool := population(t, simulate.Config{Students: 5000, Skills: 30, Answers: 40, Seed: 5})
	easy := easiest(pool)
	for name, c := range map[string]struct {
		students int
		gate     string
		change   func(history) history
	}{
		"five-points-fewer-right": {1000, "answer_rate", each(func(r *rand.Rand, e *dataplane.Event) {
			if e.Correct && r.Float64() < 0.05/0.65 {
				e.Correct = false
			}
		})},
		"ten-points-fewer-right": {200, "answer_rate", each(func(r *rand.Rand, e *dataplane.Event) {
			if e.Correct && r.Float64() < 0.10/0.65 {
				e.Correct = false
			}
		})},
		"one-skill-of-thirty-graded-the-wrong-way-round": {500, "answer_rate", each(func(_ *rand.Rand, e *dataplane.Event) {
			if e.Skill == easy {
				e.Correct = !e.Correct
			}
		})},
		"half-of-four-skills-of-thirty-swapped-for-others": {600, "population", each(func(r *rand.Rand, e *dataplane.Event) {
			var k int
			if _, err := fmt.Sscan(e.Skill, &k); err == nil && k < 4 && r.Float64() < 0.5 {
				e.Skill = fmt.Sprint(k + 10)
			}
		})},
		"a-twentieth-of-the-answers-on-new-skills": {300, "population", each(func(r *rand.Rand, e *dataplane.Event) {
			if r.Float64() < 0.05 {
				e.Skill = "new " + e.Skill
			}
		})},
		"students-who-answer-half-as-often": {200, "population", func(h history) history { return h[:max(1, len(h)/2)] }},
	} {
		t.Run(name, func(t *testing.T) {
			draws := drawn(10)
			noticed := 0
			for seed := range uint64(draws) {
				d := replay(t, pool, c.students, c.students, seed, c.change)
				if slices.ContainsFunc(d.Statistics, func(s quality.Statistic) bool { return s.Alarm && s.Gate == c.gate }) {
					noticed++
				}
			}
			t.Logf("noticed in %d of %d draws of %d students", noticed, draws, c.students)
			if noticed < draws*8/10 {
				t.Errorf("noticed in %d of %d draws of %d students", noticed, draws, c.students)
			}
		})
	}
}

// Learners of another make are noticed: new to the subject, and in a course of
// their own.
func TestAPopulationOfNewStudentsIsNoticed(t *testing.T) {
	old := population(t, simulate.Config{Students: 300, Skills: 30, Answers: 40, Seed: 5})
	fresh := population(t, simulate.Config{Students: 300, Skills: 12, Answers: 25, Seed: 6})
	_, accepted := check(t, quality.Input{Spec: driftOnly}, old)
	r, _ := check(t, quality.Input{Spec: driftOnly, Reference: accepted}, fresh)
	if r.OK || !strings.Contains(r.Failure, "drift.population") || !strings.Contains(r.Failure, "is above") {
		t.Errorf("%v: %s", r.OK, r.Failure)
	}
	r, _ = check(t, quality.Input{Spec: driftOnly, Reference: accepted}, old)
	if !r.OK {
		t.Errorf("a dataset drifts from itself: %s", r.Failure)
	}
}

func TestTooFewStudentsAreNotCompared(t *testing.T) {
	all := population(t, simulate.Config{Students: 100, Skills: 10, Answers: 10, Seed: 5})
	_, accepted := check(t, quality.Input{Spec: driftOnly}, all)
	r, _ := check(t, quality.Input{Spec: driftOnly, Reference: accepted}, all[:49])
	if g := gate(t, r, "drift.population"); g.Status != quality.NotApplicable || !strings.Contains(g.Text, "49 students") || !r.OK {
		t.Errorf("%+v", g)
	}
}
