package state

import (
	"crypto/ed25519"
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// putKey makes a coordinator's key known. A key is never replaced: what it has
// signed stays verifiable.
func (t *tx) putKey(c wire.PutKey) (string, *wire.Error) {
	k := c.Key
	if len(k.Public) != ed25519.PublicKeySize || k.ID != wire.KeyID(k.Public) {
		return "", refuse(wire.CodeInvalid, "key %q is not the id of an ed25519 key", k.ID)
	}
	if first[wire.SigningKey](t.Txn, tableKeys, "id", k.ID) != nil {
		return "", refuse(wire.CodeConflict, "key %s is known", k.ID)
	}
	k.CreateIndex, k.ModifyIndex = t.index, t.index
	t.put(tableKeys, &k)
	return k.ID, nil
}

// editModel sets an alias or a note.
func (t *tx) editModel(c wire.SetModel) (string, *wire.Error) {
	m, err := t.checkModel(c.Model, c.CheckIndex)
	if err != nil {
		return "", err
	}
	if c.Alias == "" && c.Notes == nil {
		return "", refuse(wire.CodeInvalid, "neither an alias nor a note is given")
	}
	v := t.version(m.Name, c.Version)
	if v == nil && (!c.Drop || c.Notes != nil) {
		return "", noVersion(m.Name, c.Version)
	}
	if c.Notes != nil {
		t.putVersion(*v, func(v *wire.ModelVersion) { v.Notes = *c.Notes })
		t.modelChanged(wire.ModelChange{Model: m.Name, Version: v.Version, What: wire.ChangeNote, Reason: *c.Notes})
		return m.Name, nil
	}
	return m.Name, t.setAlias(m, c)
}

func (t *tx) setAlias(m *wire.Model, c wire.SetModel) *wire.Error {
	if err := wire.CheckAlias(c.Alias); err != nil {
		return refuse(wire.CodeInvalid, "%v", err)
	}
	aliases := maps.Clone(m.Aliases)
	if aliases == nil {
		aliases = map[string]int{}
	}
	change := wire.ModelChange{Model: m.Name, What: wire.ChangeAlias, Alias: c.Alias, Version: c.Version}
	if c.Drop {
		if aliases[c.Alias] == 0 {
			return refuse(wire.CodeNotFound, "model %s has no alias %q", m.Name, c.Alias)
		}
		delete(aliases, c.Alias)
		change.Version = 0
	} else {
		aliases[c.Alias] = c.Version
	}
	t.putModel(*m, func(m *wire.Model) { m.Aliases = aliases })
	t.modelChanged(change)
	return nil
}

// deleteVersion forgets a version that nothing needs. Its number is not given
// again, and its history stays.
func (t *tx) deleteVersion(c wire.DeleteVersion) (string, *wire.Error) {
	m, err := t.checkModel(c.Model, 0)
	if err != nil {
		return "", err
	}
	v := t.version(m.Name, c.Version)
	if v == nil {
		return "", noVersion(m.Name, c.Version)
	}
	if why := t.needed(m, v); why != "" {
		return "", refuse(wire.CodeConflict, "version %d of model %s %s", v.Version, m.Name, why)
	}
	must(0, t.Delete(tableVersions, v))
	t.modelChanged(wire.ModelChange{Model: m.Name, Version: v.Version, What: wire.ChangeDeleted, From: v.Stage, Reason: c.Reason})
	t.putModel(*m, func(*wire.Model) {})
	return m.Name, nil
}

// needed says why a version can't be forgotten; empty: it can.
func (t *tx) needed(m *wire.Model, v *wire.ModelVersion) string {
	if v.Stage == wire.Production || v.Stage == wire.Staging {
		return "is in " + string(v.Stage)
	}
	if v.Version == m.Previous {
		return "is what a rollback goes to"
	}
	if d := t.deployment(m.Name); d != nil && d.Jobs[v.Version] != "" {
		return "has replicas: stop them first"
	}
	for _, alias := range slices.Sorted(maps.Keys(m.Aliases)) {
		if m.Aliases[alias] == v.Version {
			return "has the alias " + alias
		}
	}
	return ""
}
