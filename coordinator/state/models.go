package state

import (
	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// The registry: models, their versions, what evaluations found, the keys that
// sign, and every change of a model, which is only ever added to.

func modelTables() []*memdb.TableSchema {
	return []*memdb.TableSchema{
		table(tableModels, index("id", true, func(m *wire.Model) []byte { return text(m.Name) })),
		table(tableVersions,
			index("id", true, func(v *wire.ModelVersion) []byte { return append(text(v.Model), number(uint64(v.Version))...) }),
			index("manifest", true, func(v *wire.ModelVersion) []byte { return text(v.Model, v.Manifest) })),
		table(tableEvaluations, index("id", true, func(e *wire.Evaluation) []byte { return text(e.ID) })),
		table(tableKeys, index("id", true, func(k *wire.SigningKey) []byte { return text(k.ID) })),
		table(tableHistory, index("id", true, changeKey)),
	}
}

// changeKey orders a model's changes.
func changeKey(c *wire.ModelChange) []byte {
	return append(append(text(c.Model), number(c.Index)...), number(uint64(c.Version))...)
}

// modelRecord is an empty record of a table of the registry, nil of another's.
func modelRecord(table string) any {
	switch table {
	case tableModels:
		return &wire.Model{}
	case tableVersions:
		return &wire.ModelVersion{}
	case tableEvaluations:
		return &wire.Evaluation{}
	case tableKeys:
		return &wire.SigningKey{}
	case tableHistory:
		return &wire.ModelChange{}
	}
	return nil
}

func (t *tx) model(name string) *wire.Model {
	return first[wire.Model](t.Txn, tableModels, "id", name)
}

func (t *tx) version(model string, n int) *wire.ModelVersion {
	return versionOf(t.Txn, model, n)
}

func versionOf(txn *memdb.Txn, model string, n int) *wire.ModelVersion {
	return first[wire.ModelVersion](txn, tableVersions, "id", model, uint64(n))
}

// weightsInProduction are those of a model's version in production, or empty.
func weightsInProduction(txn *memdb.Txn, model string) string {
	m := first[wire.Model](txn, tableModels, "id", model)
	if m == nil || m.Production == 0 {
		return ""
	}
	return versionOf(txn, model, m.Production).Weights
}

// putModel stores a changed copy of a model.
func (t *tx) putModel(m wire.Model, change func(*wire.Model)) {
	change(&m)
	if m.CreateIndex == 0 {
		m.CreateIndex = t.index
	}
	m.ModifyIndex = t.index
	t.put(tableModels, &m)
}

// putVersion stores a changed copy of a version.
func (t *tx) putVersion(v wire.ModelVersion, change func(*wire.ModelVersion)) {
	change(&v)
	if v.CreateIndex == 0 {
		v.CreateIndex = t.index
	}
	v.ModifyIndex = t.index
	t.put(tableVersions, &v)
}

// modelChanged adds to a model's history.
func (t *tx) modelChanged(c wire.ModelChange) {
	c.Index, c.Time, c.Actor = t.index, t.now, t.actor
	t.put(tableHistory, &c)
}

// standing is what a model's history tells.
func (t *tx) standing(model string) wire.Standing {
	return wire.Replay(deref(list[wire.ModelChange](nil, t.Txn, tableHistory, "id", model)))
}

func deref(changes []*wire.ModelChange) []wire.ModelChange {
	all := make([]wire.ModelChange, len(changes))
	for k, c := range changes {
		all[k] = *c
	}
	return all
}

// checkModel refuses a command on a model that is unknown or has changed.
func (t *tx) checkModel(name string, checkIndex uint64) (*wire.Model, *wire.Error) {
	m := t.model(name)
	switch {
	case m == nil:
		return nil, refuse(wire.CodeNotFound, "no model %q", name)
	case checkIndex != 0 && checkIndex != m.ModifyIndex:
		return nil, refuse(wire.CodeConflict, "model %s has changed: its index is %d, not %d", name, m.ModifyIndex, checkIndex)
	}
	return m, nil
}

func noVersion(model string, n int) *wire.Error {
	return refuse(wire.CodeNotFound, "model %s has no version %d", model, n)
}
