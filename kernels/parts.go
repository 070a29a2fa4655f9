package kernels

import "slices"

// A model may take more of an answer than skill and correctness, few values of
// it. Then an interaction is skill + Q·kind, kind = correct + 2·value, and its row
// is the sum of two rows of E: that of (skill, correct) and that of the kind. What
// is asked is skill + Q·level, and its row of the head is the sum of the skill's and
// the level's. So a value that is rare with one skill is learnt from all.

// Vocabulary is what a model's sequences are made of.
type Vocabulary struct {
	Skills int
	Levels int // of items; 0: not taken
	Paces  int // of answers; 0: not taken
}

// Shape sets the numbers that follow from the vocabulary.
func (v Vocabulary) Shape(s Shape) Shape {
	s.Skills, s.Levels, s.Kinds = v.Skills, v.Levels, 0
	if v.Levels+v.Paces > 0 {
		s.Kinds = 2 * max(v.Levels, 1) * max(v.Paces, 1)
	}
	return s
}

// Interaction is an answer's; level and pace are 0 where they are not taken.
func (v Vocabulary) Interaction(skill int32, right, level, pace uint8) int32 {
	value := int32(level) + int32(max(v.Levels, 1))*int32(pace)
	return skill + int32(v.Skills)*(int32(right)+2*value)
}

// Ask is a question's.
func (v Vocabulary) Ask(skill int32, level uint8) int32 {
	return skill + int32(v.Skills)*int32(level)
}

// Rows is the number of interactions: 2Q, or K·Q with kinds.
func (s Shape) Rows() int {
	if s.Kinds == 0 {
		return 2 * s.Skills
	}
	return s.Kinds * s.Skills
}

// Asks is the number of what can be asked: Q, or V·Q with levels.
func (s Shape) Asks() int { return s.Skills * max(s.Levels, 1) }

// EmbedRows is the number of rows of E: 2Q, and after them K of the kinds.
func (s Shape) EmbedRows() int { return 2*s.Skills + s.Kinds }

// HeadRows is the number of rows of the head: Q, and after them V of the levels.
func (s Shape) HeadRows() int { return s.Skills + s.Levels }

// EmbedParts are the rows of E whose sum is that of interaction x. Without kinds
// there is one, and more is -1.
func (s Shape) EmbedParts(x int32) (own, more int32) {
	if s.Kinds == 0 {
		return x, -1
	}
	q := int32(s.Skills)
	return x % (2 * q), 2*q + x/q
}

// HeadParts are the rows of the head whose sum is that of what is asked. Without
// levels there is one, and more is -1.
func (s Shape) HeadParts(ask int32) (own, more int32) {
	if s.Levels == 0 {
		return ask, -1
	}
	q := int32(s.Skills)
	return ask % q, q + ask/q
}

// PartsOf appends the parts of all ids, ascending. It answers ids itself where
// each is its own part.
func PartsOf(ids, to []int32, parts func(int32) (own, more int32)) []int32 {
	for _, id := range ids {
		own, more := parts(id)
		if more < 0 {
			return ids
		}
		to = append(to, own, more)
	}
	slices.Sort(to)
	return slices.Compact(to)
}
