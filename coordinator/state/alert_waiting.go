package state

import (
	"cohort/coordinator/wire"
)

// Waiting lists, in order, those stages of a job that could begin and for whose
// tasks there is no worker.
func (v *View) Waiting(job string) []*wire.Stage {
	var waiting []*wire.Stage
	for s := range v.Ready(job) {
		if s.Status == wire.Pending {
			waiting = append(waiting, s)
		}
	}
	return waiting
}
