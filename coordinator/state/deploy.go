package state

import (
	"cmp"
	"maps"
	"slices"

	"cohort/coordinator/wire"

	"github.com/hashicorp/go-memdb"
)

// Deployments: which versions of a model have replicas, and how the traffic is
// dealt among them. A version's replicas are the tasks of one job of kind serve.

const tableDeployments = "deployments"

func deployTables() []*memdb.TableSchema {
	return []*memdb.TableSchema{
		table(tableDeployments, index("id", true, func(d *wire.Deployment) []byte { return text(d.Model) })),
	}
}

func (t *tx) deployment(model string) *wire.Deployment {
	return first[wire.Deployment](t.Txn, tableDeployments, "id", model)
}

// setDeployment stores a changed copy, which shares nothing with the record.
func (t *tx) setDeployment(d wire.Deployment, change func(*wire.Deployment)) {
	d.Routes = slices.Clone(d.Routes)
	if d.Jobs = maps.Clone(d.Jobs); d.Jobs == nil {
		d.Jobs = map[int]string{}
	}
	change(&d)
	if d.CreateIndex == 0 {
		d.CreateIndex = t.index
	}
	d.ModifyIndex = t.index
	t.put(tableDeployments, &d)
}

// checkDeployment refuses a command on a deployment that is not there or has changed.
func (t *tx) checkDeployment(model string, checkIndex uint64) (*wire.Deployment, *wire.Error) {
	d := t.deployment(model)
	switch {
	case d == nil:
		return nil, refuse(wire.CodeNotFound, "model %q is not deployed", model)
	case checkIndex != 0 && checkIndex != d.ModifyIndex:
		return nil, refuse(wire.CodeConflict, "deployment %s has changed: its index is %d, not %d", model, d.ModifyIndex, checkIndex)
	}
	return d, nil
}

// undeployed refuses a version that the deployment has no replicas of.
func undeployed(model string, version int) *wire.Error {
	return refuse(wire.CodeConflict, "version %d of model %s has no replicas: start it first", version, model)
}

// whole is the version with all of the traffic; 0: none has.
func whole(routes []wire.Route) int {
	if len(routes) == 1 {
		return routes[0].Version
	}
	return 0
}

// settleRoutes puts routes into their order and refuses those that do not deal
// out all of the traffic.
func settleRoutes(routes []wire.Route) ([]wire.Route, *wire.Error) {
	settled, sum := []wire.Route{}, 0
	for _, r := range routes {
		if r.Percent < 0 || r.Percent > 100 {
			return nil, refuse(wire.CodeInvalid, "version %d is to have %d %% of the traffic; want 0 to 100", r.Version, r.Percent)
		}
		if slices.ContainsFunc(settled, func(s wire.Route) bool { return s.Version == r.Version }) {
			return nil, refuse(wire.CodeInvalid, "version %d is routed twice", r.Version)
		}
		if sum += r.Percent; r.Percent > 0 {
			settled = append(settled, r)
		}
	}
	if sum != 100 {
		return nil, refuse(wire.CodeInvalid, "routes sum to %d %%, want 100", sum)
	}
	slices.SortFunc(settled, func(a, b wire.Route) int { return cmp.Compare(a.Version, b.Version) })
	return settled, nil
}

// taskReady notes where a service's task serves, under its live token alone.
func (t *tx) taskReady(c wire.TaskReady) (string, *wire.Error) {
	k, refused := t.held(c.Task, c.Token)
	switch {
	case refused != nil:
		return "", refused
	case t.stage(k.Job, k.Stage).Run != wire.Service:
		return "", refuse(wire.CodeInvalid, "task %s is of no service", c.Task)
	}
	if k.Addr != c.Addr {
		t.setTask(*k, func(k *wire.Task) { k.Addr = c.Addr })
	}
	return k.ID, nil
}
