package state

import (
	"fmt"

	"cohort/coordinator/wire"
)

// kindServe is the kind of the jobs whose tasks are replicas.
const kindServe = "serve"

// startDeployment puts a version on its way: its replicas start, the traffic
// stays as it is. A version that is there already stays as it is.
func (t *tx) startDeployment(c wire.StartDeployment) (string, *wire.Error) {
	d, there, err := t.startable(c)
	switch {
	case err != nil:
		return "", err
	case there:
		return c.Model, nil
	case len(c.Stages) != 1 || c.Stages[0].Name != ServeStage || c.Stages[0].Run != wire.Service:
		return "", refuse(wire.CodeInvalid, "a deployment's job has one stage, the service %s", ServeStage)
	}
	if d.Jobs[c.Version] == "" {
		c.Job.Kind = kindServe
		if _, err := t.newJob(c.Job, c.Stages); err != nil {
			return "", err
		}
	}
	t.setDeployment(*d, func(d *wire.Deployment) {
		if d.Jobs[c.Version] == "" {
			d.Jobs[c.Version] = c.Job.ID
		}
		d.Status, d.Next, d.Spec, d.Auto, d.Started = wire.Starting, c.Version, c.Spec, c.Auto, t.now
		d.Reason, d.Forced, d.Undone = fmt.Sprintf("waits for replicas of version %d", c.Version), "", false
		if d.Previous == c.Version {
			d.Previous = 0 // it is what comes, not what a rollback goes to
		}
		if c.Force {
			d.Forced = c.Reason
		}
	})
	return c.Model, nil
}

// startable answers the deployment, perhaps a new one, and whether the version is
// there already. What would be refused when it takes the traffic is refused now,
// where nobody will look at it again before that.
func (t *tx) startable(c wire.StartDeployment) (d *wire.Deployment, there bool, err *wire.Error) {
	if t.version(c.Model, c.Version) == nil {
		return nil, false, noVersion(c.Model, c.Version)
	}
	d = t.deployment(c.Model)
	switch {
	case d == nil && c.CheckIndex != 0:
		return nil, false, refuse(wire.CodeConflict, "model %s is not deployed any more", c.Model)
	case d == nil:
		d = &wire.Deployment{Model: c.Model}
	default:
		if d, err = t.checkDeployment(c.Model, c.CheckIndex); err != nil {
			return nil, false, err
		}
	}
	if d.Next == c.Version || d.Next == 0 && whole(d.Routes) == c.Version {
		return d, true, nil
	}
	if d.Next != 0 {
		return nil, false, refuse(wire.CodeConflict, "version %d of model %s is on its way: promote it or roll it back first", d.Next, c.Model)
	}
	if !c.Auto && !c.Force {
		return d, false, nil
	}
	_, _, err = t.checkPromotion(wire.Promote{
		Model: c.Model, Version: c.Version, Stage: wire.Production, Force: c.Force, Admin: c.Admin, Reason: c.Reason,
	})
	return d, false, err
}

// servesFor says why a job may not be ended or begun again by itself; empty: it may.
func (t *tx) servesFor(j *wire.Job) *wire.Error {
	if j.Kind != kindServe {
		return nil
	}
	for _, d := range list[wire.Deployment](nil, t.Txn, tableDeployments, "id") {
		for version, job := range d.Jobs {
			if job == j.ID {
				return refuse(wire.CodeConflict, "job %s serves version %d of model %s: see cohort deploy stop", j.ID, version, d.Model)
			}
		}
	}
	if j.Status.Final() {
		return refuse(wire.CodeConflict, "job %s served a model, and no deployment knows it any more: see cohort deploy start", j.ID)
	}
	return nil
}
