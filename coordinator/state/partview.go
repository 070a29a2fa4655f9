package state

import (
	"encoding/json"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

// summary is what the parts of stages come to, by the name of the whole.
type summary map[string]*partCount

// partCount counts the trials of a study, or the folds of a cross-validation, each
// of one stage or more.
type partCount struct {
	by      map[string]wire.Status // group → where it stands
	after   []string               // what parts wait for that is no part
	started int64                  // of the first, 0 for none
	reason  string
	best    *float64
}

// fold counts the parts among a job's stages and answers the others.
func (m summary) fold(stages []*wire.Stage) []*wire.Stage {
	kept, part := make([]*wire.Stage, 0, len(stages)), map[string]bool{}
	for _, s := range stages {
		if s.Of == "" {
			kept = append(kept, s)
			continue
		}
		part[s.Name] = true
		c := m[s.Of]
		if c == nil {
			c = &partCount{by: map[string]wire.Status{}}
			m[s.Of] = c
		}
		c.add(s, part)
	}
	return kept
}

func (c *partCount) add(s *wire.Stage, part map[string]bool) {
	group, _, _ := strings.Cut(strings.TrimPrefix(s.Name, s.Of+"."), ".")
	c.by[group] = leading(c.by[group], s.Status)
	for _, a := range s.After {
		if !part[a] && !slices.Contains(c.after, a) {
			c.after = append(c.after, a)
		}
	}
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

// leading is the status of a group of stages: the one that comes first here.
func leading(a, b wire.Status) wire.Status {
	for _, s := range []wire.Status{wire.Failed, wire.Running, wire.Pending, wire.Stopped} {
		if a == s || b == s {
			return s
		}
	}
	return wire.Done
}

// tell adds to a whole what its parts do: while one runs, it does. Of what it
// waits for, parts that are not listed give way to what they wait for.
func (m summary) tell(sv *wire.StageView) {
	c := m[sv.Name]
	if c == nil {
		return
	}
	sv.Parts, sv.Best = map[wire.Status]int{}, c.best
	for _, s := range c.by {
		sv.Parts[s]++
	}
	if !sv.Fan {
		sv.After = c.after
	}
	if c.started > 0 && (sv.Started == 0 || c.started < sv.Started) {
		sv.Started = c.started
	}
	if sv.Status != wire.Pending {
		return
	}
	if sv.Parts[wire.Running] > 0 {
		sv.Status, sv.Reason = wire.Running, ""
	} else if c.reason != "" {
		sv.Reason = c.reason
	}
}
