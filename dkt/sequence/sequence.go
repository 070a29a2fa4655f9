// Package sequence turns students' histories into the units of training:
// windows of one student in canonical order, the order of an epoch, the deal
// of a step over members, and the split of students.
package sequence

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"cohort/dataplane"
	"cohort/kernels"
)

// Set are sequences in canonical order: by masked student, then window.
type Set struct {
	Seqs []kernels.Sequence // Seqs[k].ID is k
	keys []key
}

type key struct {
	student string
	hash    uint64
	window  uint32
}

// Build cuts each history into windows of at most window answers and drops
// windows of fewer than two: the first answer of a window is not predicted.
func Build(histories []dataplane.History, window, skills int) (*Set, error) {
	return BuildOf(histories, window, kernels.Vocabulary{Skills: skills})
}

// BuildOf is Build for a model that may take more than skill and correctness.
func BuildOf(histories []dataplane.History, window int, v kernels.Vocabulary) (*Set, error) {
	if window < 2 {
		return nil, fmt.Errorf("window is %d answers, want at least 2", window)
	}
	sorted := slices.Clone(histories)
	slices.SortFunc(sorted, func(a, b dataplane.History) int { return cmp.Compare(a.Student, b.Student) })
	s := &Set{}
	for _, h := range sorted {
		if err := check(h, v); err != nil {
			return nil, err
		}
		s.cut(h, window, v)
	}
	return s, nil
}

// check holds a history against the vocabulary.
func check(h dataplane.History, v kernels.Vocabulary) error {
	if len(h.Skill) != len(h.Correct) {
		return fmt.Errorf("student %s has %d skills and %d answers", h.Student, len(h.Skill), len(h.Correct))
	}
	for _, skill := range h.Skill {
		if skill < 0 || int(skill) >= v.Skills {
			return fmt.Errorf("student %s: skill %d of %d", h.Student, skill, v.Skills)
		}
	}
	for _, extra := range []struct {
		name   string
		values []uint8
		n      int
	}{{"level", h.Level, v.Levels}, {"pace", h.Pace, v.Paces}} {
		if want := min(extra.n, 1) * len(h.Skill); len(extra.values) != want {
			return fmt.Errorf("student %s has %d %ss of %d answers, want %d", h.Student, len(extra.values), extra.name, len(h.Skill), want)
		}
		for _, x := range extra.values {
			if int(x) >= extra.n {
				return fmt.Errorf("student %s: %s %d of %d", h.Student, extra.name, x, extra.n)
			}
		}
	}
	return nil
}

func (s *Set) cut(h dataplane.History, window int, v kernels.Vocabulary) {
	hash := StudentHash(h.Student)
	at := func(values []uint8, k int) uint8 {
		if values == nil {
			return 0
		}
		return values[k]
	}
	for first, w := 0, uint32(0); first+1 < len(h.Skill); first, w = first+window, w+1 {
		end := min(first+window, len(h.Skill))
		q := kernels.Sequence{
			ID: uint32(len(s.Seqs)), In: make([]int32, 0, end-1-first), Ask: h.Skill[first+1 : end], Right: h.Correct[first+1 : end],
		}
		for k := first; k < end-1; k++ {
			q.In = append(q.In, v.Interaction(h.Skill[k], h.Correct[k], at(h.Level, k), at(h.Pace, k)))
		}
		if v.Levels > 0 {
			q.Ask = make([]int32, 0, end-1-first)
			for k := first + 1; k < end; k++ {
				q.Ask = append(q.Ask, v.Ask(h.Skill[k], h.Level[k]))
			}
		}
		s.Seqs = append(s.Seqs, q)
		s.keys = append(s.keys, key{h.Student, hash, w})
	}
}

// Plain is the set as a model of so many skills sees it that takes nothing beside
// skill and correctness.
func (s *Set) Plain(skills int) *Set {
	out := &Set{keys: s.keys}
	for _, q := range s.Seqs {
		to := kernels.Sequence{ID: q.ID, Right: q.Right}
		for t, x := range q.In {
			to.In, to.Ask = append(to.In, x%int32(2*skills)), append(to.Ask, q.Ask[t]%int32(skills))
		}
		out.Seqs = append(out.Seqs, to)
	}
	return out
}

// Answers is the number of predicted answers of the set.
func (s *Set) Answers() int64 {
	var n int64
	for _, q := range s.Seqs {
		n += int64(len(q.In))
	}
	return n
}

// Right are the set's predicted answers, 0 or 1, in the order of its sequences.
func (s *Set) Right() []uint8 {
	var right []uint8
	for _, q := range s.Seqs {
		right = append(right, q.Right...)
	}
	return right
}

// Order is the order of an epoch: by a 64-bit Philox key of (epoch, student,
// window), then by student and window.
func (s *Set) Order(seed, epoch uint32) []int32 {
	draws := make([]uint64, len(s.Seqs))
	order := make([]int32, len(s.Seqs))
	for k, v := range s.keys {
		order[k] = int32(k)
		ctr := [4]uint32{epoch, uint32(v.hash), uint32(v.hash >> 32), v.window}
		w := kernels.Philox([2]uint32{seed, kernels.PurposeOrder}, ctr)
		draws[k] = uint64(w[0]) | uint64(w[1])<<32
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(draws[a], draws[b]), cmp.Compare(a, b)) // a < b is (student, window)
	})
	return order
}

// StudentHash is the first 8 bytes of the SHA-256 of a masked student id,
// little-endian.
func StudentHash(student string) uint64 {
	sum := sha256.Sum256([]byte(student))
	return binary.LittleEndian.Uint64(sum[:])
}
