package lake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/dataplane"
	"cohort/dataplane/batch"
)

// ShardSet is the manifest of a dataset's shards; the hash of its JSON is its ID.
type ShardSet struct {
	Version    int         `json:"version"`
	Dataset    string      `json:"dataset"`
	Mask       string      `json:"mask"`
	MultiSkill string      `json:"multi_skill"`
	Skills     []string    `json:"skills"` // a history's skill ids index it
	Students   int64       `json:"students"`
	Answers    int64       `json:"answers"`
	Shards     []ShardInfo `json:"shards"`
}

// ShardInfo is one shard: the blob is its messages one after another.
type ShardInfo struct {
	Hash     string    `json:"hash"` // empty when the shard holds no students
	Students int64     `json:"students"`
	Answers  int64     `json:"answers"`
	Messages []Message `json:"messages"`
}

// Message is one Arrow IPC message of a shard.
type Message struct {
	Hash  string `json:"hash"`
	Bytes int64  `json:"bytes"`
}

// Ways to deal with an answer that stands under several skills.
const (
	Combine = "combine" // one answer, its skill the set of skills
	Repeat  = "repeat"  // an answer for each row
	First   = "first"   // one answer, under the first row's skill
)

// raw is a dataset's histories before skills have their ids: those are numbers
// of names.
type raw struct {
	skills   names
	students map[string]*dataplane.History
}

// WriteShards turns a dataset into shards: rows merged by multiSkill, students
// in order, shard = hash(student) mod shards.
func WriteShards(ctx context.Context, b Blobs, dataset, multiSkill string, shards int) (s *ShardSet, id string, err error) {
	if shards < 1 || shards > dataplane.MaxShards {
		return nil, "", fmt.Errorf("%d shards, want 1 to %d", shards, dataplane.MaxShards)
	}
	m, err := ReadManifest(ctx, b, dataset)
	if err != nil {
		return nil, "", err
	}
	r, err := histories(ctx, b, dataset, multiSkill)
	if err != nil {
		return nil, "", err
	}
	s = &ShardSet{Version: manifestVersion, Dataset: dataset, Mask: m.Mask, MultiSkill: multiSkill, Students: int64(len(r.students))}
	s.Skills = slices.Clone(r.skills.texts)
	slices.SortFunc(s.Skills, dataplane.Shortlex)
	for _, part := range r.deal(s.Skills, shards) {
		info, err := writeShard(ctx, b, part)
		if err != nil {
			return nil, "", err
		}
		s.Answers += info.Answers
		s.Shards = append(s.Shards, info)
	}
	id, err = writeJSON(ctx, b, s)
	return s, id, err
}

// deal gives skills their ids and students their shard, in order of student.
func (r *raw) deal(skills []string, shards int) [][]dataplane.History {
	ids := make([]int32, len(skills))
	for k, name := range skills {
		ids[r.skills.numbers[name]] = int32(k)
	}
	parts := make([][]dataplane.History, shards)
	for _, student := range slices.Sorted(maps.Keys(r.students)) {
		h := *r.students[student]
		for k, n := range h.Skill {
			h.Skill[k] = ids[n]
		}
		k := dataplane.StudentShard(student, shards)
		parts[k] = append(parts[k], h)
	}
	return parts
}

func writeShard(ctx context.Context, b Blobs, part []dataplane.History) (ShardInfo, error) {
	info := ShardInfo{Students: int64(len(part)), Messages: []Message{}}
	if len(part) == 0 {
		return info, nil
	}
	for _, h := range part {
		info.Answers += int64(len(h.Skill))
	}
	messages, err := batch.EncodeHistories(part)
	if err != nil {
		return info, fmt.Errorf("encode shard: %w", err)
	}
	var all []byte
	for _, data := range messages {
		info.Messages = append(info.Messages, Message{Hash(data), int64(len(data))})
		all = append(all, data...)
	}
	info.Hash, err = Write(ctx, b, all)
	return info, err
}

// Cut takes a shard's blob apart into its messages.
func (s ShardInfo) Cut(all []byte) ([][]byte, error) {
	var messages [][]byte
	for _, m := range s.Messages {
		if m.Bytes < 0 || m.Bytes > int64(len(all)) {
			return nil, fmt.Errorf("%w: shard %s is shorter than its messages", ErrCorrupt, s.Hash)
		}
		messages, all = append(messages, all[:m.Bytes]), all[m.Bytes:]
	}
	return messages, nil
}

// histories merges a dataset's rows into answers, student by student.
func histories(ctx context.Context, b Blobs, dataset, multiSkill string) (*raw, error) {
	if multiSkill != Combine && multiSkill != Repeat && multiSkill != First {
		return nil, fmt.Errorf("multi_skill %q is unknown, want combine, repeat or first", multiSkill)
	}
	all := &raw{students: map[string]*dataplane.History{}}
	var run []dataplane.Event // rows of one answer
	end := func() {
		if len(run) > 0 {
			all.add(run[0].Student, mergeSkills(run, multiSkill), run[0].Correct)
		}
		run = run[:0]
	}
	err := ReadEvents(ctx, b, dataset, func(e dataplane.Event) error {
		if multiSkill == Repeat || !sameAnswer(run, e) {
			end()
		}
		run = append(run, e)
		return nil
	})
	end()
	return all, err
}

func (r *raw) add(student, skill string, correct bool) {
	h := r.students[student]
	if h == nil {
		h = &dataplane.History{Student: strings.Clone(student)} // not a piece of a batch
		r.students[h.Student] = h
	}
	right := uint8(0)
	if correct {
		right = 1
	}
	h.Skill, h.Correct = append(h.Skill, int32(r.skills.number(skill))), append(h.Correct, right)
}

// sameAnswer reports whether e is one more skill of the answer in run: the same
// student, item and answer, and a skill that the run has not. Without an item
// column nothing says that two rows are one answer.
func sameAnswer(run []dataplane.Event, e dataplane.Event) bool {
	if len(run) == 0 || e.Item == "" {
		return false
	}
	first := run[0]
	if first.Student != e.Student || first.Item != e.Item || first.Correct != e.Correct {
		return false
	}
	return !slices.ContainsFunc(run, func(r dataplane.Event) bool { return r.Skill == e.Skill })
}

func mergeSkills(run []dataplane.Event, multiSkill string) string {
	if multiSkill == First || len(run) == 1 {
		return run[0].Skill
	}
	set := map[string]bool{}
	for _, e := range run {
		set[e.Skill] = true
	}
	return strings.Join(sorted(set), "+")
}

// ReadShardSet reads a shard set's manifest.
func ReadShardSet(ctx context.Context, b Blobs, id string) (*ShardSet, error) {
	return readJSON(ctx, b, "shard set", id, func(s *ShardSet) int { return s.Version })
}

// Folds is a table masked student → fold.
type Folds struct {
	Version int            `json:"version"`
	Mask    string         `json:"mask"` // fingerprint of the mask key
	Table   map[string]int `json:"folds"`
}

// ErrTwoFolds says that a student is in two folds.
var ErrTwoFolds = errors.New("a student is in two folds")

// NewFolds returns an empty table.
func NewFolds(mask string) *Folds {
	return &Folds{Version: manifestVersion, Mask: mask, Table: map[string]int{}}
}

// Set notes a student's fold.
func (f *Folds) Set(student string, fold int) error {
	if old, ok := f.Table[student]; ok && old != fold {
		return fmt.Errorf("%w: %d and %d", ErrTwoFolds, old, fold)
	}
	f.Table[student] = fold
	return nil
}

// Fold finds a student's fold.
func (f *Folds) Fold(student string) (int, bool) {
	fold, ok := f.Table[student]
	return fold, ok
}

// Len is the number of students.
func (f *Folds) Len() int { return len(f.Table) }

// WriteFolds stores a table; JSON sorts its keys, so equal tables hash alike.
func WriteFolds(ctx context.Context, b Blobs, f *Folds) (hash string, err error) {
	return writeJSON(ctx, b, f)
}

// ReadFolds reads a table.
func ReadFolds(ctx context.Context, b Blobs, hash string) (*Folds, error) {
	return readJSON(ctx, b, "fold table", hash, func(f *Folds) int { return f.Version })
}
