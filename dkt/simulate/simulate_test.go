package simulate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestTheSameConfigGivesTheSameBytes(t *testing.T) {
	c := Config{Students: 20, Skills: 7, Answers: 30, Seed: 9}
	var a, b bytes.Buffer
	stats, err := WriteCSV(&a, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteCSV(&b, c); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Fatal("two runs differ")
	}
	if lines := int64(strings.Count(a.String(), "\n")); lines != stats.Answers+1 {
		t.Errorf("%d lines for %d answers", lines, stats.Answers)
	}
	sum := sha256.Sum256(a.Bytes())
	const golden = "387832ee5e14c1ae"
	if got := hex.EncodeToString(sum[:8]); got != golden {
		t.Errorf("the events are %s, want %s", got, golden)
	}
	c.Seed++
	b.Reset()
	if _, err := WriteCSV(&b, c); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("another seed gives the same events")
	}
}

// A learner answers alike whoever else is simulated.
func TestALearnerDoesNotDependOnTheOthers(t *testing.T) {
	draw := func(students int) []Answer {
		var all []Answer
		_, err := Learners(Config{Students: students, Skills: 5, Answers: 10, Seed: 3}, func(a Answer) error {
			if a.Student == 1 {
				a.Order = 0
				all = append(all, a)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	few, many := draw(2), draw(40)
	if len(few) == 0 || len(few) != len(many) {
		t.Fatalf("%d answers with 2 learners, %d with 40", len(few), len(many))
	}
	for k := range few {
		if few[k] != many[k] {
			t.Fatalf("answer %d: %+v and %+v", k, few[k], many[k])
		}
	}
}

func TestLearnersLearnAndForget(t *testing.T) {
	w := newWorld(Config{Students: 1, Skills: 6, Answers: 10, Seed: 1})
	l := newLearner(w, 0)
	if l.kept(2) != 0 {
		t.Fatal("a skill never practised has a gain")
	}
	l.now = 1
	l.practise(2)
	first := l.kept(2)
	l.now = 2
	l.practise(2)
	l.now = 3
	second := l.kept(2)
	if !(first > 0 && second > first && second-first < first) {
		t.Errorf("gains %g, %g: want rising, with diminishing returns", first, second)
	}
	l.now = 400
	if faded := l.kept(2); faded >= second || faded <= 0 {
		t.Errorf("after a long time %g of %g is left", faded, second)
	}
}

func TestFaultsAreNamed(t *testing.T) {
	_, err := Learners(Config{Students: 0, Skills: -1, Answers: 1}, nil)
	for _, name := range []string{"students", "skills", "answers"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(p), nil
}

func TestAFullDiskIsAnError(t *testing.T) {
	for _, room := range []int{0, 1 << 17} {
		if _, err := WriteCSV(&full{room}, DefaultConfig()); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("room for %d bytes: %v", room, err)
		}
	}
}

func BenchmarkLearners(b *testing.B) {
	var answers int64
	for b.Loop() {
		stats, err := WriteCSV(io.Discard, DefaultConfig())
		if err != nil {
			b.Fatal(err)
		}
		answers += stats.Answers
	}
	b.ReportMetric(float64(answers)/b.Elapsed().Seconds(), "answers/s")
}
