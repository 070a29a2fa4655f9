package state

import (
	"encoding/binary"

	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// Tables, in the order of a snapshot.
const (
	tableMeta     = "meta"
	tableNodes    = "nodes"
	tableDatasets = "datasets"
	tableJobs     = "jobs"
	tableStages   = "stages"
	tableTasks    = "tasks"
	tableRounds   = "rounds"

	tableSchedules = "schedules"
	tableBackfills = "backfills"

	tableRequests = "requests"
)

func tables() []string {
	return []string{
		tableMeta, tableNodes, tableDatasets, tableJobs, tableStages, tableTasks, tableRounds,
		tableSchedules, tableBackfills, tableRequests,
	}
}

// meta is the store's own record.
type meta struct {
	Index uint64 `json:"index"` // of the last command applied
	Level int    `json:"level"` // feature level
	// Requests is the size of the table of request ids.
	Requests int `json:"requests"`
}

// request is a remembered outcome.
type request struct {
	ID      string       `json:"id"`
	Index   uint64       `json:"index"`
	Outcome wire.Outcome `json:"outcome"`
}

// Keys end in a zero byte, so that one key is never the prefix of another.
func text(parts ...string) []byte {
	var b []byte
	for _, p := range parts {
		b = append(append(b, p...), 0)
	}
	return b
}

func number(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// keyed indexes records of type T by a function of them; nil is not indexed.
type keyed[T any] struct{ key func(*T) []byte }

// FromObject is memdb's single indexer.
func (k keyed[T]) FromObject(o any) (bool, []byte, error) {
	key := k.key(o.(*T))
	return key != nil, key, nil
}

// FromArgs takes strings and numbers, in the order of the key.
func (k keyed[T]) FromArgs(args ...any) ([]byte, error) {
	var b []byte
	for _, a := range args {
		switch v := a.(type) {
		case string:
			b = append(b, text(v)...)
		case uint64:
			b = append(b, number(v)...)
		}
	}
	return b, nil
}

func index[T any](name string, unique bool, key func(*T) []byte) *memdb.IndexSchema {
	return &memdb.IndexSchema{Name: name, Unique: unique, AllowMissing: true, Indexer: keyed[T]{key}}
}

func table(name string, indexes ...*memdb.IndexSchema) *memdb.TableSchema {
	t := &memdb.TableSchema{Name: name, Indexes: map[string]*memdb.IndexSchema{}}
	for _, i := range indexes {
		t.Indexes[i.Name] = i
	}
	t.Indexes["id"].AllowMissing = false
	return t
}

// open is the index of what is not final, oldest first.
func openKey(s wire.Status, created uint64, id string) []byte {
	if s.Final() {
		return nil
	}
	return append(number(created), text(id)...)
}

func schema() *memdb.DBSchema {
	all := []*memdb.TableSchema{
		table(tableMeta, index("id", true, func(*meta) []byte { return text("meta") })),
		table(tableNodes, index("id", true, func(n *wire.Node) []byte { return text(n.ID) })),
		table(tableDatasets, index("id", true, func(d *wire.Dataset) []byte { return text(d.ID) })),
		table(tableJobs,
			index("id", true, func(j *wire.Job) []byte { return text(j.ID) }),
			index("age", true, func(j *wire.Job) []byte { return append(number(j.CreateIndex), text(j.ID)...) }),
			index("open", true, func(j *wire.Job) []byte { return openKey(j.Status, j.CreateIndex, j.ID) })),
		table(tableStages,
			index("id", true, func(s *wire.Stage) []byte { return text(s.Job, s.Name) }),
			index("job", false, func(s *wire.Stage) []byte { return text(s.Job) })),
		table(tableTasks,
			index("id", true, func(t *wire.Task) []byte { return text(t.ID) }),
			index("stage", false, func(t *wire.Task) []byte { return text(t.Job, t.Stage) }),
			index("node", false, func(t *wire.Task) []byte {
				if t.Node == "" || t.Status != wire.Running {
					return nil
				}
				return text(t.Node)
			})),
		table(tableRounds, index("id", true, func(r *wire.Round) []byte { return text(r.Job, r.Stage) })),
		table(tableSchedules, index("id", true, func(s *wire.Schedule) []byte { return text(s.Name) })),
		table(tableBackfills,
			index("id", true, func(b *wire.Backfill) []byte { return text(b.ID) }),
			index("schedule", true, func(b *wire.Backfill) []byte { return append(text(b.Schedule), number(b.CreateIndex)...) }),
			index("open", true, func(b *wire.Backfill) []byte { return openKey(b.Status, b.CreateIndex, b.ID) })),
		table(tableRequests,
			index("id", true, func(r *request) []byte { return text(r.ID) }),
			index("age", true, func(r *request) []byte { return append(number(r.Index), text(r.ID)...) })),
	}
	s := &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{}}
	for _, t := range all {
		s.Tables[t.Name] = t
	}
	return s
}
