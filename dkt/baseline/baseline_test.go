package baseline_test

import (
	"errors"
	"fmt"
	"testing"

	"cohort/dataplane"
	"cohort/dkt/baseline"
	"cohort/dkt/sequence"
	"cohort/dkt/simulate"
)

const skills = 10

// sets are simulated students, three quarters to learn from.
func sets(t *testing.T) (train, test *sequence.Set) {
	t.Helper()
	all := make([]dataplane.History, 400)
	_, err := simulate.Learners(simulate.Config{Students: len(all), Skills: skills, Answers: 30, Seed: 3}, func(a simulate.Answer) error {
		h := &all[a.Student]
		h.Student = fmt.Sprintf("%032x", a.Student)
		right := uint8(0)
		if a.Correct {
			right = 1
		}
		h.Skill, h.Correct = append(h.Skill, int32(a.Skill)), append(h.Correct, right)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	build := func(h []dataplane.History) *sequence.Set {
		s, err := sequence.Build(h, 200, skills)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	return build(all[:300]), build(all[300:])
}

func TestLogisticBeatsTheSkillMeanBeatsChance(t *testing.T) {
	train, test := sets(t)
	mean, err := baseline.SkillMean(train, test, skills)
	if err != nil {
		t.Fatal(err)
	}
	logistic, err := baseline.Logistic(train, test, skills, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !(logistic.AUC > mean.AUC+0.02 && mean.AUC > 0.52) || mean.Answers != test.Answers() || logistic.Answers != mean.Answers {
		t.Errorf("logistic %+v, mean %+v", logistic, mean)
	}
	if logistic.Calibration > 0.1 || mean.Calibration > 0.1 {
		t.Errorf("calibration %g and %g", logistic.Calibration, mean.Calibration)
	}
	again, err := baseline.Logistic(train, test, skills, 1)
	if err != nil || again != logistic {
		t.Errorf("a second fit gives %+v, %v", again, err)
	}
}

func TestEmptySetsAreErrors(t *testing.T) {
	train, _ := sets(t)
	none := &sequence.Set{}
	if _, err := baseline.SkillMean(none, train, skills); !errors.Is(err, baseline.ErrEmpty) {
		t.Error(err)
	}
	if _, err := baseline.SkillMean(train, none, skills); !errors.Is(err, baseline.ErrEmpty) {
		t.Error(err)
	}
	if _, err := baseline.Logistic(train, none, skills, 1); !errors.Is(err, baseline.ErrEmpty) {
		t.Error(err)
	}
}
