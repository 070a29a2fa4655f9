package state

import (
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// stopDeployment ends the replicas of a version that has no traffic, or all.
func (t *tx) stopDeployment(c wire.StopDeployment) (string, *wire.Error) {
	d, err := t.checkDeployment(c.Model, c.CheckIndex)
	if err != nil {
		return "", err
	}
	reason := c.Reason
	if reason == "" {
		reason = "stopped by hand"
	}
	switch {
	case c.Version == 0 && d.Status == wire.Ended:
		return "", refuse(wire.CodeConflict, "model %s is not deployed any more", c.Model)
	case c.Version == 0:
		t.stopAll(d, reason)
	case d.Jobs[c.Version] == "":
		return "", undeployed(c.Model, c.Version)
	case d.Share(c.Version) > 0:
		return "", refuse(wire.CodeConflict, "version %d of model %s has traffic: move that first", c.Version, c.Model)
	default:
		t.drop(d, c.Version, wire.Live, reason)
	}
	return c.Model, nil
}

func (t *tx) stopAll(d *wire.Deployment, reason string) {
	for _, version := range slices.Sorted(maps.Keys(d.Jobs)) {
		t.endReplicas(d.Jobs[version], reason)
	}
	t.setDeployment(*d, func(d *wire.Deployment) {
		d.Status, d.Reason, d.Moved, d.Undone = wire.Ended, reason, t.now, false
		d.Routes, d.Jobs, d.Next, d.Previous, d.Forced = nil, map[int]string{}, 0, 0, ""
	})
}
