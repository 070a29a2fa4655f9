package quality_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
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

// Where nothing has changed, at most 1 comparison in 100 alarms.
func TestAReplayOfTheSamePopulationAlarmsInOneOfAHundredAtMost(t *testing.T) {
	for _, c := range []struct{ accepted, candidate, skills, answers, replays int }{
		{60, 60, 30, 20, 1000},
		{150, 150, 30, 20, 300},
		{60, 240, 120, 20, 300},
		{240, 60, 12, 20, 300},
	} {
		t.Run(fmt.Sprintf("%d-%d", c.accepted, c.candidate), func(t *testing.T) {
			t.Parallel()
			by := map[string]int{}
			n := 0
			var pool []history
			for k := range c.replays {
				if k%100 == 0 { // another world of skills, and other learners
					pool = population(t, simulate.Config{Students: 1500, Skills: c.skills, Answers: c.answers, Seed: uint32(k + c.accepted)})
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
			// 1 in 100 gives more than this in 1 of 1000 such tests.
			if limit := map[int]int{1000: 21, 300: 9}[c.replays]; n > limit {
				t.Errorf("%d alarms in %d replays", n, c.replays)
			}
		})
	}
}
