package feature

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"slices"
	"strings"

	"cohort/dataplane"
	"cohort/kernels"
)

// Student gathers one student's features, event by event in canonical order
// (dataplane.Compare). The stage over all events and a request for one student
// run it alike, so both have the same bits. Texts of events are not kept.
type Student struct {
	s   Settings
	id  string
	row UserRow // counts so far; means are made by Row

	answer  answer
	recent  []bool // ring of the last Recent answers
	elapsed []int64
	total   int64 // of elapsed
	skills  map[string]*skill
	items   map[string]struct{}

	began       int64   // time of the session's first answer
	ended       int64   // of sessions before this one: summed lengths, microseconds
	spaced      int64   // answers that an earlier one on the same skill precedes
	logAnswers  float64 // sums over spaced
	logSeconds  float64
	activeDay   int64
	history     hash.Hash
	historyText []byte
}

// skill is what a student did on one skill.
type skill struct {
	attempts, right, streak int64
	first, last             int64 // times
	at                      int64 // number of the last answer
}

// NewStudent begins a student without answers.
func NewStudent(id string, s Settings) *Student {
	return &Student{
		s: s, id: id, skills: map[string]*skill{}, items: map[string]struct{}{}, history: sha256.New(),
	}
}

// Add takes the student's next event.
func (s *Student) Add(e dataplane.Event) {
	s.note(&e)
	if s.answer.joins(&e) {
		s.answer.skills = append(s.answer.skills, strings.Clone(e.Skill))
		s.practise(&e)
		return
	}
	s.answer.begin(&e)
	s.row.Answers++
	s.pace(e.Time)
	s.score(e.Correct)
	if e.Elapsed > 0 {
		s.elapsed = append(s.elapsed, e.Elapsed)
		s.total += e.Elapsed
	}
	if _, ok := s.items[e.Item]; !ok && e.Item != "" {
		s.items[strings.Clone(e.Item)] = struct{}{}
	}
	s.practise(&e)
}

// note adds an event to the digest of what was seen.
func (s *Student) note(e *dataplane.Event) {
	b := binary.LittleEndian.AppendUint64(s.historyText[:0], uint64(e.Time))
	for _, text := range [...]string{e.ID, e.Item, e.Skill} {
		b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
	}
	right := byte(0)
	if e.Correct {
		right = 1
	}
	b = binary.LittleEndian.AppendUint64(append(b, right), uint64(e.Elapsed))
	s.history.Write(b)
	s.historyText = b
}

// pace follows sessions and days; they need a clock.
func (s *Student) pace(now int64) {
	r := &s.row
	before := r.Last
	r.Last = now
	if r.Answers == 1 {
		r.First = now
	}
	if !s.s.Clock {
		return
	}
	if r.Answers == 1 || now-before > s.s.Gap {
		s.ended += before - s.began
		s.began = now
		r.Sessions++
	}
	if today := floorDiv(now, day); r.Answers == 1 || today != s.activeDay {
		s.activeDay = today
		r.Days++
	}
}

// floorDiv is a/b rounded down, for b > 0.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// score follows right answers.
func (s *Student) score(right bool) {
	r := &s.row
	at := int((r.Answers - 1) % int64(s.s.Recent))
	if at == len(s.recent) {
		s.recent = append(s.recent, right)
	} else {
		s.recent[at] = right
	}
	if !right {
		r.Streak = 0
		return
	}
	r.Right++
	r.Streak++
	r.LongestStreak = max(r.LongestStreak, r.Streak)
}

// practise follows the skill of an event of the answer at hand.
func (s *Student) practise(e *dataplane.Event) {
	k := s.skills[e.Skill]
	if k == nil {
		k = &skill{first: e.Time}
		s.skills[strings.Clone(e.Skill)] = k
	} else {
		s.spaced++
		s.logAnswers += kernels.Log(float64(s.row.Answers - k.at))
		if s.s.Clock {
			s.logSeconds += kernels.Log1p(float64(e.Time-k.last) / second)
		}
	}
	k.attempts++
	k.last, k.at = e.Time, s.row.Answers
	if !e.Correct {
		k.streak = 0
		return
	}
	k.right++
	k.streak++
}

// digestBytes of the SHA-256 of a history name it.
const digestBytes = 16

// Digest names the events seen so far, 32 hex digits: equal ones give equal
// features under equal settings.
func (s *Student) Digest() string { return hex.EncodeToString(s.history.Sum(nil)[:digestBytes]) }

// Digest names a student's events without making features of them.
func Digest(events []dataplane.Event) string {
	s := Student{history: sha256.New()}
	for k := range events {
		s.note(&events[k])
	}
	return s.Digest()
}

// median of whole numbers, which are sorted; NaN of none.
func median(v []int64) float64 {
	n := len(v)
	if n == 0 {
		return nan()
	}
	return float64(v[(n-1)/2]+v[n/2]) / 2
}

// Skills are the student's rows a skill, sorted by skill.
func (s *Student) Skills() []SkillRow {
	rows := make([]SkillRow, 0, len(s.skills))
	for name, k := range s.skills {
		rows = append(rows, SkillRow{
			Student: s.id, Skill: name, Attempts: k.attempts, Right: k.right,
			Accuracy: ratio(k.right, k.attempts), Streak: k.streak, First: k.first, Last: k.last,
		})
	}
	slices.SortFunc(rows, func(a, b SkillRow) int { return strings.Compare(a.Skill, b.Skill) })
	return rows
}
