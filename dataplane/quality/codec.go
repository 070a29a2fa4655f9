package quality

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// sampleJSON is a sample as JSON. Students are one after another: the hash's
// eight bytes, then unsigned varints: the number of cells, and for each the day
// plus one and the skill, both as the step from the cell before (the skill
// starts from 0 on a new day), the answers, and the right ones.
type sampleJSON struct {
	Of       int64  `json:"of"`
	Size     int    `json:"size"`
	Students []byte `json:"students"`
}

// MarshalJSON packs the students.
func (s Sample) MarshalJSON() ([]byte, error) {
	out := sampleJSON{Of: s.Of, Size: len(s.Students), Students: []byte{}}
	for _, v := range s.Students {
		out.Students = v.pack(out.Students)
	}
	return json.Marshal(out)
}

func (v *student) pack(b []byte) []byte {
	b = binary.LittleEndian.AppendUint64(b, v.hash)
	b = binary.AppendUvarint(b, uint64(len(v.cells)))
	last := cell{day: wholeDay}
	for _, c := range v.cells {
		if c.day != last.day {
			last.skill = 0
		}
		for _, n := range [...]uint32{uint32(c.day - last.day), c.skill - last.skill, c.n, c.right} {
			b = binary.AppendUvarint(b, uint64(n))
		}
		last = c
	}
	return b
}

// UnmarshalJSON takes them apart; they must be as MarshalJSON leaves them.
func (s *Sample) UnmarshalJSON(text []byte) error {
	var in sampleJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return err
	}
	if in.Size < 0 || in.Size > maxSample || in.Of < 0 {
		return fmt.Errorf("a sample of %d students of %d", in.Size, in.Of)
	}
	*s = Sample{Of: in.Of}
	u := unpacker{b: in.Students}
	for k := range in.Size {
		v := u.student()
		if u.err == nil && k > 0 && v.hash <= s.Students[k-1].hash {
			u.err = errors.New("students are out of order")
		}
		if u.err != nil {
			return fmt.Errorf("student %d of a sample: %w", k, u.err)
		}
		s.Students = append(s.Students, v)
	}
	if len(u.b) != 0 {
		return fmt.Errorf("%d bytes follow a sample", len(u.b))
	}
	return nil
}

// unpacker reads packed students; its first error stays.
type unpacker struct {
	b   []byte
	err error
}

var errShort = errors.New("it is cut off")

func (u *unpacker) student() (v student) {
	if len(u.b) < 8 {
		u.err = errShort
		return v
	}
	v.hash = binary.LittleEndian.Uint64(u.b)
	u.b = u.b[8:]
	n := u.uint32()
	if u.err == nil && int(n) > len(u.b)/4 { // a cell takes four bytes or more
		u.err = errShort
	}
	if u.err != nil || n == 0 {
		u.err = errors.Join(u.err, nonzero(n, "cells"))
		return v
	}
	v.cells = make([]cell, 0, n)
	last, total := cell{day: wholeDay}, int64(0)
	for k := range n {
		c := u.cell(last, k == 0)
		if total += int64(c.n); u.err == nil && total > maxCount {
			u.err = errors.New("too many answers")
		}
		if u.err != nil {
			return v
		}
		v.cells = append(v.cells, c)
		last = c
	}
	return v
}

func nonzero(n uint32, what string) error {
	if n == 0 {
		return fmt.Errorf("no %s", what)
	}
	return nil
}

// maxCount bounds a student's answers, and the step from skill to skill.
const maxCount = 1 << 30

func (u *unpacker) cell(last cell, first bool) cell {
	step, skill := u.uint32(), u.uint32()
	c := cell{n: u.uint32(), right: u.uint32()}
	if u.err != nil {
		return c
	}
	if step > recentDays || skill > maxCount || c.n == 0 || c.n > maxCount || c.right > c.n {
		u.err = errors.New("a cell out of range")
		return c
	}
	if step == 0 {
		if !first && skill == 0 {
			u.err = errors.New("a cell stands twice")
		}
		skill += last.skill
	}
	c.day, c.skill = last.day+int32(step), skill
	return c
}

// uint32 reads a varint of at most 32 bits, in its shortest form.
func (u *unpacker) uint32() uint32 {
	if u.err != nil {
		return 0
	}
	v, n := binary.Uvarint(u.b)
	switch {
	case n <= 0:
		u.err = errShort
	case v >= 1<<32, n > 1 && v>>(7*(n-1)) == 0:
		u.err = errors.New("a number out of range")
	default:
		u.b = u.b[n:]
		return uint32(v)
	}
	return 0
}
