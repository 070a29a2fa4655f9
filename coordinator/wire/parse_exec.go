package wire

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// StageNames are the names of a job file's stages, with their places in the
// file; −1 is a built-in one.
type StageNames map[string]int

// StageNames are those that inputs of commands may name.
func (s *Spec) StageNames() StageNames {
	if s.Kind == "pipeline" {
		return stageNames(s.Stages, s.builtin())
	}
	return stageNames(s.Stages, nil)
}

func stageNames(stages []GraphNode, builtin []string) StageNames {
	names := make(StageNames, len(stages)+len(builtin))
	for k, g := range stages {
		names[g.Name] = k
	}
	for _, name := range builtin {
		names[name] = -1
	}
	return names
}

// Output splits an input's From where it names a stage: STAGE/OUTPUT. Any other
// From is a file: sha256:HASH, or a path of the client's (./STAGE/FILE is one).
func (n StageNames) Output(from string) (stage, output string, ok bool) {
	stage, output, ok = strings.Cut(from, "/")
	_, known := n[stage]
	return stage, output, ok && known
}

// Waits are the stages that one comes after: those of its after, and those
// whose outputs it reads.
func (n StageNames) Waits(g GraphNode) []string {
	names := slices.Clone(g.After)
	for _, in := range g.Exec.Inputs {
		if stage, _, ok := n.Output(in.From); ok && !slices.Contains(names, stage) {
			names = append(names, stage)
		}
	}
	return names
}

// checkExecInputs holds inputs of commands to the outputs that they name.
func (d *decoder) checkExecInputs(stages []GraphNode, names StageNames) {
	for k, g := range stages {
		for j, in := range g.Exec.Inputs {
			stage, output, ok := names.Output(in.From)
			if !ok || names[stage] < 0 {
				continue // a file, or a built-in stage
			}
			path := fmt.Sprintf("stages[%d].exec.inputs[%d].from", k, j)
			if outputs := stages[names[stage]].Exec.Outputs; len(outputs) == 0 {
				d.at(path, "%q: stage %s has no outputs (a file would be ./%s)", in.From, stage, in.From)
			} else if !slices.Contains(outputs, output) {
				d.at(path, "%q: stage %s has no such output; it has %s", in.From, stage, strings.Join(outputs, ", "))
			}
		}
	}
}

// LimitMS is the node's time-out in milliseconds, 0 for none.
func (g *GraphNode) LimitMS() (int64, error) {
	if g.Timeout == "" {
		return 0, nil
	}
	t, err := time.ParseDuration(g.Timeout)
	if err != nil || t <= 0 {
		return 0, fmt.Errorf("stage %s: timeout %q is no duration such as 10m", g.Name, g.Timeout)
	}
	return max(1, t.Milliseconds()), nil
}

// TemporaryFolder is the folder of a command's temporary files, below its own.
const TemporaryFolder = ".tmp"

// LocalFile reports whether a name is one of a file below a command's folder.
func LocalFile(name string) bool {
	first, _, _ := strings.Cut(name, "/")
	return fs.ValidPath(name) && name != "." && first != TemporaryFolder && !strings.ContainsAny(name, "\\\x00")
}
