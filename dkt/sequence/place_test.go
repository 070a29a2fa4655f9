package sequence_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/dataplane"
	"cohort/dkt/sequence"
)

func TestPredictedAnswersKnowTheirPlace(t *testing.T) {
	hs := []dataplane.History{history("b", 0, 1, 2, 0, 1, 2), history("a", 2, 1), history("c", 1), history("d", 0, 0, 0, 0)}
	s, err := sequence.Build(hs, 3, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []sequence.Place{{0, 1}, {1, 1}, {1, 2}, {1, 4}, {1, 5}, {2, 1}, {2, 2}} // c has one answer, d's last stands alone
	if d := cmp.Diff(want, s.Places(3)); d != "" {
		t.Error(d)
	}
	if s.Student(2) != "b" || s.Student(3) != "d" {
		t.Errorf("students %s and %s", s.Student(2), s.Student(3))
	}
}
