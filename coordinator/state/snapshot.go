package state

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// ErrSnapshot is wrapped by every error about a snapshot that can't be read.
var ErrSnapshot = errors.New("state: bad snapshot")

// snapshotVersion is of the format: a header line, a line for each record, an
// end line that counts them.
const snapshotVersion = 1

type line struct {
	Version int             `json:"version,omitempty"`
	Table   string          `json:"table,omitempty"`
	Record  json.RawMessage `json:"record,omitempty"`
	End     bool            `json:"end,omitempty"`
	Count   int             `json:"count,omitempty"`
}

// WriteTo writes the state, table by table, records in the order of their keys.
func (v *View) WriteTo(w io.Writer) (int64, error) {
	counter := &countWriter{w: bufio.NewWriter(w)}
	e := json.NewEncoder(counter)
	if err := e.Encode(line{Version: snapshotVersion}); err != nil {
		return counter.n, err
	}
	count := 0
	for _, name := range tables() {
		it := must(v.txn.Get(name, "id"))
		for r := it.Next(); r != nil; r = it.Next() {
			text, err := json.Marshal(r)
			if err != nil {
				return counter.n, fmt.Errorf("encode %s: %w", name, err)
			}
			if err := e.Encode(line{Table: name, Record: text}); err != nil {
				return counter.n, err
			}
			count++
		}
	}
	if err := e.Encode(line{End: true, Count: count}); err != nil {
		return counter.n, err
	}
	return counter.n, counter.w.Flush()
}

type countWriter struct {
	w *bufio.Writer
	n int64
}

func (c *countWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Hash is the SHA-256 of the snapshot, in hex: equal states hash alike.
func (v *View) Hash() string {
	h := sha256.New()
	must(v.WriteTo(h))
	return hex.EncodeToString(h.Sum(nil))
}

// Restore replaces the state by a snapshot. After an error the state is as before.
func (s *Store) Restore(r io.Reader) error {
	db := empty()
	if err := load(db, r); err != nil {
		return err
	}
	s.mu.Lock()
	s.db = db
	close(s.dropped)
	s.dropped = make(chan struct{})
	s.mu.Unlock()
	s.announce()
	return nil
}

func load(db *memdb.MemDB, r io.Reader) error {
	d := json.NewDecoder(bufio.NewReader(r))
	var l line
	if err := d.Decode(&l); err != nil || l.Version != snapshotVersion {
		return fmt.Errorf("%w: version %d: %w", ErrSnapshot, l.Version, err)
	}
	txn := db.Txn(true)
	defer txn.Abort()
	for count := 0; ; count++ {
		var l line
		if err := d.Decode(&l); err != nil {
			return fmt.Errorf("%w: after %d records: %w", ErrSnapshot, count, err)
		}
		if l.End {
			if l.Count != count {
				return fmt.Errorf("%w: %d records, its end says %d", ErrSnapshot, count, l.Count)
			}
			recount(txn)
			txn.Commit()
			return nil
		}
		record, err := decodeRecord(l)
		if err != nil {
			return err
		}
		if err := txn.Insert(l.Table, record); err != nil {
			return fmt.Errorf("%w: %w", ErrSnapshot, err)
		}
	}
}

func decodeRecord(l line) (any, error) {
	var record any
	switch l.Table {
	case tableMeta:
		record = &meta{}
	case tableNodes:
		record = &wire.Node{}
	case tableDatasets:
		record = &wire.Dataset{}
	case tableJobs:
		record = &wire.Job{}
	case tableStages:
		record = &wire.Stage{}
	case tableTasks:
		record = &wire.Task{}
	case tableRounds:
		record = &wire.Round{}
	case tableKept:
		record = &wire.Kept{}
	case tableHeads:
		record = &wire.Head{}
	case tableFeatures:
		record = &wire.FeatureSet{}
	case tableSchedules:
		record = &wire.Schedule{}
	case tableBackfills:
		record = &wire.Backfill{}
	case tableDeployments:
		record = &wire.Deployment{}
	case tableAlerts:
		record = &wire.Alert{}
	case tableSilences:
		record = &wire.Silence{}
	case tableRequests:
		record = &request{}
	default:
		if record = modelRecord(l.Table); record == nil {
			record = attemptRecord(l.Table)
		}
		if record == nil {
			return nil, fmt.Errorf("%w: unknown table %q", ErrSnapshot, l.Table)
		}
	}
	if err := json.Unmarshal(l.Record, record); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrSnapshot, l.Table, err)
	}
	return record, nil
}

// recount derives what is not stored: how many stages each one waits for, and
// what the inputs of ready ones are where a binary before this one wrote them.
func recount(txn *memdb.Txn) {
	t := &tx{Txn: txn}
	for _, s := range list[wire.Stage](nil, txn, tableStages, "id") {
		n := 0
		if s.Fan && !s.Closed {
			n++
		}
		for _, a := range s.After {
			if before := t.stage(s.Job, a); before == nil || before.Status != wire.Done {
				n++
			}
		}
		t.wait(s.Job, s.Name, n)
		counted := *s
		counted.Waits = n
		if n == 0 && s.Resolved == nil && len(s.Inputs) > 0 {
			t.settleInputs(&counted)
		} else if n == 0 {
			continue
		}
		t.put(tableStages, &counted)
	}
}
