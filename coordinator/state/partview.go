package state

import (
	"encoding/json"

	"cohort/coordinator/wire"
)

// summary is what the parts of stages come to, by the name of the whole.
type summary map[string]*partCount

type partCount struct {
	by      map[wire.Status]int
	started int64 // of the first, 0 for none
	reason  string
	best    *float64
}

// fold counts the parts among a job's stages and answers the others.
func (m summary) fold(stages []*wire.Stage) []*wire.Stage {
	kept := make([]*wire.Stage, 0, len(stages))
	for _, s := range stages {
		if s.Of == "" {
			kept = append(kept, s)
			continue
		}
		c := m[s.Of]
		if c == nil {
			c = &partCount{by: map[wire.Status]int{}}
			m[s.Of] = c
		}
		c.add(s)
	}
	return kept
}

func (c *partCount) add(s *wire.Stage) {
	c.by[s.Status]++
	if s.Started > 0 && (c.started == 0 || s.Started < c.started) {
		c.started = s.Started
	}
	if s.Status == wire.Pending && s.Waits == 0 && c.reason == "" {
		c.reason = s.Reason
	}
	var told struct{ Value *float64 }
	if json.Unmarshal(s.Result, &told) == nil && told.Value != nil && (c.best == nil || *told.Value > *c.best) {
		c.best = told.Value
	}
}

// tell adds to a whole what its parts do: while one runs, it does.
func (m summary) tell(sv *wire.StageView) {
	c := m[sv.Name]
	if c == nil {
		return
	}
	sv.Parts, sv.Best = c.by, c.best
	if c.started > 0 && (sv.Started == 0 || c.started < sv.Started) {
		sv.Started = c.started
	}
	if sv.Status != wire.Pending {
		return
	}
	if c.by[wire.Running] > 0 {
		sv.Status, sv.Reason = wire.Running, ""
	} else if c.reason != "" {
		sv.Reason = c.reason
	}
}
