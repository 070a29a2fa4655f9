package state

import (
	"fmt"
	"slices"

	"cohort/coordinator/wire"
)

// moveTraffic changes who answers; a version that gets all of the traffic goes
// into production with it.
func (t *tx) moveTraffic(c wire.MoveTraffic) (string, *wire.Error) {
	m, err := t.checkTraffic(c)
	if err != nil {
		return "", err
	}
	if m.abandoned {
		t.drop(m.from, m.from.Next, wire.RolledBack, rollbackReason(c))
		return c.Model, nil
	}
	if m.promotion != nil {
		if err := t.moveModel(*m.promotion); err != nil {
			return "", err
		}
	}
	if m.from.Next != 0 || !slices.Equal(m.routes, m.from.Routes) {
		t.reroute(m, c)
	}
	return c.Model, nil
}

// move is what a command would change.
type move struct {
	from      *wire.Deployment
	routes    []wire.Route
	abandoned bool          // the version on its way has no traffic yet, and gets none
	promotion *wire.Promote // nil: production stays as it is
}

// checkTraffic says what a command would change, or why it is refused. It reads only.
func (t *tx) checkTraffic(c wire.MoveTraffic) (m move, err *wire.Error) {
	if m.from, err = t.checkDeployment(c.Model, c.CheckIndex); err != nil {
		return m, err
	}
	m.routes = c.Routes
	if c.Rollback {
		if m.routes, err = before(m.from); err != nil {
			return m, err
		}
		if m.routes == nil {
			m.abandoned = true
			return m, nil
		}
	}
	if m.routes, err = settleRoutes(m.routes); err != nil {
		return m, err
	}
	if err := t.servable(m.from, m.routes); err != nil {
		return m, err
	}
	m.promotion, err = t.promotionOf(m.from, whole(m.routes), c)
	return m, err
}

// before is the traffic that a rollback goes back to; nil: it stays, since the
// version on its way has none.
func before(d *wire.Deployment) ([]wire.Route, *wire.Error) {
	back := d.Previous
	if d.Next != 0 {
		if d.Share(d.Next) == 0 {
			return nil, nil
		}
		back = d.Base()
	}
	if back == 0 {
		return nil, refuse(wire.CodeConflict, "model %s has nothing to roll back to: no other version has replicas that answered before", d.Model)
	}
	return []wire.Route{{Version: back, Percent: 100}}, nil
}

// servable refuses routes to versions without a ready replica, and a split among
// others than the version that answers and one that comes.
func (t *tx) servable(d *wire.Deployment, routes []wire.Route) *wire.Error {
	for _, r := range routes {
		switch {
		case d.Jobs[r.Version] == "":
			return undeployed(d.Model, r.Version)
		case len(readyAddrs(t.tasks(d.Jobs[r.Version], ServeStage))) == 0:
			return refuse(wire.CodeConflict, "version %d of model %s has no ready replica", r.Version, d.Model)
		}
	}
	if whole(routes) != 0 {
		return nil
	}
	stays := slices.ContainsFunc(routes, func(r wire.Route) bool { return r.Version == d.Base() })
	comes := d.Next == 0 || slices.ContainsFunc(routes, func(r wire.Route) bool { return r.Version == d.Next })
	if len(routes) != 2 || !stays || !comes {
		return refuse(wire.CodeConflict, "model %s: traffic is split between the version that answers and one on its way", d.Model)
	}
	return nil
}

// promotionOf is the promotion that goes with all of the traffic, checked.
func (t *tx) promotionOf(d *wire.Deployment, version int, c wire.MoveTraffic) (*wire.Promote, *wire.Error) {
	if version == 0 {
		return nil, nil
	}
	if m := t.model(d.Model); m != nil && m.Production == version {
		return nil, nil
	}
	p := wire.Promote{
		Model: d.Model, Version: version, Stage: wire.Production, Rollback: c.Rollback,
		Force: c.Force, Admin: c.Admin, Reason: c.Reason,
	}
	if d.Forced != "" && version == d.Next {
		p.Force, p.Admin, p.Reason = true, true, d.Forced // as was allowed when it was started
	}
	if c.Rollback {
		if !slices.Contains(t.standing(d.Model).Past, version) {
			return nil, refuse(wire.CodeConflict, "version %d of model %s was not in production before: promote it", version, d.Model)
		}
		return &p, nil
	}
	_, _, err := t.checkPromotion(p)
	return &p, err
}

// reroute writes the new traffic down.
func (t *tx) reroute(m move, c wire.MoveTraffic) {
	t.setDeployment(*m.from, func(d *wire.Deployment) {
		was := d.Base()
		d.Routes, d.Moved, d.Undone = m.routes, t.now, c.Auto && c.Rollback
		all := whole(m.routes)
		if all == 0 {
			d.Status, d.Reason = wire.Shifting, c.Reason
			d.Auto = d.Auto && c.Auto // a person who deals it out goes on with it
			for _, r := range m.routes {
				if r.Version != was {
					d.Next = r.Version
				}
			}
			return
		}
		d.Status, d.Reason = wire.Live, c.Reason
		if was != 0 && was != all {
			d.Previous = was
		}
		if c.Rollback {
			d.Status, d.Reason = wire.RolledBack, rollbackReason(c)
			d.Previous = 0 // a second rollback must not bring back what the first one took away
		}
		d.Next, d.Forced = 0, ""
	})
}

func rollbackReason(c wire.MoveTraffic) string {
	if c.Reason == "" {
		return "rolled back by hand"
	}
	return c.Reason
}

// drop ends the replicas of a version without traffic. Where that was on its way,
// the deployment is again what the others make of it, which status names.
func (t *tx) drop(d *wire.Deployment, version int, status wire.DeploymentStatus, reason string) {
	t.endReplicas(d.Jobs[version], reason)
	t.setDeployment(*d, func(d *wire.Deployment) {
		delete(d.Jobs, version)
		if d.Previous == version {
			d.Previous = 0
		}
		if d.Next != version {
			return
		}
		d.Next, d.Forced, d.Status, d.Reason = 0, "", status, fmt.Sprintf("version %d: %s", version, reason)
		if len(d.Routes) == 0 {
			d.Status = wire.Ended
		}
	})
}

func (t *tx) endReplicas(job, reason string) {
	if j := t.job(job); j != nil && !j.Status.Final() {
		t.end(j, wire.Stopped, reason)
	}
}
