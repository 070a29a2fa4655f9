package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// TaskID names task k of a stage.
func TaskID(job, stage string, k int) string { return fmt.Sprintf("%s/%s/%d", job, stage, k) }

func (t *tx) assign(c wire.Assign) (string, *wire.Error) {
	if len(c.Placements) == 0 {
		return "", refuse(wire.CodeInvalid, "no placements")
	}
	placed := 0
	var last *wire.Error
	moved := touched{}
	for _, p := range c.Placements {
		if err := t.place(p, c.Gang); err != nil {
			if c.Gang {
				return "", err
			}
			last = err
			continue
		}
		placed++
		moved.note(t.task(p.Task))
	}
	if placed == 0 {
		return "", last
	}
	if c.Gang {
		if err := t.formRound(c.Placements); err != nil {
			return "", err
		}
	}
	t.advanceAll(moved)
	return "", nil
}

// touched are stages whose tasks a command has changed.
type touched map[[2]string]bool

func (m touched) note(k *wire.Task) { m[[2]string{k.Job, k.Stage}] = true }

func (t *tx) advanceAll(m touched) {
	order := func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }
	for _, s := range slices.SortedFunc(maps.Keys(m), order) {
		t.advance(s[0], s[1])
	}
}

// place gives one task to one node, if that is still possible.
func (t *tx) place(p wire.Placement, gang bool) *wire.Error {
	k, n := t.task(p.Task), t.node(p.Node)
	switch {
	case k == nil:
		return refuse(wire.CodeNotFound, "no task %s", p.Task)
	case k.Status != wire.Pending:
		return refuse(wire.CodeConflict, "task %s is %s", k.ID, k.Status)
	case n == nil || n.Status != wire.NodeReady || n.Session != p.Session:
		return refuse(wire.CodeConflict, "node %s is not ready under session %s", p.Node, p.Session)
	case p.Granted.Cores < 0 || p.Granted.MemoryMB < 0:
		return refuse(wire.CodeInvalid, "task %s is granted %+v", k.ID, p.Granted)
	}
	s := t.stage(k.Job, k.Stage)
	if s.Waits > 0 || (s.Run == wire.Gang) != gang {
		return refuse(wire.CodeConflict, "stage %s/%s can't start (waits for %d stages, runs as %s)", s.Job, s.Name, s.Waits, s.Run)
	}
	if s.Kind == wire.StageExec && !n.Exec {
		return refuse(wire.CodeConflict, "node %s allows no exec stages, so not %s/%s", n.ID, s.Job, s.Name)
	}
	free := Free(n, list[wire.Task](nil, t.Txn, tableTasks, "node", n.ID))
	if free.Cores < p.Granted.Cores || free.MemoryMB < p.Granted.MemoryMB {
		return refuse(wire.CodeConflict, "node %s has %+v free, task %s needs %+v", n.ID, free, k.ID, p.Granted)
	}
	t.setTask(*k, func(k *wire.Task) {
		k.Status, k.Reason, k.Node, k.Token, k.Granted = wire.Running, "", p.Node, t.index, p.Granted
		k.Attempt++
	})
	return nil
}

// Free is what running tasks leave of a node.
func Free(n *wire.Node, running []*wire.Task) wire.Resources {
	free := n.Resources
	for _, k := range running {
		free.Cores -= k.Granted.Cores
		free.MemoryMB -= k.Granted.MemoryMB
	}
	return free
}

// formRound makes the round of a gang whose tasks have just been placed.
func (t *tx) formRound(placements []wire.Placement) *wire.Error {
	k := t.task(placements[0].Task)
	s := t.stage(k.Job, k.Stage)
	r := wire.Round{Job: s.Job, Stage: s.Name, Number: t.index}
	r.CreateIndex, r.ModifyIndex = t.index, t.index
	if s.Checkpoint != nil {
		r.From = s.Checkpoint.Hash
	}
	for _, k := range t.tasks(s.Job, s.Name) {
		if k.Token != t.index {
			return refuse(wire.CodeConflict, "a gang starts whole: task %s has no place", k.ID)
		}
		r.Members = append(r.Members, wire.Member{Task: k.ID, Node: k.Node, Addr: t.node(k.Node).Addr})
	}
	if len(r.Members) != len(placements) {
		return refuse(wire.CodeInvalid, "a gang is of one stage")
	}
	t.put(tableRounds, &r)
	t.setStage(*s, func(s *wire.Stage) { s.Round = t.index })
	return nil
}

// held is a task that runs under a token; another token is refused.
func (t *tx) held(task string, token uint64) (*wire.Task, *wire.Error) {
	k := t.task(task)
	if k == nil {
		return nil, refuse(wire.CodeNotFound, "no task %s", task)
	}
	if k.Status != wire.Running || k.Token != token {
		return nil, refuse(wire.CodeConflict, "token %d of task %s is not current", token, task)
	}
	return k, nil
}

func (t *tx) taskResult(c wire.TaskResult) (string, *wire.Error) {
	k, refused := t.held(c.Task, c.Token)
	if refused != nil {
		return "", refused
	}
	s := t.stage(k.Job, k.Stage)
	switch {
	case s.Kind == wire.StageServe && ownFailure(c):
		t.failReplica(k, s, c)
	case c.Error == "" && s.Run != wire.Service:
		if refused := t.recordModel(s, &c); refused != nil {
			return "", refused
		}
		t.succeed(k, s, c)
	case c.Error != "" && ownFailure(c):
		t.fail(k, s, c)
	default:
		t.release(k, s, c.Cause, c.Error)
	}
	t.advance(k.Job, k.Stage)
	return k.ID, nil
}

func (t *tx) succeed(k *wire.Task, s *wire.Stage, c wire.TaskResult) {
	t.setTask(*k, func(k *wire.Task) { k.Status, k.Reason, k.Token = wire.Done, "", 0 })
	if s.Run == wire.Batch || k.Index == 0 {
		t.setStage(*s, func(s *wire.Stage) {
			outputs := maps.Clone(s.Outputs)
			if outputs == nil {
				outputs = map[string]string{}
			}
			maps.Copy(outputs, c.Outputs)
			s.Outputs = outputs
			if len(c.Result) > 0 {
				s.Result = c.Result
			}
		})
	}
	if c.Dataset != nil {
		t.putDataset(*c.Dataset)
	}
	if c.Features != nil {
		t.putFeatures(*c.Features, k.Job)
	}
}

// putDataset keeps the first record of a dataset: the same content has one id.
func (t *tx) putDataset(d wire.Dataset) {
	d.CreateIndex, d.ModifyIndex, d.Created = t.index, t.index, t.now
	if old := first[wire.Dataset](t.Txn, tableDatasets, "id", d.ID); old != nil {
		d.CreateIndex, d.Created = old.CreateIndex, old.Created
	}
	t.put(tableDatasets, &d)
}

// fail counts a failure of the task's own against the stage's retries.
func (t *tx) fail(k *wire.Task, s *wire.Stage, c wire.TaskResult) {
	failures := k.Failures + 1
	if c.Cause != wire.CauseTask || failures > s.Retries {
		t.setTask(*k, func(k *wire.Task) {
			k.Status, k.Reason, k.Error, k.Cause, k.Failures, k.Token = wire.Failed, c.Error, c.Error, c.Cause, failures, 0
		})
		t.setStage(*s, func(s *wire.Stage) { s.Outputs, s.Result = c.Outputs, c.Result }) // what says why
		return
	}
	t.release(k, s, c.Cause, c.Error)
	t.setTask(*t.task(k.ID), func(k *wire.Task) {
		k.Failures, k.Error = failures, c.Error
		k.Pause = t.now + backoff(failures)
		k.Reason = fmt.Sprintf("failed %d of %d times, tried again after a pause: %s", failures, s.Retries+1, c.Error)
	})
}

// backoff is the pause after a task's n-th failure, milliseconds: 1 s doubling to 1 min.
func backoff(n int) int64 { return min(int64(1000)<<min(n-1, 6), 60_000) }

// peerPause keeps a gang from forming again, hot, around a member that is gone
// but not yet known to be.
const peerPause = 300

// release takes a task from its holder; a gang shares the fate.
func (t *tx) release(k *wire.Task, s *wire.Stage, cause wire.Cause, text string) {
	reason := "lost its worker (" + string(cause) + ")"
	if text != "" {
		reason += ": " + text
	}
	lost := []*wire.Task{k}
	if s.Run == wire.Gang {
		lost = t.tasks(s.Job, s.Name)
	}
	for _, m := range lost {
		t.setTask(*m, func(m *wire.Task) {
			m.Status, m.Reason, m.Node, m.Token, m.Granted = wire.Pending, reason, "", 0, wire.Resources{}
			if s.Run == wire.Gang {
				m.Pause = t.now + peerPause
			}
		})
	}
}

func (t *tx) releaseTasks(c wire.ReleaseTasks) (string, *wire.Error) {
	freed := 0
	for _, held := range c.Tasks {
		k := t.task(held.Task)
		if k == nil || k.Status != wire.Running || k.Token != held.Token {
			continue
		}
		t.release(k, t.stage(k.Job, k.Stage), c.Cause, "")
		t.advance(k.Job, k.Stage)
		freed++
	}
	if freed == 0 {
		return "", refuse(wire.CodeConflict, "none of the %d tasks is held under the token named", len(c.Tasks))
	}
	return "", nil
}

func (t *tx) putCheckpoint(c wire.PutCheckpoint) (string, *wire.Error) {
	k, refused := t.held(c.Task, c.Token)
	if refused != nil {
		return "", refused
	}
	s := t.stage(k.Job, k.Stage)
	if old := s.Checkpoint; old != nil && (c.Checkpoint.Epoch < old.Epoch || c.Checkpoint.Epoch == old.Epoch && c.Checkpoint.Step <= old.Step) {
		return s.Name, nil
	}
	t.setStage(*s, func(s *wire.Stage) {
		made := c.Checkpoint
		made.Round = c.Token
		s.Checkpoint = &made
	})
	return s.Name, nil
}
