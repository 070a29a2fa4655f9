package httpapi

import (
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// Of lists the last reports of a job's tasks.
func (p *Progress) Of(job string) []wire.Progress {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.jobs[job]))
}
