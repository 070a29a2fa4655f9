package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// LiveStats answers what the gateways saw of a model's versions of late.
type LiveStats interface {
	Live(model string) map[int]wire.LiveStats
}

func (a *api) serveDeployments() {
	a.leader("GET /v1/deployments", a.deployments)
	a.leader("GET /v1/deployments/{model}", a.deployment)
	a.leader("POST /v1/deployments/{model}/start", a.deploy)
	a.leader("POST /v1/deployments/{model}/promote", a.traffic(a.toNext))
	a.leader("POST /v1/deployments/{model}/rollback", a.traffic(rollback))
	a.leader("POST /v1/deployments/{model}/traffic", a.traffic(byHand))
	a.leader("POST /v1/deployments/{model}/stop", a.undeploy)
	a.leader("POST /v1/tasks/ready", a.taskReady)
}

func (a *api) taskReady(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.TaskReady](r)
	if err != nil {
		return err
	}
	return a.change(w, r, wire.CmdTaskReady, q)
}

func (a *api) deployments(w http.ResponseWriter, r *http.Request) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		views := []wire.DeploymentView{}
		for _, d := range v.Deployments(on) {
			views = append(views, a.deploymentView(v, on, d))
		}
		return views, nil
	})
}

func (a *api) deployment(w http.ResponseWriter, r *http.Request) error {
	model := r.PathValue("model")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		d, ok := v.Deployment(on, model)
		if !ok {
			return nil, notFound("deployment of model", model)
		}
		return a.deploymentView(v, on, d), nil
	})
}

func (a *api) deploymentView(v *state.View, on *state.Watch, d *wire.Deployment) wire.DeploymentView {
	view := state.DeploymentView(v, on, d)
	if a.Live == nil {
		return view
	}
	live := a.Live.Live(d.Model)
	for k := range view.Versions {
		if stats, ok := live[view.Versions[k].Version]; ok {
			view.Versions[k].Live = &stats
		}
	}
	return view
}

// deploy starts replicas of a version.
func (a *api) deploy(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.DeployRequest](r)
	if err != nil {
		return err
	}
	model, view := r.PathValue("model"), a.State.Read()
	version, public, err := deployable(view, model, q.Version)
	if err != nil {
		return err
	}
	if err := a.servable(r.Context(), version); err != nil {
		return err
	}
	if q.Spec.Replicas == 0 {
		q.Spec = wire.DefaultDeploy()
		if d, ok := view.Deployment(nil, model); ok {
			q.Spec = d.Spec
		}
	}
	if err := q.Spec.Check("deploy"); err != nil {
		return invalid("%v", err)
	}
	c := wire.StartDeployment{
		Model: model, Version: version.Version, Spec: q.Spec, Auto: q.Auto, Force: q.Force, Reason: q.Reason, CheckIndex: q.CheckIndex,
	}
	if c.Admin, err = a.admin(r); err != nil {
		return err
	}
	if c.Job, c.Stages, err = schedule.Serve(version, public, q.Spec, jobID(schedule.ServeName(model, version.Version))); err != nil {
		return err
	}
	return a.change(w, r, wire.CmdStartDeployment, c)
}

// deployable finds a version and the key that its replicas hold it to. Version 0
// is the one in staging, else in production, else the newest.
func deployable(v *state.View, model string, n int) (*wire.ModelVersion, []byte, error) {
	m, ok := v.Model(nil, model)
	if !ok {
		return nil, nil, notFound("model", model)
	}
	for _, standing := range []int{m.Staging, m.Production} {
		if n == 0 {
			n = standing
		}
	}
	if versions := v.Versions(nil, model); n == 0 && len(versions) > 0 {
		n = versions[len(versions)-1].Version
	}
	version, ok := v.Version(nil, model, n)
	if !ok {
		return nil, nil, &wire.Error{Code: wire.CodeNotFound, Message: "model " + model + " has no such version"}
	}
	key, ok := v.Key(nil, version.Key)
	if !ok {
		return nil, nil, notFound("signing key", version.Key)
	}
	return version, key.Public, nil
}

// servable refuses a version that no replica would take, before one is started. A
// manifest that is not here says nothing: the replicas will.
func (a *api) servable(ctx context.Context, v *wire.ModelVersion) error {
	m, err := a.manifest(ctx, v)
	if errors.Is(err, lake.ErrNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("manifest of version %d: %w", v.Version, err)
	}
	if why := m.Spec.Unserved(); why != "" {
		return invalid("version %d of model %s cannot be deployed: %s", v.Version, v.Model, why)
	}
	return nil
}

// traffic serves a move of traffic, which what fills in.
func (a *api) traffic(what func(q wire.TrafficRequest, c *wire.MoveTraffic) error) handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		q, err := body[wire.TrafficRequest](r)
		if err != nil {
			return err
		}
		c := wire.MoveTraffic{Model: r.PathValue("model"), Force: q.Force, Reason: q.Reason, CheckIndex: q.CheckIndex}
		if c.Admin, err = a.admin(r); err != nil {
			return err
		}
		if err := what(q, &c); err != nil {
			return err
		}
		return a.change(w, r, wire.CmdMoveTraffic, c)
	}
}

// toNext gives all traffic to the version that is on its way, as this node knows it
// now: where another is by then, the index says so.
func (a *api) toNext(_ wire.TrafficRequest, c *wire.MoveTraffic) error {
	d, ok := a.State.Read().Deployment(nil, c.Model)
	switch {
	case !ok:
		return notFound("deployment of model", c.Model)
	case d.Next == 0:
		return &wire.Error{Code: wire.CodeConflict, Message: "model " + c.Model + " has no version on its way: start one first"}
	case c.CheckIndex == 0:
		c.CheckIndex = d.ModifyIndex
	}
	c.Routes = []wire.Route{{Version: d.Next, Percent: 100}}
	return nil
}

func rollback(_ wire.TrafficRequest, c *wire.MoveTraffic) error {
	c.Rollback = true
	return nil
}

func byHand(q wire.TrafficRequest, c *wire.MoveTraffic) error {
	c.Routes = q.Routes
	return nil
}

func (a *api) undeploy(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.UndeployRequest](r)
	if err != nil {
		return err
	}
	return a.change(w, r, wire.CmdStopDeployment, wire.StopDeployment{
		Model: r.PathValue("model"), Version: q.Version, Reason: q.Reason, CheckIndex: q.CheckIndex,
	})
}
