package state

import (
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// tx is a command under way.
type tx struct {
	*memdb.Txn
	index uint64
	now   int64 // the leader's clock, Unix milliseconds
	actor string

	reused bool // of the outcome
}

// do decodes the body for a command's function.
func do[T any](env wire.Envelope, apply func(T) (string, *wire.Error)) (string, *wire.Error) {
	var body T
	if err := json.Unmarshal(env.Body, &body); err != nil {
		return "", refuse(wire.CodeInvalid, "command %d: %v", env.Number, err)
	}
	return apply(body)
}

// must turns memdb's errors, which only a wrong schema causes, into a stop.
func must[T any](v T, err error) T {
	if err != nil {
		panic(fmt.Sprintf("state: %v", err))
	}
	return v
}

func (t *tx) put(table string, record any) { must(0, t.Insert(table, record)) }

func first[T any](txn *memdb.Txn, table, index string, args ...any) *T {
	v, _ := must(txn.First(table, index, args...)).(*T)
	return v
}

func list[T any](w *Watch, txn *memdb.Txn, table, index string, args ...any) []*T {
	it := must(txn.Get(table, index, args...))
	w.add(it.WatchCh())
	return collect[T](it, 0)
}

func collect[T any](it memdb.ResultIterator, limit int) []*T {
	var all []*T
	for v := it.Next(); v != nil && (limit == 0 || len(all) < limit); v = it.Next() {
		all = append(all, v.(*T))
	}
	return all
}

func (t *tx) job(id string) *wire.Job   { return first[wire.Job](t.Txn, tableJobs, "id", id) }
func (t *tx) node(id string) *wire.Node { return first[wire.Node](t.Txn, tableNodes, "id", id) }
func (t *tx) task(id string) *wire.Task { return first[wire.Task](t.Txn, tableTasks, "id", id) }

func (t *tx) stage(job, name string) *wire.Stage {
	return first[wire.Stage](t.Txn, tableStages, "id", job, name)
}

func (t *tx) stages(job string) []*wire.Stage {
	return list[wire.Stage](nil, t.Txn, tableStages, "order", job)
}

func (t *tx) tasks(job, stage string) []*wire.Task {
	return list[wire.Task](nil, t.Txn, tableTasks, "stage", job, stage)
}

func (t *tx) request(id string) *request {
	if id == "" {
		return nil
	}
	return first[request](t.Txn, tableRequests, "id", id)
}

// The functions below store a changed copy of a record.

func (t *tx) setJob(j wire.Job, change func(*wire.Job)) {
	change(&j)
	j.ModifyIndex = t.index
	t.put(tableJobs, &j)
}

func (t *tx) setStage(s wire.Stage, change func(*wire.Stage)) {
	change(&s)
	s.ModifyIndex = t.index
	t.put(tableStages, &s)
}

// setTask also ends a service's address with the token under which it was told.
func (t *tx) setTask(k wire.Task, change func(*wire.Task)) {
	token := k.Token
	change(&k)
	if k.Token != token || k.Status != wire.Running {
		k.Addr = ""
	}
	k.ModifyIndex = t.index
	t.put(tableTasks, &k)
}

func (t *tx) setNode(n wire.Node, change func(*wire.Node)) {
	change(&n)
	n.ModifyIndex = t.index
	t.put(tableNodes, &n)
}

// keepRequests bounds the table of request ids.
const keepRequests = 10_000

// settle remembers the outcome and the index, and commits.
func (t *tx) settle(id string, out wire.Outcome) {
	m := meta{Level: 1}
	if old := first[meta](t.Txn, tableMeta, "id", "meta"); old != nil {
		m = *old
	}
	if id != "" && t.request(id) == nil {
		t.put(tableRequests, &request{id, t.index, out})
		m.Requests++
	}
	for ; m.Requests > keepRequests; m.Requests-- {
		oldest := must(t.First(tableRequests, "age"))
		must(0, t.Delete(tableRequests, oldest))
	}
	m.Index = t.index
	t.put(tableMeta, &m)
	t.Commit()
}
