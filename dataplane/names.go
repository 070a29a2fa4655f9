package dataplane

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strings"
)

// Streams of the data plane, and the roots of their subjects.
const (
	StreamShards = "SHARDS"
	StreamLogs   = "LOGS"

	subjectShards = "shards"
	subjectLogs   = "logs"
)

// Limits of the data plane.
const (
	// MaxPayload is the most bytes a server takes in one message, headers and all.
	MaxPayload = 1 << 20
	// MaxMessage leaves room in a payload for headers.
	MaxMessage = MaxPayload - 4<<10
	// MaxStudent bounds a masked student id, in bytes.
	MaxStudent = 256
	// MaxShards bounds a shard set.
	MaxShards = 4096
	// MaxLine bounds one line, and one field, of a text source.
	MaxLine = 1 << 20
	// Parts is the number of Parquet files of a dataset.
	Parts = 16
)

// ShardSubject is the subject that carries one shard of a shard set.
func ShardSubject(set string, shard int) string {
	return fmt.Sprintf("%s.%s.%d", subjectShards, set, shard)
}

// ShardSubjects matches the subjects of all shards.
func ShardSubjects() string { return subjectShards + ".>" }

// LogSubject is the subject of one task's log. The job and task become one
// token each.
func LogSubject(job, task string) string {
	return fmt.Sprintf("%s.%s.%s", subjectLogs, token(job), token(task))
}

// JobLogSubject matches the logs of a job's tasks.
func JobLogSubject(job string) string { return fmt.Sprintf("%s.%s.*", subjectLogs, token(job)) }

// LogSubjects matches all logs.
func LogSubjects() string { return subjectLogs + ".>" }

// token makes one subject token of any text: bytes with a meaning in subjects
// are written as %XX.
func token(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(".*>%", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	if b.Len() == 0 {
		return "%"
	}
	return b.String()
}

// StudentShard deals a masked student to one of n shards: the first 8 bytes,
// little-endian, of the id's SHA-256, mod n.
func StudentShard(student string, n int) int {
	sum := sha256.Sum256([]byte(student))
	return int(binary.LittleEndian.Uint64(sum[:8]) % uint64(n))
}

// Shortlex compares shorter texts first, equally long ones by bytes, so that
// numbers written in decimal sort as numbers.
func Shortlex(a, b string) int {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c
	}
	return strings.Compare(a, b)
}

// Compare is the canonical order of a dataset's events: student, time, id
// (shortlex), item, skill, wrong before right, response time.
func Compare(a, b Event) int {
	return cmp.Or(
		strings.Compare(a.Student, b.Student),
		cmp.Compare(a.Time, b.Time),
		Shortlex(a.ID, b.ID),
		strings.Compare(a.Item, b.Item),
		strings.Compare(a.Skill, b.Skill),
		boolOrder(a.Correct)-boolOrder(b.Correct),
		cmp.Compare(a.Elapsed, b.Elapsed),
	)
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}
