package simulate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"math"
	"strings"
	"testing"
)

func TestAWeekHasGoldenBytes(t *testing.T) {
	c := Config{Students: 20, Skills: 7, Answers: 30, Seed: 9}
	var b bytes.Buffer
	stats, err := WriteWeek(&b, c, Drift{Skill: 0.2, Item: 0.1, Gain: 0.1}, 3, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if int64(len(lines)) != stats.Answers+1 || lines[0] != WeekHeader || strings.Count(lines[1], ",") != 6 {
		t.Errorf("%d lines for %d answers, the first %q, %q", len(lines), stats.Answers, lines[0], lines[1])
	}
	sum := sha256.Sum256(b.Bytes())
	const golden = "268c4dd449aaa518"
	if got := hex.EncodeToString(sum[:8]); got != golden {
		t.Errorf("the week is %s, want %s", got, golden)
	}
}

// Without drift the weeks are the students of one world, who come one after
// another, each in one week.
func TestWeeksWithoutDriftAreOneWorld(t *testing.T) {
	c := Config{Students: 5, Skills: 4, Answers: 12, Seed: 3}
	whole := c
	whole.Students = 10
	var want, got []Answer
	keep := func(all *[]Answer) func(Answer) error {
		return func(a Answer) error {
			if a.At < 0 || a.At >= weekOf {
				t.Errorf("an answer at %d ms of the week", a.At)
			}
			a.At, a.Order = 0, 0
			*all = append(*all, a)
			return nil
		}
	}
	if _, err := Learners(whole, keep(&want)); err != nil {
		t.Fatal(err)
	}
	for week := range 2 {
		if _, err := Week(c, Drift{}, week, keep(&got)); err != nil {
			t.Fatal(err)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d answers, want %d", len(got), len(want))
	}
	for k := range got {
		if got[k] != want[k] {
			t.Fatalf("answer %d is %+v, want %+v", k, got[k], want[k])
		}
	}
}

// Difficulties move by what is asked for a week, and lie as far apart after a
// hundred weeks as at first.
func TestTheWorldMovesAndKeepsItsSpread(t *testing.T) {
	d := Drift{Skill: 0.25, Item: 0.05, Gain: 0.1}
	at := func(week int) *world {
		w := newWorld(Config{Students: 1, Skills: 500, Answers: 10, Seed: 5})
		w.drift(d, week)
		return w
	}
	first, next, late := at(0), at(1), at(100)
	for _, c := range []struct {
		name                   string
		a, b, c                []float64
		step, spread, tolerant float64
	}{
		{"skills", first.skill, next.skill, late.skill, d.Skill, hardness, 0.05},
		{"items", first.item, next.item, late.item, d.Item, itemSpread, 0.05},
	} {
		if got := apart(c.a, c.b); math.Abs(got/c.step-1) > 0.1 {
			t.Errorf("%s move %g in a week, want about %g", c.name, got, c.step)
		}
		if got := apart(c.c, make([]float64, len(c.c))); math.Abs(got/c.spread-1) > c.tolerant {
			t.Errorf("%s lie %g apart in the end, want %g", c.name, got, c.spread)
		}
	}
	if first.gain[0] != gain || next.gain[0] == gain || late.gain[0] <= 0 {
		t.Errorf("gains %g, %g, %g", first.gain[0], next.gain[0], late.gain[0])
	}
}

// apart is the root of the mean square of differences.
func apart(a, b []float64) float64 {
	sum := 0.0
	for k := range a {
		sum += (a[k] - b[k]) * (a[k] - b[k])
	}
	return math.Sqrt(sum / float64(len(a)))
}

func TestFaultsOfADriftAreNamed(t *testing.T) {
	for want, try := range map[string]func() (Stats, error){
		"skill drift": func() (Stats, error) { return Week(DefaultConfig(), Drift{Skill: 2}, 0, nil) },
		"item drift":  func() (Stats, error) { return Week(DefaultConfig(), Drift{Item: -1}, 0, nil) },
		"gain drift":  func() (Stats, error) { return Week(DefaultConfig(), Drift{Gain: math.NaN()}, 0, nil) },
		"week is -1":  func() (Stats, error) { return Week(DefaultConfig(), Drift{}, -1, nil) },
		"too many":    func() (Stats, error) { return Week(Config{Students: 1 << 28, Skills: 1, Answers: 2}, Drift{}, 40, nil) },
	} {
		if _, err := try(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
