package gateway

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"cohort/coordinator/wire"
)

// file is an index in a bbolt file. It is written once a segment, whole and
// synced, so that no power cut damages it.
type file struct{ db *bolt.DB }

// Buckets of the file.
const (
	bucketMeta     = "meta"     // "through" → Seq
	bucketIDs      = "ids"      // student, 0, ID → Seq
	bucketAttempts = "attempts" // student, 0, place → Seq, 1 or 0, skill
)

const keyThrough = "through"

// lockWait bounds the wait for another process to let go of the file.
const lockWait = time.Second

// damageError says that a file is no index.
type damageError struct{ err error }

func (e *damageError) Error() string { return e.err.Error() }

func openFile(path string) (*file, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: lockWait})
	if err != nil {
		err = fmt.Errorf("open %s: %w", path, err)
		for _, damage := range []error{bolterrors.ErrInvalid, bolterrors.ErrVersionMismatch, bolterrors.ErrChecksum} {
			if errors.Is(err, damage) {
				return nil, &damageError{err}
			}
		}
		return nil, err
	}
	f := &file{db}
	if err := db.Update(buckets); err != nil {
		return nil, errors.Join(fmt.Errorf("make %s: %w", path, err), db.Close())
	}
	return f, nil
}

func buckets(tx *bolt.Tx) error {
	var faults []error
	for _, name := range []string{bucketMeta, bucketIDs, bucketAttempts} {
		_, err := tx.CreateBucketIfNotExists([]byte(name))
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func read(b []byte) uint64 {
	if len(b) < 8 {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// idKey and placeKey are keys: no student's id holds a zero byte.
func idKey(student, id string) []byte { return append(append([]byte(student), 0), id...) }

func placeKey(student string, place uint64) []byte {
	return append(append([]byte(student), 0), number(place)...)
}

func throughOf(tx *bolt.Tx) uint64 {
	return read(tx.Bucket([]byte(bucketMeta)).Get([]byte(keyThrough)))
}

func (f *file) through() (n uint64, err error) {
	err = f.db.View(func(tx *bolt.Tx) error {
		n = throughOf(tx)
		return nil
	})
	return n, err
}

func (f *file) add(attempts []wire.Attempt) error {
	return f.db.Update(func(tx *bolt.Tx) error {
		ids, places := tx.Bucket([]byte(bucketIDs)), tx.Bucket([]byte(bucketAttempts))
		through, counts := throughOf(tx), map[string]uint64{}
		for _, a := range attempts {
			if a.Seq <= through {
				continue
			}
			if a.Seq != through+1 {
				return gap(through, a.Seq)
			}
			through = a.Seq
			n, ok := counts[a.Student]
			if !ok {
				n = countOf(tx, a.Student)
			}
			counts[a.Student] = n + 1
			value := append(number(a.Seq), 0)
			if a.Correct {
				value[8] = 1
			}
			if err := errors.Join(ids.Put(idKey(a.Student, a.ID), number(a.Seq)), places.Put(placeKey(a.Student, n), append(value, a.Skill...))); err != nil {
				return err
			}
		}
		return tx.Bucket([]byte(bucketMeta)).Put([]byte(keyThrough), number(through))
	})
}

// countOf is how many attempts of a student are in the file.
func countOf(tx *bolt.Tx, student string) uint64 {
	prefix := placeKey(student, 0)[:len(student)+1]
	c := tx.Bucket([]byte(bucketAttempts)).Cursor()
	k, _ := c.Seek(append([]byte(student), 1)) // after all of his
	if k == nil {
		k, _ = c.Last()
	} else {
		k, _ = c.Prev()
	}
	if !bytes.HasPrefix(k, prefix) {
		return 0
	}
	return read(k[len(prefix):]) + 1
}

func (f *file) seq(student, id string) (seq uint64, ok bool, err error) {
	err = f.db.View(func(tx *bolt.Tx) error {
		if b := tx.Bucket([]byte(bucketIDs)).Get(idKey(student, id)); b != nil {
			seq, ok = read(b), true
		}
		return nil
	})
	return seq, ok, err
}

func (f *file) stand(student string) (count, through uint64, err error) {
	err = f.db.View(func(tx *bolt.Tx) error {
		count, through = countOf(tx, student), throughOf(tx)
		return nil
	})
	return count, through, err
}

func (f *file) place(student string, seq uint64) (place uint64, err error) {
	err = f.db.View(func(tx *bolt.Tx) error {
		b := tx.Bucket([]byte(bucketAttempts))
		place = uint64(sort.Search(int(countOf(tx, student)), func(k int) bool {
			return read(b.Get(placeKey(student, uint64(k)))) >= seq
		}))
		return nil
	})
	return place, err
}

func (f *file) window(student string, from, to uint64) (found []wire.StepAttempt, err error) {
	err = f.db.View(func(tx *bolt.Tx) error {
		c := tx.Bucket([]byte(bucketAttempts)).Cursor()
		k, v := c.Seek(placeKey(student, from))
		for place := from; place < to; place++ {
			if !bytes.Equal(k, placeKey(student, place)) || len(v) < 9 {
				return missing(from, to)
			}
			found = append(found, wire.StepAttempt{Skill: string(v[9:]), Correct: v[8] == 1})
			k, v = c.Next()
		}
		return nil
	})
	return found, err
}

func (f *file) reset() error {
	return f.db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{bucketMeta, bucketIDs, bucketAttempts} {
			if err := tx.DeleteBucket([]byte(name)); err != nil {
				return err
			}
		}
		return buckets(tx)
	})
}

func (f *file) close() error { return f.db.Close() }
