// Package schedule decides: how a job's file becomes a graph of stages, and
// which pending tasks go to which nodes. Both are pure functions; the leader
// proposes what they say.
package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"cohort/coordinator/wire"
)

// Run is what a job's stages depend on beside its file.
type Run struct {
	At       int64 // the time that the run is for, Unix milliseconds
	Backfill bool  // for a time that is past: apart from the runs that follow each other
}

// Expand turns a job's specification into its stages, each after those it
// waits for.
func Expand(spec wire.Spec, run Run) ([]wire.Stage, error) {
	switch spec.Kind {
	case "train":
		return expandTrain(spec)
	case "pipeline":
		return expandPipeline(spec, run)
	case "import":
		b := builder{}
		b.add(importStage(spec))
		return b.stages, b.err
	case "graph":
		return expandGraph(graphNodes(spec))
	}
	return nil, fmt.Errorf("kind %q is unknown, want train, import, graph or pipeline", spec.Kind)
}

// Names of inputs and outputs that stages pass on.
const (
	events  = "events"
	folds   = "folds"
	dataset = "dataset"
	shards  = "shards"
	weights = "weights"
)

// taskRetries is how often a built-in stage tries again after a failure of its own.
const taskRetries = 2

func expandTrain(spec wire.Spec) ([]wire.Stage, error) {
	b := builder{}
	data := map[string]string{}
	if id, ok := strings.CutPrefix(spec.Data.Events, "dataset:"); ok {
		if spec.Split.File != "" {
			return nil, errors.New("split.file needs data.events to be a file: fold tables are masked when events are imported")
		}
		data[dataset] = id
	} else {
		b.add(importStage(spec))
		data[dataset] = "import/" + dataset
	}
	split, inputs := splitOf(spec, "import")
	if from := inputs[folds]; from != "" {
		data[folds] = from
	}
	b.add(shardStage(&b, spec, split, data))
	b.add(trainStage(&b, spec, split, inputs))
	b.add(testStage(&b, "test", spec, split, inputs))
	return b.stages, b.err
}

func trainStage(b *builder, spec wire.Spec, split wire.Split, inputs map[string]string) wire.Stage {
	return wire.Stage{
		Name: "train", Kind: wire.StageTrain, Run: wire.Gang, Tasks: spec.Train.Workers, Inputs: inputs,
		Settings: b.settings(trainSettings(spec, split)),
	}
}

func testStage(b *builder, name string, spec wire.Spec, split wire.Split, inputs map[string]string) wire.Stage {
	tested := map[string]string{weights: "train/" + weights}
	maps.Copy(tested, inputs)
	return wire.Stage{
		Name: name, Kind: wire.StageTest, Inputs: tested,
		Settings: b.settings(testSettings(spec, split)),
	}
}

func trainSettings(spec wire.Spec, split wire.Split) wire.TrainSettings {
	return wire.TrainSettings{Window: spec.Data.Window, Split: split, Model: spec.Model, Train: layoutFree(spec.Train)}
}

func testSettings(spec wire.Spec, split wire.Split) wire.TestSettings {
	return wire.TestSettings{Window: spec.Data.Window, Split: split, Model: spec.Model, Train: layoutFree(spec.Train), Baselines: true}
}

// layoutFree leaves out how many workers train, which moves no bit: the same
// training on others is the same stage.
func layoutFree(t wire.TrainSpec) wire.TrainSpec {
	t.Workers = 0
	return t
}

// shardStage takes of data the dataset alone, and where the model takes more than
// skill and correctness who trains: that is fitted on them. Else one set of shards
// serves every split.
func shardStage(b *builder, spec wire.Spec, split wire.Split, data map[string]string) wire.Stage {
	s := wire.ShardSettings{MultiSkill: spec.Data.MultiSkill, Shards: spec.Data.Shards, Inputs: spec.Model.Inputs}
	inputs := map[string]string{dataset: data[dataset]}
	if len(s.Inputs) > 0 {
		s.Split, inputs = &split, data
	}
	return wire.Stage{Name: "shard", Kind: wire.StageShard, Inputs: inputs, Settings: b.settings(s)}
}

func importStage(spec wire.Spec) wire.Stage {
	b := builder{}
	s := wire.ImportSettings{Name: spec.Name, File: spec.Data.EventsName, Columns: spec.Data.Columns, MaskKey: spec.Mask.Key}
	inputs := map[string]string{events: strings.TrimPrefix(spec.Data.Events, "sha256:")}
	if spec.Split.File != "" {
		inputs[folds] = strings.TrimPrefix(spec.Split.File, "sha256:")
		s.FoldFile, s.FoldStudent, s.FoldColumn = spec.Split.FileName, spec.Split.Student, spec.Split.Column
	}
	return wire.Stage{Name: "import", Kind: wire.StageImport, Inputs: inputs, Settings: b.settings(s)}
}

// builder chains stages: each waits for the one before.
type builder struct {
	stages []wire.Stage
	err    error
}

func (b *builder) settings(v any) json.RawMessage {
	text, err := json.Marshal(v)
	b.err = errors.Join(b.err, err)
	return text
}

func (b *builder) add(s wire.Stage) {
	if s.Run == "" {
		s.Run = wire.Batch
	}
	s.Tasks = max(s.Tasks, 1)
	if s.Retries == 0 {
		s.Retries = taskRetries
	}
	s.Resources = wire.Resources{Cores: 1}
	if n := len(b.stages); n > 0 && s.After == nil {
		s.After = []string{b.stages[n-1].Name}
	}
	b.stages = append(b.stages, s)
}

// expandGraph orders the nodes of a job of kind graph and checks their names.
func expandGraph(nodes []wire.GraphNode) ([]wire.Stage, error) {
	if len(nodes) == 0 {
		return nil, errors.New("stages is empty: a job of kind graph needs at least one")
	}
	stages := make([]wire.Stage, len(nodes))
	for k, n := range nodes {
		s, err := graphStage(n)
		if err != nil {
			return nil, err
		}
		stages[k] = s
	}
	return inOrder(stages)
}

// inOrder puts stages after those they wait for, and otherwise leaves them in
// the order of the file.
func inOrder(stages []wire.Stage) ([]wire.Stage, error) {
	at := make(map[string]int, len(stages))
	for k, s := range stages {
		if _, twice := at[s.Name]; twice {
			return nil, fmt.Errorf("stage %s exists twice", s.Name)
		}
		at[s.Name] = k
	}
	waits, next := make([]int, len(stages)), make([][]int, len(stages))
	for k, s := range stages {
		for _, a := range s.After {
			before, ok := at[a]
			if !ok {
				return nil, fmt.Errorf("stage %s waits for %q, which is no stage", s.Name, a)
			}
			waits[k]++
			next[before] = append(next[before], k)
		}
	}
	sorted := make([]wire.Stage, 0, len(stages))
	var free []int
	for k, n := range waits {
		if n == 0 {
			free = append(free, k)
		}
	}
	for len(free) > 0 {
		k := free[0]
		free = free[1:]
		sorted = append(sorted, stages[k])
		for _, n := range next[k] {
			if waits[n]--; waits[n] == 0 {
				free = append(free, n)
			}
		}
	}
	if len(sorted) == len(stages) {
		return sorted, nil
	}
	k := slices.IndexFunc(waits, func(n int) bool { return n > 0 })
	return nil, fmt.Errorf("stage %s waits for itself in a circle", stages[k].Name)
}

func graphStage(n wire.GraphNode) (wire.Stage, error) {
	s := wire.Stage{
		Name: n.Name, Kind: n.Kind, Run: n.Run, After: n.After, Tasks: max(n.Tasks, 1),
		Resources: wire.Resources{Cores: 1}, Settings: json.RawMessage("{}"),
	}
	if s.Run == "" {
		s.Run = wire.Batch
		if s.Kind == wire.StageIdle {
			s.Run = wire.Service
		}
	}
	err := limits(&s, n)
	if s.Kind == wire.StageExec {
		err = errors.Join(err, execStage(&s, n.Exec))
	}
	return s, err
}
