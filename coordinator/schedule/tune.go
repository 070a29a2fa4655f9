package schedule

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dkt/tune"
)

// Trials decides for every open study: which rungs of trials are added to its
// job, and when it is closed. What a study starts follows from what its trials
// came to, so whoever leads adds the same; of what is determined no more run at
// once than the study's lag. last is the caller's memory of studies that were
// looked at: one whose trials have not changed since is not looked at again.
func Trials(v *state.View, last map[string]Looked) []Decision {
	if v.Level() < wire.CmdCloseFan.Level() {
		return nil
	}
	var decisions []Decision
	open := map[string]bool{}
	for _, j := range v.OpenJobs() {
		for _, fan := range v.Fans(j.ID) {
			id := j.ID + "/" + fan.Name
			open[id] = true
			parts := v.Parts(nil, j.ID, fan.Name)
			was := last[id]
			if was.made != fan.ModifyIndex {
				was = Looked{made: fan.ModifyIndex, parts: -1}
			}
			n := ended(parts)
			if fan.Kind != wire.StageTune || was.parts == len(parts) && was.ended == n || !ready(v, fan) {
				continue
			}
			if d, ok := study(v, fan, parts, &was); ok {
				decisions = append(decisions, d)
			} else {
				was.parts, was.ended = len(parts), n
			}
			last[id] = was
		}
	}
	maps.DeleteFunc(last, func(id string, _ Looked) bool { return !open[id] })
	return decisions
}

// Looked is what of a study's trials its next step depends on, and how far the
// study was gone through.
type Looked struct {
	made         uint64 // the index that made it, or took it up again
	parts, ended int    // when it had no next step
	walk         *tune.Walk
}

func ended(parts []*wire.Stage) (n int) {
	for _, p := range parts {
		if p.Status.Final() {
			n++
		}
	}
	return n
}

// ready reports whether all that a fan waits for beside its parts is done.
func ready(v *state.View, fan *wire.Stage) bool {
	return !slices.ContainsFunc(fan.After, func(name string) bool {
		s, ok := v.Stage(nil, fan.Job, name)
		return !ok || s.Status != wire.Done
	})
}

// study decides the next step of one study, if there is one now.
func study(v *state.View, fan *wire.Stage, parts []*wire.Stage, was *Looked) (Decision, bool) {
	var set wire.TuneSettings
	if json.Unmarshal(fan.Settings, &set) != nil {
		return Decision{}, false // no study of this binary's
	}
	s := Study(set)
	if s.Check() != nil {
		return closeFan(fan, nil), true // the stage itself says what is wrong
	}
	known, running := map[string]bool{}, 0
	var results []tune.Result
	for _, p := range parts {
		known[p.Name] = true
		if r, ok := outcome(p); ok {
			results = append(results, r)
		} else {
			running++
		}
	}
	if running >= s.Lag {
		return Decision{}, false
	}
	if was.walk == nil {
		was.walk = s.Walk()
	}
	start, done := was.walk.Next(results)
	var added []wire.Stage
	for _, a := range start {
		if running+len(added) < s.Lag && !known[wire.TrialStage(fan.Name, a.Number, a.Rung)] {
			added = append(added, trialStage(v, fan, set, a))
		}
	}
	switch {
	case len(added) > 0:
		return Decision{wire.CmdAddStages, wire.AddStages{Job: fan.Job, Stages: added}}, true
	case done && running == 0:
		return closeFan(fan, parts), true
	}
	return Decision{}, false
}

// outcome is what a rung that has ended came to. One that did not end well has
// failed: its settings are then those of the space that do not do.
func outcome(p *wire.Stage) (r tune.Result, ok bool) {
	if !p.Status.Final() {
		return r, false
	}
	var set wire.TrialSettings
	var came wire.Trial
	failed := json.Unmarshal(p.Settings, &set) != nil || p.Status != wire.Done || json.Unmarshal(p.Result, &came) != nil
	return tune.Result{Number: set.Number, Rung: set.Rung, Value: came.Value, Failed: failed}, true
}

// trialStage is a rung of a trial: a gang of one with one core, so that several
// fit on a machine. It goes on from the rung before it.
func trialStage(v *state.View, fan *wire.Stage, set wire.TuneSettings, a tune.Action) wire.Stage {
	trial := wire.TrialSettings{TrainSettings: set.Train, Number: a.Number, Rung: a.Rung, Epochs: a.Epochs, Params: a.Params}
	trial.Train.Epochs = trialEpochs(set)
	text, err := json.Marshal(trial)
	if err != nil {
		panic(fmt.Sprintf("schedule: settings of trial %d: %v", a.Number, err)) // they came in as JSON
	}
	s := wire.Stage{
		Name: wire.TrialStage(fan.Name, a.Number, a.Rung), Kind: wire.StageTrial, Run: wire.Gang, Of: fan.Name,
		After: fan.After, Inputs: maps.Clone(set.Inputs), Settings: text, Tasks: 1, Retries: taskRetries,
		Resources: wire.Resources{Cores: 1}, Version: wire.StageVersion(wire.StageTrial), Fresh: afresh(v, fan),
	}
	if a.Rung > 0 {
		before := wire.TrialStage(fan.Name, a.Number, a.Rung-1)
		s.After, s.Inputs["state"] = []string{before}, before+"/state"
	}
	return s
}

// afresh reports whether trials are run though they have been before: where the
// whole job is, not where a study alone is asked for again.
func afresh(v *state.View, fan *wire.Stage) bool {
	return fan.Fresh && !slices.ContainsFunc(fan.After, func(name string) bool {
		s, ok := v.Stage(nil, fan.Job, name)
		return !ok || !s.Fresh
	})
}

// closeFan hands a study the trials that ended well.
func closeFan(fan *wire.Stage, parts []*wire.Stage) Decision {
	inputs := map[string]string{}
	for _, p := range parts {
		if p.Status == wire.Done {
			inputs[p.Name] = p.Name + "/trial"
		}
	}
	return Decision{wire.CmdCloseFan, wire.CloseFan{Job: fan.Job, Stage: fan.Name, Inputs: inputs}}
}
