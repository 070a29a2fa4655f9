package schedule

import (
	"encoding/json"
	"fmt"
	"strings"

	"cohort/coordinator/wire"
)

// execVersion is of what an exec stage makes of its settings and inputs.
const execVersion = 1

// graphNodes are the stages that a job file lists, each also after those whose
// outputs it reads.
func graphNodes(spec wire.Spec) []wire.GraphNode {
	names := spec.StageNames()
	nodes := make([]wire.GraphNode, len(spec.Stages))
	for k, n := range spec.Stages {
		n.After = names.Waits(n)
		nodes[k] = n
	}
	return nodes
}

// limits fills in what of a stage its node bounds: time and retries.
func limits(s *wire.Stage, n wire.GraphNode) (err error) {
	s.Retries = taskRetries
	if n.Retries != 0 {
		s.Retries = max(0, n.Retries)
	}
	s.Timeout, err = n.LimitMS()
	return err
}

// execStage fills in a command. One that reads and writes nothing is run for
// what it does elsewhere, and one that reads nothing for what has changed
// elsewhere: neither's result is ever taken for the next one's.
func execStage(s *wire.Stage, e wire.ExecSpec) error {
	text, err := json.Marshal(wire.ExecSettings{
		Command: e.Command, Outputs: e.Outputs, Env: e.Env, MemoryMB: e.MemoryMB,
	})
	if err != nil {
		return fmt.Errorf("stage %s: %w", s.Name, err)
	}
	s.Settings = text
	s.Resources.MemoryMB = int64(e.MemoryMB)
	s.Inputs = make(map[string]string, len(e.Inputs))
	for _, in := range e.Inputs {
		s.Inputs[in.Name] = strings.TrimPrefix(in.From, "sha256:")
	}
	if len(e.Inputs) > 0 && len(e.Outputs) > 0 {
		s.Version = execVersion
	}
	return nil
}
