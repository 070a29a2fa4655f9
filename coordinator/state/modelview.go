package state

import (
	"strconv"

	"cohort/coordinator/wire"
)

// Models lists the models by name.
func (v *View) Models(w *Watch) []*wire.Model { return all[wire.Model](v, w, tableModels, "id") }

// Model finds a model.
func (v *View) Model(w *Watch, name string) (*wire.Model, bool) {
	return get[wire.Model](v, w, tableModels, name)
}

// Versions lists a model's versions, oldest first.
func (v *View) Versions(w *Watch, model string) []*wire.ModelVersion {
	return all[wire.ModelVersion](v, w, tableVersions, "id", model)
}

// Version finds a version of a model.
func (v *View) Version(w *Watch, model string, n int) (*wire.ModelVersion, bool) {
	return get[wire.ModelVersion](v, w, tableVersions, model, uint64(n))
}

// VersionNamed finds a version by its number, its stage (production or staging),
// an alias, or "latest".
func (v *View) VersionNamed(w *Watch, model, name string) (*wire.ModelVersion, bool) {
	m, ok := v.Model(w, model)
	if !ok {
		return nil, false
	}
	n := m.Aliases[name]
	switch name {
	case string(wire.Production):
		n = m.Production
	case string(wire.Staging):
		n = m.Staging
	case wire.Latest:
		for _, version := range v.Versions(w, model) {
			n = version.Version
		}
	default:
		if number, err := strconv.Atoi(name); err == nil {
			n = number
		}
	}
	if n <= 0 {
		return nil, false
	}
	return v.Version(w, model, n)
}

// Evaluation finds an evaluation by "JOB/STAGE".
func (v *View) Evaluation(w *Watch, id string) (*wire.Evaluation, bool) {
	return get[wire.Evaluation](v, w, tableEvaluations, id)
}

// History lists a model's changes, oldest first.
func (v *View) History(w *Watch, model string) []wire.ModelChange {
	return deref(all[wire.ModelChange](v, w, tableHistory, "id", model))
}

// Keys lists the keys that sign models, by id.
func (v *View) Keys(w *Watch) []*wire.SigningKey { return all[wire.SigningKey](v, w, tableKeys, "id") }

// Key finds a key by its id.
func (v *View) Key(w *Watch, id string) (*wire.SigningKey, bool) {
	return get[wire.SigningKey](v, w, tableKeys, id)
}
