package state

import (
	"cohort/coordinator/wire"
)

func (t *tx) registerNode(c wire.RegisterNode) (string, *wire.Error) {
	n := c.Node
	if n.ID == "" || n.Session == "" {
		return "", refuse(wire.CodeInvalid, "a node needs an id and a session")
	}
	old := t.node(n.ID)
	if old != nil && old.Session != n.Session {
		t.releaseNode(n.ID, wire.CauseNode)
	}
	n.Status, n.Reason = wire.NodeReady, ""
	n.CreateIndex, n.ModifyIndex = t.index, t.index
	if old != nil {
		n.CreateIndex = old.CreateIndex
	}
	t.put(tableNodes, &n)
	return n.ID, nil
}

func (t *tx) nodeStatus(c wire.SetNodeStatus) (string, *wire.Error) {
	n := t.node(c.Node)
	switch {
	case n == nil:
		return "", refuse(wire.CodeNotFound, "no node %s", c.Node)
	case c.Session != "" && c.Session != n.Session:
		return "", refuse(wire.CodeConflict, "node %s has a newer session", n.ID)
	case c.CheckIndex != 0 && c.CheckIndex != n.ModifyIndex:
		return "", refuse(wire.CodeConflict, "node %s has changed: its index is %d, not %d", n.ID, n.ModifyIndex, c.CheckIndex)
	}
	t.setNode(*n, func(n *wire.Node) { n.Status, n.Reason = c.Status, c.Reason })
	if c.Status == wire.NodeDown {
		t.releaseNode(n.ID, wire.CauseNode)
	}
	return n.ID, nil
}

// releaseNode sends all that a node runs back to pending.
func (t *tx) releaseNode(id string, cause wire.Cause) {
	moved := touched{}
	for _, k := range list[wire.Task](nil, t.Txn, tableTasks, "node", id) {
		if now := t.task(k.ID); now.Status == wire.Running && now.Node == id { // a gang's other member may have gone first
			t.release(now, t.stage(now.Job, now.Stage), cause, "")
			moved.note(k)
		}
	}
	t.advanceAll(moved)
}

func (t *tx) featureLevel(c wire.SetFeatureLevel) (string, *wire.Error) {
	m := meta{Level: 1}
	if old := first[meta](t.Txn, tableMeta, "id", "meta"); old != nil {
		m = *old
	}
	if c.Level <= m.Level {
		return "", refuse(wire.CodeConflict, "feature level is %d already", m.Level)
	}
	m.Level = c.Level
	t.put(tableMeta, &m)
	return "", nil
}
