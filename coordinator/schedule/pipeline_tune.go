package schedule

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cohort/coordinator/wire"
	"cohort/dkt/tune"
)

// best is the input of stages whose settings a study has chosen.
const best = "best"

// addStudy adds the study of a file that has one. What it finds best becomes an
// input of the stages that inputs are for, and they come after it: after is what
// they wait for.
func (b *builder) addStudy(spec wire.Spec, split wire.Split, inputs map[string]string) (after string) {
	if spec.Tune.Trials == 0 {
		return "shard"
	}
	b.addTo(wire.Stage{
		Name: wire.StudyStage, Kind: wire.StageTune, Fan: true,
		Settings: b.settings(wire.TuneSettings{Tune: spec.Tune, Train: trainSettings(spec, split), Inputs: maps.Clone(inputs)}),
	}, "shard")
	inputs[best] = wire.StudyStage + "/" + best
	return wire.StudyStage
}

// addFolds adds the cross-validation of a file that has one: of each fold a
// training and a test, and a stage that gathers them. Where the model takes inputs
// that are fitted, each fold has them fitted on its own training students.
func (b *builder) addFolds(spec wire.Spec, split wire.Split, data, inputs map[string]string, after string) {
	k := spec.CrossValidate.Folds
	if k == 0 {
		return
	}
	cross := wire.Stage{
		Name: wire.CrossStage, Kind: wire.StageCross, Inputs: map[string]string{},
		Settings: b.settings(wire.CrossSettings{Folds: k}),
	}
	var tests []string
	for fold := 1; fold <= k; fold++ {
		test := b.addFold(spec, split, data, inputs, after, fold)
		cross.Inputs[wire.FoldStage(fold)] = test + "/test"
		tests = append(tests, test)
	}
	b.addTo(cross, tests...)
}

// addFold adds one fold and answers the name of its test.
func (b *builder) addFold(spec wire.Spec, split wire.Split, data, inputs map[string]string, after string, fold int) (test string) {
	name := wire.FoldStage(fold)
	split.Folds, split.Fold = spec.CrossValidate.Folds, fold
	waits, inputs := []string{after}, maps.Clone(inputs)
	if len(spec.Model.Inputs) > 0 {
		s := shardStage(b, spec, split, data)
		s.Name, s.Of = name+".shard", wire.CrossStage
		b.addTo(s, "validate")
		inputs[shards] = s.Name + "/" + shards
		waits = append(waits, s.Name)
	}
	train := trainStage(b, spec, split, inputs)
	train.Name, train.Of, train.Tasks = name, wire.CrossStage, 1
	b.addTo(train, waits...)
	s := testStage(b, name+".test", spec, split, inputs)
	s.Of, s.Inputs[weights] = wire.CrossStage, name+"/"+weights
	set := testSettings(spec, split)
	set.Baselines = false
	s.Settings = b.settings(set)
	b.addTo(s, name)
	return s.Name
}

// Study is the search that a stage's settings describe.
func Study(s wire.TuneSettings) tune.Study {
	t := s.Tune
	study := tune.Study{
		Sampler: t.Sampler, Startup: t.Startup, Lag: max(t.Lag, 1), Seed: t.Seed, Trials: t.Trials,
		Rungs: t.Rungs, Reduction: t.Reduction, Epochs: trialEpochs(s),
	}
	for _, name := range slices.Sorted(maps.Keys(t.Space)) {
		study.Space = append(study.Space, param(name, t.Space[name]))
	}
	return study
}

// trialEpochs is how many epochs a trial has at most.
func trialEpochs(s wire.TuneSettings) int {
	if s.Tune.Epochs > 0 {
		return s.Tune.Epochs
	}
	return s.Train.Train.Epochs
}

func param(name string, d wire.TuneDomain) tune.Param {
	p := tune.Param{Name: name, Step: d.Step, Log: d.Log, Int: d.Int}
	for _, v := range d.Values {
		text, err := json.Marshal(v)
		if err != nil {
			panic(fmt.Sprintf("schedule: value of %s: %v", name, err)) // it came in as JSON
		}
		p.Values = append(p.Values, text)
	}
	if d.Low != nil && d.High != nil {
		p.Low, p.High = *d.Low, *d.High
	}
	return p
}
