package input

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/dataplane"
	"cohort/kernels"
)

const (
	skills   = 3
	perSkill = 6 // items; item k of a skill is the harder the larger k
)

// school are answers of students: the first digit of an id says whether he trains.
func school(seed uint64, students int) Answers {
	r := rand.New(rand.NewPCG(seed, 1))
	a := Answers{}
	for skill := range skills {
		for k := range perSkill {
			a.Items = append(a.Items, fmt.Sprintf("s%d-i%d", skill, k))
		}
	}
	for n := range students {
		h := dataplane.Answered{History: dataplane.History{Student: fmt.Sprintf("%d%031x", n%3/2, n)}}
		for range 40 {
			skill, k := r.IntN(skills), r.IntN(perSkill)
			right := uint8(0)
			if r.IntN(perSkill+1) > k {
				right = 1
			}
			h.Skill, h.Correct = append(h.Skill, int32(skill)), append(h.Correct, right)
			h.Item, h.Elapsed = append(h.Item, int32(skill*perSkill+k)), append(h.Elapsed, int32(r.IntN(5000)))
		}
		a.Students = append(a.Students, h)
	}
	return a
}

func trains(student string) bool { return student[0] == '0' }

func both() Options {
	o := DefaultOptions()
	o.Names, o.Trains, o.Levels = []string{Elapsed, Difficulty}, trains, 5
	return o
}

func add(t testing.TB, a Answers, o Options) Fitted {
	t.Helper()
	f, err := Add(a, skills, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestHarderItemsHaveHigherLevels(t *testing.T) {
	a := school(1, 300)
	f := add(t, a, both())
	if len(f.Inputs.Levels) != 4 || len(f.Items) != skills*perSkill || f.Inputs.Names[0] != Difficulty {
		t.Errorf("%+v of %d items", f.Inputs, len(f.Items))
	}
	m := NewMapping(f.Inputs, f.Items)
	for skill := range int32(skills) {
		for k := 1; k < perSkill; k++ {
			item := func(k int) string { return fmt.Sprintf("s%d-i%d", skill, k) }
			if m.Level(skill, item(k-1)) > m.Level(skill, item(k)) {
				t.Errorf("skill %d: item %d is at level %d, item %d at %d", skill, k-1, m.Level(skill, item(k-1)), k, m.Level(skill, item(k)))
			}
		}
		if low, high := m.Level(skill, fmt.Sprintf("s%d-i0", skill)), m.Level(skill, fmt.Sprintf("s%d-i%d", skill, perSkill-1)); low != 0 || high != 4 {
			t.Errorf("skill %d goes from level %d to %d", skill, low, high)
		}
		if l, mid := m.Level(skill, "never seen"), level(f.Inputs.Levels, 0); l != mid {
			t.Errorf("an unknown item is at level %d, one as hard as the skill at %d", l, mid)
		}
	}
}

// What a shard set says of its inputs is enough to read others' answers as it did.
func TestTheMappingReadsOthersAlike(t *testing.T) {
	a := school(2, 200)
	f := add(t, a, both())
	text, err := json.Marshal(f.Inputs)
	if err != nil {
		t.Fatal(err)
	}
	var in dataplane.Inputs
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	m := NewMapping(&in, f.Items)
	unknown := 0
	for _, h := range a.Students {
		for k, skill := range h.Skill {
			if !trains(h.Student) && h.Level[k] != m.Level(skill, a.Items[h.Item[k]]) {
				t.Fatalf("student %s, answer %d: level %d, the mapping has %d", h.Student, k, h.Level[k], m.Level(skill, a.Items[h.Item[k]]))
			}
			if h.Pace[k] != m.Pace(h.Elapsed[k]) || (h.Pace[k] == 0) != (h.Elapsed[k] == 0) {
				t.Fatalf("student %s, answer %d: %d ms are pace %d", h.Student, k, h.Elapsed[k], h.Pace[k])
			}
			if h.Pace[k] == 0 {
				unknown++
			}
		}
	}
	if unknown == 0 {
		t.Error("no response time is unknown: the test shows less than it says")
	}
	want := kernels.Vocabulary{Skills: skills, Levels: 5, Paces: 5}
	if v := Vocabulary(skills, &in); v != want {
		t.Errorf("vocabulary %+v, want %+v", v, want)
	}
	if v := Vocabulary(skills, nil); v != (kernels.Vocabulary{Skills: skills}) {
		t.Errorf("a plain vocabulary is %+v", v)
	}
}

// Students who do not train leave no trace in what is fitted, nor in what the
// others meet.
func TestNothingIsLearntFromWhoDoesNotTrain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		a, b := school(seed, 40), school(seed, 40)
		for n := range b.Students {
			h := &b.Students[n]
			for k := range h.Correct {
				if !trains(h.Student) {
					h.Correct[k] ^= 1
					h.Elapsed[k] += 777
				}
			}
		}
		f, err := Add(a, skills, both())
		if err != nil {
			t.Fatal(err)
		}
		g, err := Add(b, skills, both())
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(f, g); d != "" {
			t.Fatal(d)
		}
		for n, h := range a.Students {
			if !slices.Equal(h.Level, b.Students[n].Level) || trains(h.Student) && !slices.Equal(h.Pace, b.Students[n].Pace) {
				t.Fatalf("student %s meets other levels or paces", h.Student)
			}
		}
	})
}

// How a training student answered tells nothing of the levels that he meets: an
// item that only he has answered is one that nobody has.
func TestAnOwnAnswerDoesNotMakeAnItemHard(t *testing.T) {
	for right := range uint8(2) {
		a := school(3, 100)
		own := int32(len(a.Items))
		a.Items = append(a.Items, "own")
		var other int
		for n := range a.Students {
			h := &a.Students[n]
			if n == 0 {
				for k := range 20 {
					h.Item[k], h.Correct[k], h.Skill[k] = own, right, 1
				}
			} else if !trains(h.Student) {
				h.Item[0], h.Skill[0], other = own, 1, n
			}
		}
		f := add(t, a, both())
		middle := level(f.Inputs.Levels, 0)
		if h := a.Students[0]; h.Level[0] != middle {
			t.Errorf("right %d: the student meets his own item at level %d, unknown ones are at %d", right, h.Level[0], middle)
		}
		if want := map[uint8]uint8{0: 4, 1: 0}[right]; a.Students[other].Level[0] != want {
			t.Errorf("right %d: others meet it at level %d, want %d", right, a.Students[other].Level[0], want)
		}
	}
}

// Where each skill has one item there is nothing to tell apart, whatever a mean
// rounds to.
func TestOneItemASkillHasOneLevel(t *testing.T) {
	a := school(4, 90)
	for n := range a.Students {
		copy(a.Students[n].Item, a.Students[n].Skill)
	}
	if f := add(t, a, both()); len(f.Inputs.Levels) != 0 {
		t.Errorf("bounds %v", f.Inputs.Levels)
	}
}

func TestMissingColumnsAreNamed(t *testing.T) {
	for name, change := range map[string]func(a *Answers){
		Difficulty: func(a *Answers) { clear(a.Items) },
		Elapsed: func(a *Answers) {
			for n := range a.Students {
				if h := &a.Students[n]; trains(h.Student) {
					clear(h.Elapsed)
				}
			}
		},
	} {
		a := school(5, 30)
		change(&a)
		_, err := Add(a, skills, both())
		if missing, ok := errors.AsType[*MissingError](err); !ok || missing.Input != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestBoundsCutIntoEqualParts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOf(rapid.Int32Range(0, 30)).Draw(t, "values")
		parts := rapid.IntRange(1, 9).Draw(t, "parts")
		cuts := bounds(slices.Clone(values), parts)
		if len(cuts) >= parts || !slices.IsSorted(cuts) || len(slices.Compact(slices.Clone(cuts))) != len(cuts) {
			t.Fatalf("bounds %v for %d parts", cuts, parts)
		}
		for k := range len(cuts) + 1 {
			in := 0
			for _, v := range values {
				above := k == 0 || v >= cuts[k-1]
				if above && (k == len(cuts) || v < cuts[k]) {
					in++
				}
			}
			if in == 0 && len(values) > 0 {
				t.Fatalf("part %d of %v by %v is empty", k, values, cuts)
			}
		}
	})
	if got := bounds([]int32{5, 1, 4, 2, 3, 6}, 3); !slices.Equal(got, []int32{3, 5}) {
		t.Errorf("thirds of 1 to 6 begin at %v", got)
	}
}
