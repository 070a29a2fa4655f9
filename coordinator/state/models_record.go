package state

import (
	"encoding/json"
	"slices"

	"cohort/coordinator/wire"
)

// recordModel keeps what a stage says of a model. The caller has checked that
// the task's token is live.
func (t *tx) recordModel(s *wire.Stage, c *wire.TaskResult) *wire.Error {
	if c.Evaluation != nil {
		if s.Kind != wire.StageEvaluate {
			return refuse(wire.CodeInvalid, "stage %s/%s is of kind %s: only evaluate makes an evaluation", s.Job, s.Name, s.Kind)
		}
		return t.putEvaluation(s, *c.Evaluation)
	}
	if c.Version == nil {
		return nil
	}
	if s.Kind != wire.StageRegister {
		return refuse(wire.CodeInvalid, "stage %s/%s is of kind %s: only register makes a version of a model", s.Job, s.Name, s.Kind)
	}
	n, err := t.register(s, c)
	if err == nil {
		c.Result = withVersion(c.Result, c.Version.Model, n)
	}
	return err
}

// putEvaluation keeps an evaluation with what its stage's gates say of it. What
// was evaluated against what is told by the stage's inputs, not by the task.
func (t *tx) putEvaluation(s *wire.Stage, e wire.Evaluation) *wire.Error {
	var settings wire.EvaluateSettings
	if err := json.Unmarshal(s.Settings, &settings); err != nil {
		return refuse(wire.CodeInvalid, "stage %s/%s: settings: %v", s.Job, s.Name, err)
	}
	if e.Candidate == "" || e.Candidate != s.Resolved["weights"] || e.BaselineWeights != s.Resolved["production"] {
		return refuse(wire.CodeInvalid, "stage %s/%s evaluated weights %q against %q, its inputs are %q and %q",
			s.Job, s.Name, e.Candidate, e.BaselineWeights, s.Resolved["weights"], s.Resolved["production"])
	}
	e.ID, e.Job, e.Model = s.Job+"/"+s.Name, s.Job, settings.Name
	if e.Baseline = t.baseline(e.Model, e.BaselineWeights); e.Baseline == 0 && e.BaselineWeights != "" {
		return refuse(wire.CodeInvalid, "stage %s/%s: model %s has had no version of weights %q in production", s.Job, s.Name, e.Model, e.BaselineWeights)
	}
	e.Gates, e.Created = wire.CheckGates(settings.Gates, e), t.now
	e.CreateIndex, e.ModifyIndex = t.index, t.index
	if old := first[wire.Evaluation](t.Txn, tableEvaluations, "id", e.ID); old != nil {
		e.CreateIndex = old.CreateIndex
	}
	t.put(tableEvaluations, &e)
	return nil
}

// baseline finds the version of some weights: the one in production or, where
// production has moved on, the newest that was there.
func (t *tx) baseline(model, weights string) (version int) {
	m := t.model(model)
	if m == nil || weights == "" {
		return 0
	}
	for _, n := range slices.Backward(t.standing(model).Past) {
		if v := t.version(model, n); v != nil && v.Weights == weights {
			return v.Version
		}
	}
	return 0
}

// register makes a model's next version, or finds the one of the same manifest.
func (t *tx) register(s *wire.Stage, c *wire.TaskResult) (version int, refused *wire.Error) {
	var settings wire.RegisterSettings
	if err := json.Unmarshal(s.Settings, &settings); err != nil {
		return 0, refuse(wire.CodeInvalid, "stage %s/%s: settings: %v", s.Job, s.Name, err)
	}
	v := *c.Version
	if refused := t.checkVersion(s, &v, settings.Name); refused != nil {
		return 0, refused
	}
	v.Job, v.Evaluation, v.AUC = s.Job, "", 0
	if e := first[wire.Evaluation](t.Txn, tableEvaluations, "id", s.Job+"/"+settings.Evaluation); e != nil && e.Candidate == v.Weights && e.Model == v.Model {
		v.Evaluation, v.AUC = e.ID, e.Of.AUC
	}
	if old := first[wire.ModelVersion](t.Txn, tableVersions, "manifest", v.Model, v.Manifest); old != nil {
		if old.Stage != wire.Production { // there it would be compared with itself: what it was promoted by stays
			t.putVersion(*old, func(o *wire.ModelVersion) { o.Evaluation, o.AUC = v.Evaluation, v.AUC })
		}
		return old.Version, nil
	}
	m := wire.Model{Name: v.Model}
	if old := t.model(v.Model); old != nil {
		m = *old
	}
	v.Version, v.Stage, v.Created, v.Notes, v.Meta = m.Versions+1, wire.Development, t.now, "", wire.Meta{}
	t.putModel(m, func(m *wire.Model) { m.Versions = v.Version })
	t.putVersion(v, func(*wire.ModelVersion) {})
	t.modelChanged(wire.ModelChange{Model: v.Model, Version: v.Version, What: wire.ChangeRegistered, To: v.Stage})
	return v.Version, nil
}

// checkVersion holds a version to its stage and to its signature.
func (t *tx) checkVersion(s *wire.Stage, v *wire.ModelVersion, name string) *wire.Error {
	key := first[wire.SigningKey](t.Txn, tableKeys, "id", v.Key)
	switch {
	case name == "" || v.Model != name:
		return refuse(wire.CodeInvalid, "stage %s/%s registers model %q, its settings say %q", s.Job, s.Name, v.Model, name)
	case v.Manifest == "":
		return refuse(wire.CodeInvalid, "stage %s/%s brings a version without a manifest", s.Job, s.Name)
	case v.Weights == "" || v.Weights != s.Resolved["weights"]:
		return refuse(wire.CodeInvalid, "stage %s/%s registers weights %q, its input is %q", s.Job, s.Name, v.Weights, s.Resolved["weights"])
	case key == nil:
		return refuse(wire.CodeInvalid, "model %s: the signing key %q is unknown", name, v.Key)
	case !v.SignedBy(key.Public):
		return refuse(wire.CodeInvalid, "model %s: the signature of manifest %s is not of key %s", name, v.Manifest, v.Key)
	}
	return nil
}

// withVersion adds what Apply gave to a stage's result.
func withVersion(result json.RawMessage, model string, version int) json.RawMessage {
	all := map[string]json.RawMessage{}
	if json.Unmarshal(result, &all) != nil || all == nil {
		all = map[string]json.RawMessage{}
	}
	all["model"], all["version"] = must(json.Marshal(model)), must(json.Marshal(version))
	return must(json.Marshal(all))
}
