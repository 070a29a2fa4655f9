package state

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/hashicorp/go-memdb"
)

// KeepKnown is how many of the newest sealed attempts are known by student and ID
// at the least, and half as many again at the most.
const KeepKnown = 100_000

// blockSize is what a block of known attempts may grow to.
const blockSize = 8192

// block is what is known of the sealed attempts from First on, Count of them
// without a gap: of each a digest of student and ID and its place after First,
// sorted. One record for thousands of attempts makes sealing them cheap.
type block struct {
	First   uint64 `json:"first"`
	Count   int    `json:"count"`
	Entries []byte `json:"entries"`
}

const (
	digestSize = 16
	entrySize  = digestSize + 4
)

// digest of a student and an ID.
func digest(student, id string) []byte {
	sum := sha256.Sum256(text(student, id))
	return sum[:digestSize]
}

func (b *block) entry(k int) []byte { return b.Entries[k*entrySize : (k+1)*entrySize] }

// find answers the Seq of a digest.
func (b *block) find(digest []byte) (uint64, bool) {
	k := sort.Search(b.Count, func(k int) bool { return bytes.Compare(b.entry(k)[:digestSize], digest) >= 0 })
	if k == b.Count || !bytes.Equal(b.entry(k)[:digestSize], digest) {
		return 0, false
	}
	return b.First + uint64(binary.BigEndian.Uint32(b.entry(k)[digestSize:])), true
}

// with is a block that knows the attempts that follow too.
func (b *block) with(more []*attempt) *block {
	entries := make([][]byte, 0, b.Count+len(more))
	for k := range b.Count {
		entries = append(entries, b.entry(k))
	}
	for _, a := range more {
		entries = append(entries, binary.BigEndian.AppendUint32(digest(a.Student, a.ID), uint32(a.Seq-b.First)))
	}
	slices.SortFunc(entries, bytes.Compare)
	return &block{b.First, len(entries), bytes.Join(entries, nil)}
}

// know keeps the identities of attempts that are sealed now, and forgets the
// oldest. It answers how many are known.
func (t *tx) know(sealed []*attempt) int {
	last, _ := must(t.Last(tableKnown, "id")).(*block)
	if last == nil || last.Count+len(sealed) > blockSize {
		last = &block{First: sealed[0].Seq}
	}
	t.put(tableKnown, last.with(sealed))
	blocks, count := list[block](nil, t.Txn, tableKnown, "id"), 0
	for _, b := range blocks {
		count += b.Count
	}
	for _, b := range blocks {
		if count-b.Count < KeepKnown {
			break
		}
		must(0, t.Delete(tableKnown, b))
		count -= b.Count
	}
	return count
}

// knownSeq finds a sealed attempt that is known.
func knownSeq(txn *memdb.Txn, student, id string) (uint64, bool) {
	d := digest(student, id)
	it := must(txn.GetReverse(tableKnown, "id"))
	for b := it.Next(); b != nil; b = it.Next() {
		if seq, ok := b.(*block).find(d); ok {
			return seq, true
		}
	}
	return 0, false
}
