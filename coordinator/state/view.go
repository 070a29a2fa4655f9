package state

import (
	"context"
	"iter"

	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// View is a consistent snapshot; it never changes. Records it returns are
// shared: read only.
type View struct {
	txn     *memdb.Txn
	dropped <-chan struct{}
}

// Watch gathers what reads depended on. A nil Watch gathers nothing.
type Watch struct{ set memdb.WatchSet }

func (w *Watch) add(ch <-chan struct{}) {
	if w == nil {
		return
	}
	if w.set == nil {
		w.set = memdb.NewWatchSet()
	}
	w.set.Add(ch)
}

// Wait returns when one of the reads would answer differently, or with ctx's error.
func (w *Watch) Wait(ctx context.Context) error { return w.set.WatchCtx(ctx) }

func get[T any](v *View, w *Watch, table string, args ...any) (*T, bool) {
	ch, found, err := v.txn.FirstWatch(table, "id", args...)
	must(0, err)
	w.add(ch)
	w.add(v.dropped)
	r, ok := found.(*T)
	return r, ok
}

func all[T any](v *View, w *Watch, table, index string, args ...any) []*T {
	w.add(v.dropped)
	return list[T](w, v.txn, table, index, args...)
}

// Index is the Raft index of the last command applied.
func (v *View) Index() uint64 {
	m := first[meta](v.txn, tableMeta, "id", "meta")
	if m == nil {
		return 0
	}
	return m.Index
}

// Level is the feature level.
func (v *View) Level() int {
	m := first[meta](v.txn, tableMeta, "id", "meta")
	if m == nil {
		return 1
	}
	return m.Level
}

// Job finds a job.
func (v *View) Job(w *Watch, id string) (*wire.Job, bool) { return get[wire.Job](v, w, tableJobs, id) }

// Jobs lists up to limit jobs, newest first; 0 is all.
func (v *View) Jobs(w *Watch, limit int) []*wire.Job {
	it := must(v.txn.GetReverse(tableJobs, "age"))
	w.add(must(v.txn.Get(tableJobs, "age")).WatchCh())
	w.add(v.dropped)
	return collect[wire.Job](it, limit)
}

// JobsNamed lists up to limit jobs of a name, newest first; 0 is all.
func (v *View) JobsNamed(w *Watch, name string, limit int) []*wire.Job {
	it := must(v.txn.GetReverse(tableJobs, "name", name))
	w.add(must(v.txn.Get(tableJobs, "name", name)).WatchCh())
	w.add(v.dropped)
	return collect[wire.Job](it, limit)
}

// OpenJobs lists jobs that are not final, oldest first.
func (v *View) OpenJobs() []*wire.Job { return all[wire.Job](v, nil, tableJobs, "open") }

// Stages lists a job's stages in order: each after those it waits for.
func (v *View) Stages(w *Watch, job string) []*wire.Stage {
	return all[wire.Stage](v, w, tableStages, "order", job)
}

// Ready visits, in order, those stages of a job that wait for no other and have
// not ended.
func (v *View) Ready(job string) iter.Seq[*wire.Stage] {
	return each[wire.Stage](v, tableStages, "ready", job)
}

// Pending visits a stage's tasks that have no holder.
func (v *View) Pending(job, stage string) iter.Seq[*wire.Task] {
	return each[wire.Task](v, tableTasks, "pending", job, stage)
}

func each[T any](v *View, table, index string, args ...any) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		it := must(v.txn.Get(table, index, args...))
		for r := it.Next(); r != nil && yield(r.(*T)); r = it.Next() {
		}
	}
}

// Stage finds a stage.
func (v *View) Stage(w *Watch, job, name string) (*wire.Stage, bool) {
	return get[wire.Stage](v, w, tableStages, job, name)
}

// Tasks lists a stage's tasks by index.
func (v *View) Tasks(w *Watch, job, stage string) []*wire.Task {
	return all[wire.Task](v, w, tableTasks, "stage", job, stage)
}

// Task finds a task.
func (v *View) Task(w *Watch, id string) (*wire.Task, bool) {
	return get[wire.Task](v, w, tableTasks, id)
}

// TasksOf lists the tasks that run on a node.
func (v *View) TasksOf(w *Watch, node string) []*wire.Task {
	return all[wire.Task](v, w, tableTasks, "node", node)
}

// Nodes lists the nodes by id.
func (v *View) Nodes(w *Watch) []*wire.Node { return all[wire.Node](v, w, tableNodes, "id") }

// Node finds a node.
func (v *View) Node(w *Watch, id string) (*wire.Node, bool) {
	return get[wire.Node](v, w, tableNodes, id)
}

// Round finds a gang stage's newest round.
func (v *View) Round(w *Watch, job, stage string) (*wire.Round, bool) {
	return get[wire.Round](v, w, tableRounds, job, stage)
}

// Datasets lists the datasets by id.
func (v *View) Datasets(w *Watch) []*wire.Dataset {
	return all[wire.Dataset](v, w, tableDatasets, "id")
}

// Dataset finds a dataset.
func (v *View) Dataset(w *Watch, id string) (*wire.Dataset, bool) {
	return get[wire.Dataset](v, w, tableDatasets, id)
}

// Assignments are what a worker is to run now, under the session it has.
func (v *View) Assignments(w *Watch, node, session string) []wire.Assignment {
	n, ok := v.Node(w, node)
	tasks := v.TasksOf(w, node)
	if !ok || n.Session != session {
		return nil
	}
	found := make([]wire.Assignment, 0, len(tasks))
	for _, k := range tasks {
		s, _ := v.Stage(nil, k.Job, k.Stage)
		a := wire.Assignment{Task: *k, Stage: *s}
		a.Stage.Inputs, a.Stage.Resolved = s.Resolved, nil
		if j, ok := v.Job(nil, k.Job); ok {
			a.At = j.At
		}
		if h := first[wire.Head](v.txn, tableHeads, "id", s.Line); h != nil && s.Line != "" && !s.Fresh {
			a.Last = h.Plan
		}
		if r, ok := v.Round(nil, k.Job, k.Stage); ok && r.Number == k.Token {
			a.Round = r
		}
		found = append(found, a)
	}
	return found
}
