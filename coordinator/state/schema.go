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
	tableKept     = "kept"
	tableHeads    = "heads"

	tableSchedules = "schedules"
	tableBackfills = "backfills"

	tableRequests = "requests"
	tableFeatures = "features"
	tableAlerts   = "alerts"
	tableSilences = "silences"
	tableWaits    = "waits" // derived, in no snapshot

	tableModels      = "models"
	tableVersions    = "versions"
	tableEvaluations = "evaluations"
	tableKeys        = "keys"
	tableHistory     = "model_history"
)

func tables() []string {
	return []string{
		tableMeta, tableNodes, tableDatasets, tableJobs, tableStages, tableTasks, tableRounds,
		tableSchedules, tableBackfills, tableKept, tableHeads, tableRequests,
		tableFeatures,
		tableModels, tableVersions, tableEvaluations, tableKeys, tableHistory,
		tableDeployments,
		tableLog, tableSegments, tableKnown, tableAttempts,
		tableAlerts, tableSilences,
	}
}

// waits counts the stages that one still waits for. It is apart from the stage's
// record, which has an index entry for each of them.
type waits struct {
	Job, Stage string
	N          int
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

// among indexes those stages of a job that keep says, in their order.
func among(name string, keep func(*wire.Stage) bool) *memdb.IndexSchema {
	return index(name, false, func(s *wire.Stage) []byte {
		if !keep(s) {
			return nil
		}
		return append(text(s.Job), number(uint64(s.Order))...)
	})
}

// within indexes those tasks of a stage whose status keep says, in their order.
func within(name string, keep func(wire.Status) bool) *memdb.IndexSchema {
	return index(name, false, func(k *wire.Task) []byte {
		if !keep(k.Status) {
			return nil
		}
		return append(text(k.Job, k.Stage), number(uint64(k.Index))...)
	})
}

// successors indexes stages by each stage that they wait for.
type successors struct{}

// FromObject is memdb's multi indexer.
func (successors) FromObject(o any) (bool, [][]byte, error) {
	s := o.(*wire.Stage)
	keys := make([][]byte, len(s.After))
	for k, a := range s.After {
		keys[k] = text(s.Job, a)
	}
	return len(keys) > 0, keys, nil
}

// FromArgs takes the job and the stage that is waited for.
func (successors) FromArgs(args ...any) ([]byte, error) { return keyed[wire.Stage]{}.FromArgs(args...) }

func schema() *memdb.DBSchema {
	all := []*memdb.TableSchema{
		table(tableMeta, index("id", true, func(*meta) []byte { return text("meta") })),
		table(tableNodes, index("id", true, func(n *wire.Node) []byte { return text(n.ID) })),
		table(tableDatasets, index("id", true, func(d *wire.Dataset) []byte { return text(d.ID) })),
		table(tableFeatures,
			index("id", true, func(f *wire.FeatureSet) []byte { return text(f.Name, f.ID) }),
			index("set", false, func(f *wire.FeatureSet) []byte { return text(f.ID) })),
		table(tableJobs,
			index("id", true, func(j *wire.Job) []byte { return text(j.ID) }),
			index("age", true, func(j *wire.Job) []byte { return append(number(j.CreateIndex), text(j.ID)...) }),
			index("name", false, func(j *wire.Job) []byte { return append(text(j.Name), number(j.CreateIndex)...) }),
			index("open", true, func(j *wire.Job) []byte { return openKey(j.Status, j.CreateIndex, j.ID) })),
		table(tableStages,
			index("id", true, func(s *wire.Stage) []byte { return text(s.Job, s.Name) }),
			among("order", func(*wire.Stage) bool { return true }),
			among("open", func(s *wire.Stage) bool { return !s.Status.Final() }),
			among("running", func(s *wire.Stage) bool { return s.Status == wire.Running }),
			among("done", func(s *wire.Stage) bool { return s.Status == wire.Done }),
			among("ready", func(s *wire.Stage) bool { return s.Waits == 0 && !s.Status.Final() }),
			among("fan", func(s *wire.Stage) bool { return s.Fan && !s.Closed && !s.Status.Final() }),
			index("study", false, func(s *wire.Stage) []byte {
				if s.Kind != wire.StageTune {
					return nil
				}
				return append(number(s.CreateIndex), text(s.Job)...)
			}),
			index("part", false, func(s *wire.Stage) []byte {
				if s.Of == "" {
					return nil
				}
				return append(text(s.Job, s.Of), number(uint64(s.Order))...)
			}),
			among("told", func(s *wire.Stage) bool { return len(s.Result) > 0 }),
			&memdb.IndexSchema{Name: "after", AllowMissing: true, Indexer: successors{}}),
		table(tableTasks,
			index("id", true, func(t *wire.Task) []byte { return text(t.ID) }),
			within("stage", func(wire.Status) bool { return true }),
			within("undone", func(s wire.Status) bool { return s != wire.Done }),
			within("pending", func(s wire.Status) bool { return s == wire.Pending }),
			within("held", func(s wire.Status) bool { return s == wire.Running }),
			within("done", func(s wire.Status) bool { return s == wire.Done }),
			within("failed", func(s wire.Status) bool { return s == wire.Failed }),
			index("node", false, func(t *wire.Task) []byte {
				if t.Node == "" || t.Status != wire.Running {
					return nil
				}
				return text(t.Node)
			})),
		table(tableWaits, index("id", true, func(w *waits) []byte { return text(w.Job, w.Stage) })),
		table(tableKept, index("id", true, func(k *wire.Kept) []byte { return text(k.Key) })),
		table(tableHeads, index("id", true, func(h *wire.Head) []byte { return text(h.Line) })),
		table(tableRounds, index("id", true, func(r *wire.Round) []byte { return text(r.Job, r.Stage) })),
		table(tableSchedules, index("id", true, func(s *wire.Schedule) []byte { return text(s.Name) })),
		table(tableBackfills,
			index("id", true, func(b *wire.Backfill) []byte { return text(b.ID) }),
			index("schedule", true, func(b *wire.Backfill) []byte { return append(text(b.Schedule), number(b.CreateIndex)...) }),
			index("open", true, func(b *wire.Backfill) []byte { return openKey(b.Status, b.CreateIndex, b.ID) })),
		table(tableAlerts,
			index("id", true, func(a *wire.Alert) []byte { return text(a.ID) }),
			index("open", true, firingKey),
			index("over", true, overKey)),
		table(tableSilences, index("id", true, func(s *wire.Silence) []byte { return text(s.ID) })),
		table(tableRequests,
			index("id", true, func(r *request) []byte { return text(r.ID) }),
			index("age", true, func(r *request) []byte { return append(number(r.Index), text(r.ID)...) })),
	}
	all = append(all, modelTables()...)
	all = append(all, deployTables()...)
	all = append(all, attemptSchemas()...)
	s := &memdb.DBSchema{Tables: map[string]*memdb.TableSchema{}}
	for _, t := range all {
		s.Tables[t.Name] = t
	}
	return s
}
