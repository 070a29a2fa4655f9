package sequence_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/dataplane"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

func history(student string, skills ...int32) dataplane.History {
	h := dataplane.History{Student: student, Skill: skills}
	for k := range skills {
		h.Correct = append(h.Correct, uint8(k%2))
	}
	return h
}

func TestWindowsAreCutInCanonicalOrder(t *testing.T) {
	s, err := sequence.Build([]dataplane.History{history("b", 0, 1, 2, 0, 1), history("a", 2, 1), history("c", 1)}, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []kernels.Sequence{
		{ID: 0, In: []int32{2}, Ask: []int32{1}, Right: []uint8{1}},
		{ID: 1, In: []int32{0}, Ask: []int32{1}, Right: []uint8{1}},
		{ID: 2, In: []int32{2}, Ask: []int32{0}, Right: []uint8{1}}, // the fifth answer stands alone and is dropped
	}
	if d := cmp.Diff(want, s.Seqs); d != "" {
		t.Error(d)
	}
	if s.Answers() != 3 {
		t.Errorf("%d answers", s.Answers())
	}
	right := history("r", 1, 1, 1)
	right.Correct = []uint8{1, 1, 0}
	s, err = sequence.Build([]dataplane.History{right}, 200, 3)
	if err != nil || !slices.Equal(s.Seqs[0].In, []int32{4, 4}) || !slices.Equal(s.Seqs[0].Right, []uint8{1, 0}) {
		t.Errorf("%+v, %v: a right answer is skill + Q", s.Seqs, err)
	}
}

func TestBadHistoriesAreNamed(t *testing.T) {
	short := history("s", 1, 2)
	short.Correct = nil
	for name, c := range map[string]struct {
		h      dataplane.History
		window int
	}{"window": {history("s", 0, 0), 1}, "skill": {history("s", 0, 9), 5}, "minus": {history("s", -1, 0), 5}, "lengths": {short, 5}} {
		if _, err := sequence.Build([]dataplane.History{c.h}, c.window, 3); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// With levels of 3 and paces of 4 an answer's kind is correct + 2·(level + 3·pace),
// and a question is skill + Q·level.
func TestLevelsAndPacesEnterTheSequences(t *testing.T) {
	h := history("a", 0, 1, 2)
	h.Level, h.Pace = []uint8{2, 0, 1}, []uint8{3, 1, 0}
	v := kernels.Vocabulary{Skills: 3, Levels: 3, Paces: 4}
	s, err := sequence.BuildOf([]dataplane.History{h}, 9, v)
	if err != nil {
		t.Fatal(err)
	}
	want := []kernels.Sequence{{In: []int32{3 * 2 * (2 + 3*3), 1 + 3*(1+2*(0+3*1))}, Ask: []int32{1, 2 + 3*1}, Right: []uint8{1, 0}}}
	if d := cmp.Diff(want, s.Seqs); d != "" {
		t.Error(d)
	}
	plain, err := sequence.Build([]dataplane.History{history("a", 0, 1, 2)}, 9, 3)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(plain.Seqs, s.Plain(3).Seqs); d != "" {
		t.Error(d)
	}
	if !slices.Equal(plain.Order(1, 2), s.Plain(3).Order(1, 2)) {
		t.Error("the plain set has another order")
	}
	paced := h
	paced.Level = nil
	if s, err := sequence.BuildOf([]dataplane.History{paced}, 9, kernels.Vocabulary{Skills: 3, Paces: 4}); err != nil || s.Seqs[0].In[0] != 3*2*3 || s.Seqs[0].Ask[1] != 2 {
		t.Errorf("paces alone: %+v, %v", s, err)
	}
	for name, v := range map[string]kernels.Vocabulary{
		"plain": {Skills: 3}, "level": {Skills: 3, Levels: 2, Paces: 4}, "pace": {Skills: 3, Levels: 3, Paces: 3}, "no-level": {Skills: 3, Paces: 4},
	} {
		if _, err := sequence.BuildOf([]dataplane.History{h}, 9, v); err == nil {
			t.Errorf("%s: a history of levels below 3 and paces below 4 was taken by %+v", name, v)
		}
	}
	short := h
	short.Pace = h.Pace[1:]
	if _, err := sequence.BuildOf([]dataplane.History{short}, 9, v); err == nil {
		t.Error("paces of some answers were taken")
	}
}

func set(t testing.TB, n int) *sequence.Set {
	t.Helper()
	var all []dataplane.History
	for k := range n {
		all = append(all, history(fmt.Sprintf("%032x", k), 0, 1, 0))
	}
	s, err := sequence.Build(all, 10, 2)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheOrderFollowsSeedAndEpochOnly(t *testing.T) {
	s := set(t, 50)
	order := s.Order(1, 0)
	sorted := slices.Sorted(slices.Values(order))
	for k, v := range sorted {
		if v != int32(k) {
			t.Fatalf("the order is no permutation: %v", order)
		}
	}
	if d := cmp.Diff(order, s.Order(1, 0)); d != "" {
		t.Error(d)
	}
	for name, other := range map[string][]int32{"seed": s.Order(2, 0), "epoch": s.Order(1, 1)} {
		if slices.Equal(order, other) {
			t.Errorf("another %s gives the same order", name)
		}
	}
	// A student's place does not depend on who else is there.
	few := set(t, 25).Order(1, 0)
	var kept []int32
	for _, v := range order {
		if v < 25 {
			kept = append(kept, v)
		}
	}
	if d := cmp.Diff(few, kept); d != "" {
		t.Error(d)
	}
}

func TestSplits(t *testing.T) {
	var count [3]int
	for k := range 10_000 {
		id := fmt.Sprint("student", k)
		p := sequence.PartByHash(id, 7, 0.2, 0.1)
		if p != sequence.PartByHash(id, 7, 0.2, 0.1) {
			t.Fatal("a student changes side")
		}
		if p == sequence.Test && sequence.PartByHash(id, 7, 0.5, 0.1) != sequence.Test {
			t.Fatal("a larger test part leaves a test student out")
		}
		count[p]++
	}
	for part, share := range map[sequence.Part]float64{sequence.Train: 0.7, sequence.Valid: 0.1, sequence.Test: 0.2} {
		if got := float64(count[part]) / 10_000; math.Abs(got-share) > 0.02 {
			t.Errorf("%s has %g, want %g", part, got, share)
		}
	}
	for fold, want := range map[int]sequence.Part{1: sequence.Test, 2: sequence.Valid, 3: sequence.Train} {
		if got := sequence.PartByFold(fold, 1, 2); got != want {
			t.Errorf("fold %d is %s", fold, got)
		}
	}
}

func TestDivideAsksForEachStudent(t *testing.T) {
	hs := []dataplane.History{history("a", 0, 1), history("b", 0, 1)}
	parts, err := sequence.Divide(hs, func(s string) (sequence.Part, error) {
		if s == "a" {
			return sequence.Test, nil
		}
		return sequence.Train, nil
	})
	if err != nil || len(parts[sequence.Test]) != 1 || len(parts[sequence.Train]) != 1 {
		t.Errorf("%v, %v", parts, err)
	}
	unknown := errors.New("unknown")
	if _, err := sequence.Divide(hs, func(string) (sequence.Part, error) { return 0, unknown }); !errors.Is(err, unknown) {
		t.Error(err)
	}
}
