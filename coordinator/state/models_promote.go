package state

import (
	"slices"
	"strconv"
	"strings"

	"cohort/coordinator/wire"
)

func (t *tx) promote(p wire.Promote) (string, *wire.Error) {
	return p.Model, t.moveModel(p)
}

// moveModel moves a version to a stage, with all the checks of a promotion. One
// that is there already stays, and nothing is noted: a repeated command is none.
func (t *tx) moveModel(p wire.Promote) *wire.Error {
	if p.Rollback {
		return t.rollBack(p)
	}
	v, passed, err := t.checkPromotion(p)
	if err != nil || v.Stage == p.Stage {
		return err
	}
	t.move(v, wire.ModelChange{What: moved(p.Stage), To: p.Stage, Reason: p.Reason, Passed: passed})
	return nil
}

// moved is what a move to a stage is called.
func moved(to wire.ModelStage) string {
	switch to {
	case wire.Archived:
		return wire.ChangeArchived
	case wire.Development:
		return wire.ChangeReturned
	case wire.Staging, wire.Production:
	}
	return wire.ChangePromoted
}

// checkPromotion says whether a version may move to a stage, and the names of
// the gates that an admin passes over with it.
func (t *tx) checkPromotion(p wire.Promote) (v *wire.ModelVersion, passed string, err *wire.Error) {
	m, err := t.checkModel(p.Model, p.CheckIndex)
	if err != nil {
		return nil, "", err
	}
	v = t.version(p.Model, p.Version)
	switch {
	case v == nil:
		return nil, "", noVersion(p.Model, p.Version)
	case p.Force && !p.Admin:
		return nil, "", refuse(wire.CodeDenied, "only an admin may pass over gates: name the admin token with --token-file or COHORT_TOKEN")
	case p.Force && strings.TrimSpace(p.Reason) == "":
		return nil, "", refuse(wire.CodeInvalid, "passing over gates needs a reason, which is kept")
	case !slices.Contains([]wire.ModelStage{wire.Development, wire.Staging, wire.Production, wire.Archived}, p.Stage):
		return nil, "", refuse(wire.CodeInvalid, "stage %q is unknown; known: development, staging, production, archived", p.Stage)
	case v.Stage == p.Stage:
		return v, "", nil
	case v.Stage == wire.Production:
		return nil, "", refuse(wire.CodeConflict, "version %d of model %s is in production: promote another, or roll back", v.Version, m.Name)
	case p.Stage != wire.Production:
		return v, "", nil
	}
	passed, err = t.checkGates(m, v)
	if err != nil && !p.Force {
		return nil, "", err
	}
	return v, passed, nil
}

// checkGates holds a version to its evaluation: that it passes all gates, and
// that it was compared with what is in production now.
func (t *tx) checkGates(m *wire.Model, v *wire.ModelVersion) (failed string, err *wire.Error) {
	e := first[wire.Evaluation](t.Txn, tableEvaluations, "id", v.Evaluation)
	if e == nil || e.Model != m.Name || e.Candidate != v.Weights {
		return "evaluation", refuse(wire.CodeGate, "version %d of model %s has no evaluation", v.Version, m.Name)
	}
	if names, texts := wire.FailedGates(e.Gates); names != "" {
		return names, refuse(wire.CodeGate, "version %d of model %s does not pass its gates: %s", v.Version, m.Name, texts)
	}
	if e.Baseline != m.Production {
		return "baseline", refuse(wire.CodeConflict, "version %d of model %s was compared with %s, but in production is %s: evaluate it again",
			v.Version, m.Name, orNone(e.Baseline), orNone(m.Production))
	}
	return "", nil
}

func orNone(version int) string {
	if version == 0 {
		return "no version"
	}
	return "version " + strconv.Itoa(version)
}

// rollBack puts a version into production that was there before.
func (t *tx) rollBack(p wire.Promote) *wire.Error {
	m, err := t.checkModel(p.Model, p.CheckIndex)
	if err != nil {
		return err
	}
	if p.Version == 0 {
		p.Version = m.Previous
	}
	v, past := t.version(m.Name, p.Version), t.standing(m.Name).Past
	switch {
	case p.Version == 0:
		return refuse(wire.CodeConflict, "model %s has nothing to roll back to: no version was in production before", m.Name)
	case v == nil:
		return noVersion(m.Name, p.Version)
	case v.Stage == wire.Production:
		return nil
	case !slices.Contains(past, v.Version):
		return refuse(wire.CodeConflict, "version %d of model %s was not in production before: promote it", v.Version, m.Name)
	}
	t.move(v, wire.ModelChange{What: wire.ChangeRolledBack, To: wire.Production, Reason: p.Reason})
	return nil
}

// move writes a move down: the version, who made place for it, the model and the
// history.
func (t *tx) move(v *wire.ModelVersion, c wire.ModelChange) {
	m := t.model(v.Model)
	c.Model, c.Version, c.From = v.Model, v.Version, v.Stage
	switch c.To {
	case wire.Production:
		c.Before = m.Production
		t.displace(m.Name, m.Production, wire.Archived)
	case wire.Staging:
		t.displace(m.Name, m.Staging, wire.Development)
	case wire.Development, wire.Archived:
	}
	t.putVersion(*v, func(v *wire.ModelVersion) { v.Stage = c.To })
	t.modelChanged(c)
	stands := t.standing(m.Name)
	t.putModel(*m, func(m *wire.Model) {
		m.Production, m.Previous, m.Staging = stands.Production(), stands.Previous(), stands.Staging()
	})
}

// displace moves a version on that another one takes the place of.
func (t *tx) displace(model string, version int, to wire.ModelStage) {
	if v := t.version(model, version); v != nil {
		t.putVersion(*v, func(v *wire.ModelVersion) { v.Stage = to })
	}
}
