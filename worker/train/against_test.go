package train

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt/checkpoint"
	"cohort/dkt/input"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// other is the school with its skills numbered from the other end.
func (s *school) other() *school {
	o := *s
	o.histories = slices.Clone(s.histories)
	for k := range o.histories {
		h := &o.histories[k]
		h.Skill = slices.Clone(h.Skill)
		for i, skill := range h.Skill {
			h.Skill[i] = int32(s.skills-1) - skill
		}
	}
	o.backwards = true
	return &o
}

func TestSkillsAreFoundByName(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(120).taught())
	old := r.trial(2)
	want := r.test(old)
	r.school = newSchool(120).taught().other()
	e, _, _ := r.evaluate(map[string]string{"weights": r.trial(1), "production": old})
	if e.Against != wire.Measures(want) {
		t.Errorf("with other ids %+v, want %+v", e.Against, want)
	}
}

// A model that knows fewer skills sees each window without the answers of those
// that it does not know; what it can't predict stays with the skill mean.
func TestAnswersOfUnknownSkillsAreLeftOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		const cut = 6
		names := []string{"a", "b", "c", "d"}
		model := rapid.SampledFrom([][]string{{"c", "a"}, {"x", "d", "b"}, {"d", "c", "b", "a"}, {"a"}}).Draw(t, "model")
		ids := make([]int32, len(names))
		for k, name := range names {
			ids[k] = int32(slices.Index(model, name))
		}
		var whole, known []dataplane.History
		var at []int
		first := 0
		for s := range rapid.IntRange(1, 4).Draw(t, "students") {
			h := dataplane.History{Student: fmt.Sprintf("%02d", s)}
			for range rapid.IntRange(2, 20).Draw(t, "answers") {
				h.Skill = append(h.Skill, rapid.Int32Range(0, 3).Draw(t, "skill"))
				h.Correct = append(h.Correct, uint8(rapid.IntRange(0, 1).Draw(t, "right")))
			}
			whole = append(whole, h)
			for begin := 0; begin+1 < len(h.Skill); begin += cut {
				end := min(begin+cut, len(h.Skill))
				w := dataplane.History{Student: fmt.Sprintf("%02d.%02d", s, begin)}
				for k := begin; k < end; k++ {
					if id := ids[h.Skill[k]]; id >= 0 {
						if w.Skill = append(w.Skill, id); len(w.Skill) > 1 {
							at = append(at, first+k-begin-1)
						}
						w.Correct = append(w.Correct, h.Correct[k])
					}
				}
				first += end - begin - 1
				known = append(known, w)
			}
		}
		test, err := sequence.Build(whole, cut, len(names))
		if err != nil {
			t.Fatal(err)
		}
		want, err := sequence.Build(known, cut, len(model))
		if err != nil {
			t.Fatal(err)
		}
		c := &comparison{test: test, data: &corpus{skills: names}}
		got, err := c.translate(t.Context(), checkpoint.Model{Skills: model})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.Seqs, got.set.Seqs); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(at, got.at); d != "" {
			t.Fatal(d)
		}
	})
}

func TestWhatTheModelInProductionDoesNotKnowStaysWithTheMean(t *testing.T) {
	t.Parallel()
	small := newSchool(120)
	for k := range small.histories {
		for i, skill := range small.histories[k].Skill {
			small.histories[k].Skill[i] = min(skill, 3)
		}
	}
	small.skills = 4
	r := newRound(t, 1, small)
	old := r.trial(2)
	r.school = newSchool(120)
	weights := r.trial(1)
	e, told, _ := r.evaluate(map[string]string{"weights": weights, "production": old})
	if e.Against.Answers != e.Of.Answers || e.Against == wire.Measures(told.Baselines["skill_mean"]) {
		t.Errorf("against %+v, the mean is %+v", e.Against, told.Baselines["skill_mean"])
	}
	r.school.strange = true
	if _, err := Evaluate(t.Context(), r.env(0), r.evaluation(map[string]string{"weights": weights, "production": old})); CauseOf(err) != wire.CauseFatal ||
		!strings.Contains(err.Error(), "knows none of the data's 5 skills") {
		t.Errorf("no skill in common: %v", err)
	}
}

// A model that takes difficulty and response times reads the test answers with the
// bounds that it was trained with, whatever those of today's data are.
func TestLevelsAndPacesAreReadAsTheModelDoes(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, nil)
	events := lake.NewEvents()
	for k := range 900 {
		e := dataplane.Event{
			Student: fmt.Sprintf("%032x", k%17), Time: int64(k), Item: fmt.Sprint("item", k*k%23), Skill: fmt.Sprint("skill", k*k%23%5),
			Correct: k*k%7 > k%3, Elapsed: int64(500 + k*37%4000),
		}
		if err := events.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	_, id, err := lake.WriteDataset(t.Context(), r.blobs, events, "mask")
	if err != nil {
		t.Fatal(err)
	}
	split := wire.Split{Test: 0.3, Valid: 0.2, Seed: 1}
	fit := func(names []string, levels, paces int) (*lake.Answers, *dataplane.Inputs) {
		a, err := lake.ReadAnswers(t.Context(), r.blobs, id, "combine")
		if err != nil {
			t.Fatal(err)
		}
		o := input.DefaultOptions()
		o.Names, o.Levels, o.Paces = names, levels, paces
		o.Trains = func(student string) bool {
			return sequence.PartByHash(student, split.Seed, split.Test, split.Valid) == sequence.Train
		}
		f, err := input.Add(input.Answers{Items: a.Items, Students: a.Students}, len(a.Skills), o)
		if err != nil {
			t.Fatal(err)
		}
		if f.Items != nil {
			f.Inputs.Items = r.put(f.Items)
		}
		return a, f.Inputs
	}
	const window = 10
	sets := func(a *lake.Answers, v kernels.Vocabulary) *sequence.Set {
		var test []dataplane.History
		for _, h := range a.Students {
			if sequence.PartByHash(h.Student, split.Seed, split.Test, split.Valid) == sequence.Test {
				test = append(test, h.History)
			}
		}
		set, err := sequence.BuildOf(test, window, v)
		if err != nil {
			t.Fatal(err)
		}
		return set
	}
	today, now := fit([]string{"difficulty", "elapsed"}, 8, 4)
	test := sets(today, input.Vocabulary(len(today.Skills), now))
	for name, c := range map[string]struct {
		names         []string
		levels, paces int
	}{
		"other bounds": {[]string{"difficulty", "elapsed"}, 3, 2},
		"levels":       {[]string{"difficulty"}, 5, 0},
		"paces":        {[]string{"elapsed"}, 0, 6},
		"same":         {[]string{"difficulty", "elapsed"}, 8, 4},
	} {
		then, in := fit(c.names, c.levels, c.paces)
		want := sets(then, input.Vocabulary(len(then.Skills), in))
		text, err := json.Marshal(in) // as a weights file holds it
		if err != nil {
			t.Fatal(err)
		}
		m := checkpoint.Model{Skills: then.Skills}
		if err := json.Unmarshal(text, &m.Inputs); err != nil {
			t.Fatal(err)
		}
		cmpr := &comparison{env: r.env(0), test: test, places: test.Places(window), data: &corpus{
			set: &lake.ShardSet{Dataset: id, MultiSkill: "combine"}, skills: today.Skills, inputs: now,
		}}
		got, err := cmpr.translate(t.Context(), m)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want.Seqs, got.set.Seqs); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if name != "same" {
			m.Inputs.Items = strings.Repeat("0", 64)
			if _, err := cmpr.translate(t.Context(), m); err == nil || !strings.Contains(err.Error(), "items of the model") {
				t.Errorf("%s without its items: %v", name, err)
			}
		}
	}
}
