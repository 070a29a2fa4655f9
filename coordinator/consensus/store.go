package consensus

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
	bolt "go.etcd.io/bbolt"
)

// store keeps Raft's log and its few durable values in one bbolt file; every
// write is synced before it returns. (raft-wal syncs once an entry where bbolt
// syncs twice, but its v0.4 can't open a log again that was cut back at its end:
// the simulation of this repository shows it within minutes of cluster life.)
type store struct{ db *bolt.DB }

var (
	_ raft.LogStore    = (*store)(nil)
	_ raft.StableStore = (*store)(nil)
)

// Buckets of the file.
const (
	bucketLog  = "log"
	bucketConf = "conf"
)

// lockWait bounds the wait for another process to let go of the file.
const lockWait = time.Second

// errMissing is the text that raft expects of a value that was never set.
var errMissing = errors.New("not found")

func openStore(path string) (*store, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		_, a := tx.CreateBucketIfNotExists([]byte(bucketLog))
		_, b := tx.CreateBucketIfNotExists([]byte(bucketConf))
		return errors.Join(a, b)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make %s: %w", path, err), db.Close())
	}
	return &store{db}, nil
}

func (s *store) Close() error { return s.db.Close() }

func key(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// edge reads an index at an end of the log; 0 when it is empty.
func (s *store) edge(move func(*bolt.Cursor) ([]byte, []byte)) (n uint64, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		if k, _ := move(tx.Bucket([]byte(bucketLog)).Cursor()); k != nil {
			n = binary.BigEndian.Uint64(k)
		}
		return nil
	})
	return n, err
}

// FirstIndex is the oldest entry's.
func (s *store) FirstIndex() (uint64, error) { return s.edge((*bolt.Cursor).First) }

// LastIndex is the newest entry's.
func (s *store) LastIndex() (uint64, error) { return s.edge((*bolt.Cursor).Last) }

// GetLog reads an entry, or answers raft.ErrLogNotFound.
func (s *store) GetLog(index uint64, l *raft.Log) error {
	return s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketLog)).Get(key(index))
		if b == nil {
			return raft.ErrLogNotFound
		}
		if err := json.Unmarshal(b, l); err != nil {
			return fmt.Errorf("log entry %d: %w", index, err)
		}
		return nil
	})
}

// StoreLog stores an entry.
func (s *store) StoreLog(l *raft.Log) error { return s.StoreLogs([]*raft.Log{l}) }

// StoreLogs stores entries in one transaction.
func (s *store) StoreLogs(logs []*raft.Log) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketLog))
		for _, l := range logs {
			text, err := json.Marshal(l)
			if err != nil {
				return fmt.Errorf("log entry %d: %w", l.Index, err)
			}
			if err := b.Put(key(l.Index), text); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeleteRange deletes entries from low to high, both included.
func (s *store) DeleteRange(low, high uint64) error {
	return s.db.Update(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketLog)).Cursor()
		for k, _ := c.Seek(key(low)); k != nil && binary.BigEndian.Uint64(k) <= high; k, _ = c.Seek(key(low)) {
			if err := c.Delete(); err != nil {
				return err
			}
		}
		return nil
	})
}

// Set stores a value.
func (s *store) Set(k, v []byte) error {
	return s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket([]byte(bucketConf)).Put(k, v) })
}

// Get reads a value.
func (s *store) Get(k []byte) (v []byte, err error) {
	err = s.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketConf)).Get(k)
		if b == nil {
			return errMissing
		}
		v = append([]byte{}, b...)
		return nil
	})
	return v, err
}

// SetUint64 stores a number.
func (s *store) SetUint64(k []byte, n uint64) error { return s.Set(k, key(n)) }

// GetUint64 reads a number.
func (s *store) GetUint64(k []byte) (uint64, error) {
	v, err := s.Get(k)
	if err != nil {
		return 0, err
	}
	if len(v) != 8 {
		return 0, fmt.Errorf("value %q has %d bytes, want 8", k, len(v))
	}
	return binary.BigEndian.Uint64(v), nil
}
