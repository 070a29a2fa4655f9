package state

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

// Planned says what a submit of stages, under a job's name, would do with each
// of them, and why. What a source has is not known here: a stage that asks one
// may find nothing new, and what waits for it may then be taken as it is.
func Planned(v *View, name string, stages []wire.Stage) []wire.PlannedStage {
	p := &planned{v: v, name: name, outputs: map[string]map[string]string{}, action: map[string]wire.Action{}}
	found := make([]wire.PlannedStage, len(stages))
	for k := range stages {
		s := stages[k]
		found[k] = wire.PlannedStage{Stage: s}
		found[k].Action, found[k].Why = p.stage(&s)
		p.action[s.Name] = found[k].Action
	}
	return found
}

type planned struct {
	v       *View
	name    string
	outputs map[string]map[string]string // of stages taken as they are
	action  map[string]wire.Action
}

func (p *planned) stage(s *wire.Stage) (wire.Action, string) {
	for _, a := range s.After {
		if p.action[a] == wire.ActionRun {
			return wire.ActionRun, "stage " + a + " runs before it"
		}
	}
	for _, a := range s.After {
		if p.action[a] == wire.ActionAsk {
			return wire.ActionAsk, "if stage " + a + " finds something new"
		}
	}
	r := resolver{
		output:  func(stage, output string) string { return p.outputs[stage][output] },
		head:    func(line string) *wire.Head { return first[wire.Head](p.v.txn, tableHeads, "id", line) },
		weights: func(model string) string { return weightsInProduction(p.v.txn, model) },
	}
	_, keyed := r.inputs(s)
	switch {
	case s.Fresh:
		return wire.ActionRun, "everything is to be run"
	case s.Version == 0:
		return wire.ActionRun, "results of a stage of kind " + string(s.Kind) + " are not kept"
	case asks(s):
		if h := r.head(s.Line); h != nil && s.Line != "" {
			return wire.ActionAsk, "asks the source for what is new since " + h.Job + "/" + h.Stage
		}
		return wire.ActionRun, "reads all that the source has"
	}
	if s.Fan {
		return p.fan(s)
	}
	if kept := first[wire.Kept](p.v.txn, tableKept, "id", keyOf(s, keyed)); kept != nil {
		p.outputs[s.Name] = kept.Outputs
		return wire.ActionReuse, "unchanged since " + kept.Job + "/" + kept.Stage
	}
	return wire.ActionRun, p.why(s, keyed)
}

// why compares a stage with the last of its name in a job of the same name.
func (p *planned) why(s *wire.Stage, inputs map[string]string) string {
	old := p.last(s.Name)
	switch {
	case old == nil:
		return "has not been run before"
	case old.Status != wire.Done:
		return fmt.Sprintf("is %s in %s", old.Status, old.Job)
	case old.Version != s.Version:
		return fmt.Sprintf("stages of kind %s have become version %d, in %s it was %d", s.Kind, s.Version, old.Job, old.Version)
	}
	var changed []string
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		if old.Resolved[name] != inputs[name] {
			changed = append(changed, "input "+name)
		}
	}
	changed = append(changed, differences("", old.Settings, s.Settings)...)
	const most = 4
	if len(changed) > most {
		changed = append(changed[:most], fmt.Sprintf("%d more", len(changed)-most))
	}
	if len(changed) == 0 {
		return "differs from " + old.Job
	}
	return strings.Join(changed, ", ") + " changed since " + old.Job
}

// fan finds an earlier fan of the same settings that came after the same: its
// parts, which nobody knows before they are added, then come to the same too.
func (p *planned) fan(s *wire.Stage) (wire.Action, string) {
	for _, j := range p.v.JobsNamed(nil, p.name, mostPlanned) {
		old, ok := p.v.Stage(nil, j.ID, s.Name)
		if !ok || old.Status != wire.Done || old.Version != s.Version || len(differences("", old.Settings, s.Settings)) > 0 {
			continue
		}
		if slices.ContainsFunc(s.After, func(a string) bool {
			before, ok := p.v.Stage(nil, j.ID, a)
			return !ok || !maps.Equal(before.Outputs, p.outputs[a])
		}) {
			continue
		}
		p.outputs[s.Name] = old.Outputs
		return wire.ActionReuse, "unchanged since " + j.ID + "/" + s.Name
	}
	return wire.ActionRun, p.why(s, nil)
}

// mostPlanned is how many jobs of a name are looked at for what a stage was.
const mostPlanned = 20

// last finds the newest stage of a name, among jobs of the planned name.
func (p *planned) last(stage string) *wire.Stage {
	for _, j := range p.v.JobsNamed(nil, p.name, mostPlanned) {
		if s, ok := p.v.Stage(nil, j.ID, stage); ok {
			return s
		}
	}
	return nil
}

// differences lists the paths at which two JSON objects differ.
func differences(path string, a, b json.RawMessage) []string {
	var x, y map[string]json.RawMessage
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		if string(a) == string(b) {
			return nil
		}
		return []string{path}
	}
	keys := maps.Clone(x)
	if keys == nil {
		keys = map[string]json.RawMessage{}
	}
	maps.Copy(keys, y)
	var all []string
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		all = append(all, differences(strings.TrimPrefix(path+"."+k, "."), x[k], y[k])...)
	}
	return all
}
