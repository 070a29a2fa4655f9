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

// Expand turns a job's specification into its stages, each after those it
// waits for.
func Expand(spec wire.Spec) ([]wire.Stage, error) {
	switch spec.Kind {
	case "train":
		return expandTrain(spec)
	case "import":
		b := builder{}
		b.add(importStage(spec))
		return b.stages, b.err
	case "graph":
		return expandGraph(graphNodes(spec))
	}
	return nil, fmt.Errorf("kind %q is unknown, want train, import or graph", spec.Kind)
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
	b.add(wire.Stage{
		Name: "shard", Kind: wire.StageShard, Inputs: map[string]string{dataset: data[dataset]},
		Settings: b.settings(wire.ShardSettings{MultiSkill: spec.Data.MultiSkill, Shards: spec.Data.Shards}),
	})
	split := wire.Split{File: "", Column: spec.Split.Column, Test: spec.Split.Test, Valid: spec.Split.Valid, Seed: spec.Split.Seed}
	inputs := map[string]string{shards: "shard/" + shards}
	if spec.Split.File != "" {
		split.File = folds
		inputs[folds] = "import/" + folds
	}
	b.add(wire.Stage{
		Name: "train", Kind: wire.StageTrain, Run: wire.Gang, Tasks: spec.Train.Workers, Inputs: inputs,
		Settings: b.settings(wire.TrainSettings{Window: spec.Data.Window, Split: split, Model: spec.Model, Train: spec.Train}),
	})
	tested := map[string]string{weights: "train/" + weights}
	maps.Copy(tested, inputs)
	b.add(wire.Stage{
		Name: "test", Kind: wire.StageTest, Inputs: tested,
		Settings: b.settings(wire.TestSettings{Window: spec.Data.Window, Split: split, Model: spec.Model, Train: spec.Train, Baselines: true}),
	})
	return b.stages, b.err
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
	s.Retries = taskRetries
	s.Resources = wire.Resources{Cores: 1}
	if n := len(b.stages); n > 0 {
		s.After = []string{b.stages[n-1].Name}
	}
	b.stages = append(b.stages, s)
}

// expandGraph orders the nodes of a job of kind graph and checks their names.
func expandGraph(nodes []wire.GraphNode) ([]wire.Stage, error) {
	if len(nodes) == 0 {
		return nil, errors.New("stages is empty: a job of kind graph needs at least one")
	}
	known := map[string]bool{}
	for _, n := range nodes {
		if known[n.Name] {
			return nil, fmt.Errorf("stage %s exists twice", n.Name)
		}
		known[n.Name] = true
	}
	for _, n := range nodes {
		for _, a := range n.After {
			if !known[a] {
				return nil, fmt.Errorf("stage %s waits for %q, which is no stage", n.Name, a)
			}
		}
	}
	var stages []wire.Stage
	placed := map[string]bool{}
	for len(stages) < len(nodes) {
		before := len(stages)
		for _, n := range nodes {
			waits := slices.ContainsFunc(n.After, func(a string) bool { return !placed[a] })
			if placed[n.Name] || waits {
				continue
			}
			placed[n.Name] = true
			s, err := graphStage(n)
			if err != nil {
				return nil, err
			}
			stages = append(stages, s)
		}
		if len(stages) == before {
			return nil, fmt.Errorf("stage %s waits for itself in a circle", firstMissing(nodes, placed))
		}
	}
	return stages, nil
}

func firstMissing(nodes []wire.GraphNode, placed map[string]bool) string {
	for _, n := range nodes {
		if !placed[n.Name] {
			return n.Name
		}
	}
	return ""
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
