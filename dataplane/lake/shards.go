package lake

import (
	"context"
	"errors"
	"fmt"

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

	Inputs *dataplane.Inputs `json:"inputs,omitempty"` // nil: answers carry nothing further
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

// WriteShards turns a dataset into shards: rows merged by multiSkill, students
// in order, shard = hash(student) mod shards.
func WriteShards(ctx context.Context, b Blobs, dataset, multiSkill string, shards int) (s *ShardSet, id string, err error) {
	a, err := ReadAnswers(ctx, b, dataset, multiSkill)
	if err != nil {
		return nil, "", err
	}
	return WriteAnswers(ctx, b, a, shards, nil)
}

// WriteAnswers stores answers as shards. in is how they carry further inputs,
// nil where they carry none.
func WriteAnswers(ctx context.Context, b Blobs, a *Answers, shards int, in *dataplane.Inputs) (s *ShardSet, id string, err error) {
	if shards < 1 || shards > dataplane.MaxShards {
		return nil, "", fmt.Errorf("%d shards, want 1 to %d", shards, dataplane.MaxShards)
	}
	s = &ShardSet{
		Version: manifestVersion, Dataset: a.Dataset, Mask: a.Mask, MultiSkill: a.MultiSkill,
		Skills: a.Skills, Students: int64(len(a.Students)), Inputs: in,
	}
	parts := make([][]dataplane.History, shards)
	for _, h := range a.Students {
		k := dataplane.StudentShard(h.Student, shards)
		parts[k] = append(parts[k], h.History)
	}
	for _, part := range parts {
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
