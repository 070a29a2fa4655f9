package dkt_test

import (
	"fmt"
	"slices"
	"testing"

	"cohort/dataplane"
	"cohort/dkt"
	"cohort/dkt/sequence"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// manySkills are students whose steps touch more rows than members derive alone.
func manySkills(t testing.TB, skills int) dkt.Data {
	t.Helper()
	all := make([]dataplane.History, 110)
	for k := range all {
		all[k].Student = fmt.Sprintf("%032x", k)
		for step := range 24 {
			w := kernels.Philox([2]uint32{9, 9}, [4]uint32{uint32(k), uint32(step)})
			all[k].Skill = append(all[k].Skill, int32(w[0]%uint32(skills)))
			all[k].Correct = append(all[k].Correct, uint8(w[1]%2))
		}
	}
	var d dkt.Data
	for part, set := range map[**sequence.Set][]dataplane.History{&d.Train: all[:80], &d.Valid: all[80:]} {
		var err error
		if *part, err = sequence.Build(set, 30, skills); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// What follows from many rows is shared between members, and moves no bit.
func TestMembersShareTheDerivation(t *testing.T) {
	const skills = 1500
	d := manySkills(t, skills)
	for name, change := range map[string]func(c *dkt.Config){
		"adam": func(*dkt.Config) {}, "lazy": func(c *dkt.Config) { c.Lazy = true },
		"direct":      func(c *dkt.Config) { c.Shape.Embed = 0 },
		"direct-lazy": func(c *dkt.Config) { c.Shape.Embed, c.Lazy = 0, true },
		"inputs":      func(c *dkt.Config) { c.Shape.Skills, c.Shape.Kinds, c.Shape.Levels = skills/3, 6, 3 },
		"inputs-lazy": func(c *dkt.Config) { c.Shape.Skills, c.Shape.Kinds, c.Shape.Levels, c.Lazy = skills/3, 6, 3, true },
		"inputs-direct": func(c *dkt.Config) {
			c.Shape.Skills, c.Shape.Kinds, c.Shape.Levels, c.Shape.Embed = skills/3, 6, 3, 0
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := config()
			c.Shape.Skills, c.Batch, c.Epochs = skills, 64, 2
			change(&c)
			alone := train(t, c, d, 1, cpu.Options{Path: cpu.Portable})[0]
			for _, members := range []int{2, 3} {
				for rank, st := range train(t, c, d, members, cpu.Options{Threads: 2}) {
					if st.BestHash != alone.BestHash {
						t.Errorf("member %d of %d has %s, alone %s", rank, members, st.BestHash, alone.BestHash)
					}
				}
			}
		})
	}
}

// Lazy Adam leaves rows alone that do not occur, dense Adam moves them on.
func TestLazyAdamUpdatesWhatOccurs(t *testing.T) {
	const skills = 1500
	d := manySkills(t, skills)
	c := config()
	c.Shape.Skills, c.Epochs, c.Decay = skills, 1, 0.1
	var occur [skills * 2]bool
	var asked [skills]bool
	for _, s := range d.Train.Seqs {
		for k := range s.In {
			occur[s.In[k]], asked[s.Ask[k]] = true, true
		}
	}
	begin := kernels.InitParams(c.Shape, c.Seed)
	for _, lazy := range []bool{false, true} {
		c.Lazy = lazy
		st := train(t, c, d, 1, cpu.Options{})[0]
		for x, here := range occur {
			at, end := x*c.Shape.Embed, (x+1)*c.Shape.Embed
			if same := slices.Equal(st.Params.E()[at:end], begin.E()[at:end]); same != (lazy && !here) {
				t.Fatalf("lazy %v: row %d occurs %v, is as it began %v", lazy, x, here, same)
			}
		}
		for q, here := range asked {
			if same := st.Params.Bout()[q] == begin.Bout()[q]; same != (lazy && !here) {
				t.Fatalf("lazy %v: bias %d asked %v, is as it began %v", lazy, q, here, same)
			}
		}
	}
}

// Of a model with further inputs lazy Adam moves the parts of what occurs.
func TestLazyAdamUpdatesThePartsOfWhatOccurs(t *testing.T) {
	d := manySkills(t, 1500)
	c := config()
	c.Shape.Skills, c.Shape.Kinds, c.Shape.Levels, c.Epochs, c.Decay, c.Lazy = 250, 12, 6, 1, 0.1, true
	var embeds, heads [2000]bool
	for k := range d.Train.Seqs {
		s := &d.Train.Seqs[k]
		for t := range s.In { // of few skills and kinds
			s.In[t], s.Ask[t] = s.In[t]%7+250*(s.In[t]%4), s.Ask[t]%9+250*(s.Ask[t]%5)
			own, more := c.Shape.EmbedParts(s.In[t])
			embeds[own], embeds[more] = true, true
			own, more = c.Shape.HeadParts(s.Ask[t])
			heads[own], heads[more] = true, true
		}
	}
	for k := range d.Valid.Seqs {
		s := &d.Valid.Seqs[k]
		for t := range s.In {
			s.In[t], s.Ask[t] = s.In[t]%7, s.Ask[t]%9
		}
	}
	begin := kernels.InitParams(c.Shape, c.Seed)
	st := train(t, c, d, 2, cpu.Options{})[0]
	for x := range c.Shape.EmbedRows() {
		at, end := x*c.Shape.Embed, (x+1)*c.Shape.Embed
		if same := slices.Equal(st.Params.E()[at:end], begin.E()[at:end]); same == embeds[x] {
			t.Errorf("row %d of E is part of what occurs: %v, is as it began: %v", x, embeds[x], same)
		}
	}
	for q := range c.Shape.HeadRows() {
		at, end := q*c.Shape.Hidden, (q+1)*c.Shape.Hidden
		if same := slices.Equal(st.Params.Wout()[at:end], begin.Wout()[at:end]); same == heads[q] {
			t.Errorf("row %d of the head is part of what is asked: %v, is as it began: %v", q, heads[q], same)
		}
		if same := st.Params.Bout()[q] == begin.Bout()[q]; same == heads[q] {
			t.Errorf("bias %d is part of what is asked: %v, is as it began: %v", q, heads[q], same)
		}
	}
}
