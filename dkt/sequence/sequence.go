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
	if window < 2 {
		return nil, fmt.Errorf("window is %d answers, want at least 2", window)
	}
	sorted := slices.Clone(histories)
	slices.SortFunc(sorted, func(a, b dataplane.History) int { return cmp.Compare(a.Student, b.Student) })
	s := &Set{}
	for _, h := range sorted {
		if err := s.cut(h, window, skills); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func (s *Set) cut(h dataplane.History, window, skills int) error {
	if len(h.Skill) != len(h.Correct) {
		return fmt.Errorf("student %s has %d skills and %d answers", h.Student, len(h.Skill), len(h.Correct))
	}
	if h.Pace != nil && len(h.Pace) != len(h.Skill) {
		return fmt.Errorf("student %s has %d paces of %d answers", h.Student, len(h.Pace), len(h.Skill))
	}
	hash := StudentHash(h.Student)
	for at, w := 0, uint32(0); at < len(h.Skill); at, w = at+window, w+1 {
		end := min(at+window, len(h.Skill))
		if end-at < 2 {
			break
		}
		q := kernels.Sequence{ID: uint32(len(s.Seqs)), Ask: h.Skill[at+1 : end], Right: h.Correct[at+1 : end]}
		q.In = make([]int32, 0, end-1-at)
		for k := at; k < end; k++ {
			if h.Skill[k] < 0 || int(h.Skill[k]) >= skills {
				return fmt.Errorf("student %s: skill %d of %d", h.Student, h.Skill[k], skills)
			}
		}
		for k := at; k < end-1; k++ {
			q.In = append(q.In, h.Skill[k]+int32(skills)*kind(h, k))
		}
		s.Seqs = append(s.Seqs, q)
		s.keys = append(s.keys, key{h.Student, hash, w})
	}
	return nil
}

// kind is an answer's: correct + 2·pace.
func kind(h dataplane.History, k int) int32 {
	if h.Pace == nil {
		return int32(h.Correct[k])
	}
	return int32(h.Correct[k]) + 2*int32(h.Pace[k])
}

// Plain is the set as a model without further inputs sees it: skill k is of[k], of
// skills in all, and an answer is wrong or right.
func (s *Set) Plain(of []int32, skills int) *Set {
	out := &Set{keys: s.keys}
	for _, q := range s.Seqs {
		to := kernels.Sequence{ID: q.ID, Right: q.Right}
		for t, x := range q.In {
			skill, kind := int(x)%len(of), int(x)/len(of)
			to.In = append(to.In, of[skill]+int32(skills*(kind%2)))
			to.Ask = append(to.Ask, of[q.Ask[t]])
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
