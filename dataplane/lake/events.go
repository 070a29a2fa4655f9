package lake

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"cohort/dataplane"
)

// Events collects events, part by part. A row costs 32 bytes and its ID; other
// texts are kept once. Rows hold no pointers, so that a collector of garbage has
// nothing to follow in millions of them.
type Events struct {
	parts    [dataplane.Parts]chunks[row]
	students names
	texts    names   // items and skills
	shards   []uint8 // part of each student
	skills   []bool  // which texts are skills
	ids      arena
	timed    bool // some event has a response time
	n        int
}

// row is an event; texts are numbers of names. The answer is the top bit of
// elapsed, so that a row stays at 32 bytes.
type row struct {
	time                 int64
	id                   int64 // in the arena, 0 is none
	student, item, skill uint32
	elapsed              uint32 // milliseconds, below answered
}

// answered is the bit of row.elapsed that says right.
const answered = 1 << 31

// NewEvents returns an empty collection.
func NewEvents() *Events { return &Events{} }

// Add takes an event.
func (e *Events) Add(v dataplane.Event) error {
	if v.Student == "" || len(v.Student) > dataplane.MaxStudent {
		return fmt.Errorf("a masked student id of %d bytes", len(v.Student))
	}
	if v.Elapsed < 0 || v.Elapsed > dataplane.MaxElapsed {
		return fmt.Errorf("a response time of %d ms", v.Elapsed)
	}
	r := row{
		time: v.Time, id: e.ids.put(v.ID), student: e.students.number(v.Student),
		item: e.texts.number(v.Item), skill: e.texts.number(v.Skill), elapsed: uint32(v.Elapsed),
	}
	if v.Correct {
		r.elapsed |= answered
	}
	e.timed = e.timed || v.Elapsed > 0
	if len(e.skills) < len(e.texts.texts) {
		e.skills = append(e.skills, make([]bool, len(e.texts.texts)-len(e.skills))...)
	}
	e.skills[r.skill] = true
	if int(r.student) == len(e.shards) { // a new one
		e.shards = append(e.shards, uint8(dataplane.StudentShard(v.Student, dataplane.Parts)))
	}
	e.parts[e.shards[r.student]].add(r)
	e.n++
	return nil
}

// Len is the number of events.
func (e *Events) Len() int { return e.n }

// part is the events of a part, in the order that they came in.
func (e *Events) part(k int) []dataplane.Event {
	all := make([]dataplane.Event, 0, e.parts[k].n)
	for r := range e.parts[k].all {
		all = append(all, dataplane.Event{
			Student: e.students.texts[r.student], Time: r.time, ID: e.ids.get(r.id),
			Item: e.texts.texts[r.item], Skill: e.texts.texts[r.skill],
			Correct: r.elapsed&answered != 0, Elapsed: int64(r.elapsed &^ answered),
		})
	}
	return all
}

// skillNames lists the skills in shortlex order.
func (e *Events) skillNames() []string {
	all := []string{}
	for k, is := range e.skills {
		if is {
			all = append(all, e.texts.texts[k])
		}
	}
	slices.SortFunc(all, dataplane.Shortlex)
	return all
}

// names numbers texts in the order that they come in.
type names struct {
	numbers map[string]uint32
	texts   []string
}

func (n *names) number(text string) uint32 {
	if k, ok := n.numbers[text]; ok {
		return k
	}
	if n.numbers == nil {
		n.numbers = map[string]uint32{}
	}
	text = strings.Clone(text) // it may be a piece of something large
	n.numbers[text] = uint32(len(n.texts))
	n.texts = append(n.texts, text)
	return n.numbers[text]
}

// chunks is a list that grows without being copied.
type chunks[T any] struct {
	full [][]T
	last []T
	n    int
}

const chunkLen = 4096

func (c *chunks[T]) add(v T) {
	if len(c.last) == cap(c.last) {
		if c.last != nil {
			c.full = append(c.full, c.last)
		}
		c.last = make([]T, 0, chunkLen)
	}
	c.last = append(c.last, v)
	c.n++
}

func (c *chunks[T]) all(yield func(T) bool) {
	for _, chunk := range append(slices.Clip(c.full), c.last) {
		for _, v := range chunk {
			if !yield(v) {
				return
			}
		}
	}
}

// arena keeps texts one after another, each after its length.
type arena struct{ blocks [][]byte }

const arenaBlock = 1 << 20

// put answers where a text is: block and offset from 1; 0 is the empty text.
func (a *arena) put(text string) int64 {
	if text == "" {
		return 0
	}
	need := binary.MaxVarintLen64 + len(text)
	if k := len(a.blocks) - 1; k < 0 || cap(a.blocks[k])-len(a.blocks[k]) < need {
		a.blocks = append(a.blocks, make([]byte, 0, max(need, arenaBlock)))
	}
	k := len(a.blocks) - 1
	at := int64(k)<<32 | int64(len(a.blocks[k])) + 1
	a.blocks[k] = append(binary.AppendUvarint(a.blocks[k], uint64(len(text))), text...)
	return at
}

func (a *arena) get(at int64) string {
	if at == 0 {
		return ""
	}
	b := a.blocks[at>>32][at&(1<<32-1)-1:]
	n, size := binary.Uvarint(b)
	return string(b[size : size+int(n)])
}
