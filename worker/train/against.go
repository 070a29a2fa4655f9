package train

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt/baseline"
	"cohort/dkt/checkpoint"
	"cohort/dkt/input"
	"cohort/dkt/sequence"
	"cohort/kernels"
)

// baseline are the logits of what the candidate is compared with: the model in
// production, and the per-skill mean for the answers that it cannot predict, or
// for all where there is none.
func (c *comparison) baseline(ctx context.Context) ([]float32, error) {
	skills := len(c.data.skills)
	z, err := baseline.SkillMeanLogits(c.data.parts[sequence.Train].Plain(skills), c.test.Plain(skills), skills)
	if err != nil {
		return nil, fmt.Errorf("skill mean: %w", err)
	}
	hash := c.a.Stage.Inputs["production"]
	if hash == "" {
		return z, nil
	}
	p, m, err := checkpoint.LoadWeights(ctx, c.env.Blobs, hash)
	if err != nil {
		return nil, fmt.Errorf("weights in production: %w", err)
	}
	t, err := c.translate(ctx, m)
	if err != nil {
		return nil, err
	}
	if want := t.to.Shape(p.Shape); p.Shape != want {
		return nil, inputf("weights in production %s are of shape %+v, their vocabulary says %+v", hash, p.Shape, want)
	}
	found, err := c.logits(specOf(m), p, t.set)
	if err != nil {
		return nil, fmt.Errorf("test of the model in production: %w", err)
	}
	for k, at := range t.at {
		z[at] = found[k]
	}
	if left := len(z) - len(t.at); left > 0 {
		c.env.Logger.Info("the model in production does not know all skills: the per-skill mean stands in", "answers", left, "of", len(z))
	}
	return z, nil
}

// specOf says which engine reads weights: only the graph knows other cells.
func specOf(m checkpoint.Model) wire.ModelSpec {
	if m.Cell == "" {
		return wire.ModelSpec{}
	}
	return wire.ModelSpec{Engine: engineGraph, Cell: m.Cell}
}

// translation are test answers as another model reads them.
type translation struct {
	to  kernels.Vocabulary
	set *sequence.Set
	at  []int // where in the test set each predicted answer stands
}

// window are the answers of a sequence, with all that models may take.
type window struct {
	skill              []int32
	right, level, pace []uint8
}

// translate puts the test answers into a model's vocabulary: its skills by name,
// its own levels and paces. Answers of skills that it does not know are left out.
func (c *comparison) translate(ctx context.Context, m checkpoint.Model) (*translation, error) {
	ids := map[string]int32{}
	for k, name := range m.Skills {
		ids[name] = int32(k)
	}
	known := make([]int32, len(c.data.skills))
	if !slices.ContainsFunc(c.data.skills, func(name string) bool { _, ok := ids[name]; return ok }) {
		return nil, inputf("the model in production knows none of the data's %d skills, such as %q: register under another name", len(known), c.data.skills[0])
	}
	for k, name := range c.data.skills {
		id, ok := ids[name]
		if known[k] = id; !ok {
			known[k] = -1
		}
	}
	t := &translation{to: input.Vocabulary(len(m.Skills), m.Inputs), set: &sequence.Set{}}
	windows := c.windows()
	if m.Inputs != nil && !reflect.DeepEqual(m.Inputs, c.data.inputs) {
		if err := c.reread(ctx, m.Inputs, known, windows); err != nil {
			return nil, err
		}
	}
	first := 0
	for _, w := range windows {
		w.only(t.to)
		t.add(w, known, first)
		first += len(w.skill) - 1
	}
	return t, nil
}

// windows takes the test sequences apart.
func (c *comparison) windows() []window {
	v := input.Vocabulary(len(c.data.skills), c.data.inputs)
	skills, levels := int32(v.Skills), int32(max(v.Levels, 1))
	all := make([]window, len(c.test.Seqs))
	for k, q := range c.test.Seqs {
		w := &all[k]
		for _, x := range q.In {
			value := x / skills / 2
			w.add(x%skills, uint8(x/skills%2), uint8(value%levels), uint8(value/levels))
		}
		last := len(q.Ask) - 1
		w.add(q.Ask[last]%skills, q.Right[last], uint8(q.Ask[last]/skills), 0) // its pace is not asked for
	}
	return all
}

func (w *window) add(skill int32, right, level, pace uint8) {
	w.skill, w.right, w.level, w.pace = append(w.skill, skill), append(w.right, right), append(w.level, level), append(w.pace, pace)
}

// only forgets what a model does not take.
func (w *window) only(v kernels.Vocabulary) {
	if v.Levels == 0 {
		clear(w.level)
	}
	if v.Paces == 0 {
		clear(w.pace)
	}
}

// add cuts a window down to the skills that are known; its predicted answers are
// first and those after in the test set.
func (t *translation) add(w window, known []int32, first int) {
	var q kernels.Sequence
	last := -1
	for k, skill := range w.skill {
		skill = known[skill]
		if skill < 0 {
			continue
		}
		if last >= 0 {
			q.In = append(q.In, t.to.Interaction(known[w.skill[last]], w.right[last], w.level[last], w.pace[last]))
			q.Ask, q.Right = append(q.Ask, t.to.Ask(skill, w.level[k])), append(q.Right, w.right[k])
			t.at = append(t.at, first+k-1)
		}
		last = k
	}
	if len(q.In) > 0 {
		q.ID = uint32(len(t.set.Seqs))
		t.set.Seqs = append(t.set.Seqs, q)
	}
}

// reread finds levels and paces as a model reads them, from the events themselves:
// its bounds are those of the data that it was trained on.
func (c *comparison) reread(ctx context.Context, in *dataplane.Inputs, known []int32, windows []window) error {
	answers, err := lake.ReadAnswers(ctx, c.env.Blobs, c.data.set.Dataset, c.data.set.MultiSkill)
	if err != nil {
		return fmt.Errorf("read answers for the model in production: %w", err)
	}
	items := map[string]dataplane.Difficulty{}
	if in.Items != "" {
		text, err := lake.Read(ctx, c.env.Blobs, in.Items)
		if err != nil {
			return fmt.Errorf("items of the model in production: %w", err)
		}
		if err := json.Unmarshal(text, &items); err != nil {
			return fmt.Errorf("items of the model in production: %w", err)
		}
	}
	by := map[string]*dataplane.Answered{}
	for k := range answers.Students {
		by[answers.Students[k].Student] = &answers.Students[k]
	}
	mapping, at := input.NewMapping(in, items), 0
	for k := range windows {
		h, first, n := by[c.test.Student(k)], int(c.places[at].Position)-1, len(windows[k].skill)
		at += n - 1
		if h == nil || len(h.Skill) < first+n {
			return fmt.Errorf("the dataset's answers are not those of its shards: student %s", c.test.Student(k))
		}
		for i := range n {
			windows[k].reread(i, mapping, in, known, h.Elapsed[first+i], answers.Items[h.Item[first+i]])
		}
	}
	return nil
}

// reread sets the level and the pace of answer i.
func (w *window) reread(i int, m *input.Mapping, in *dataplane.Inputs, known []int32, elapsed int32, item string) {
	w.level[i], w.pace[i] = 0, m.Pace(elapsed)
	if skill := known[w.skill[i]]; skill >= 0 && len(in.Means) > 0 {
		w.level[i] = m.Level(skill, item)
	}
}
