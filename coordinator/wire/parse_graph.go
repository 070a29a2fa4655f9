package wire

import (
	"fmt"
	"slices"
)

// checkGraph checks the stages of a job of kind graph and fills in a stage's
// defaults: a batch of one task, a service where it only idles.
func (d *decoder) checkGraph(stages []GraphNode) {
	if len(stages) == 0 {
		d.at("stages", "is missing: a job of kind graph lists its stages")
	}
	d.checkNodes(stages, nil, StageNoop, StageIdle, StageExec)
}

// checkNodes checks stages of the kinds given beside built-in ones.
func (d *decoder) checkNodes(stages []GraphNode, builtin []string, kinds ...StageKind) {
	known := make([]string, len(kinds))
	for k, kind := range kinds {
		known[k] = string(kind)
	}
	names := slices.Clone(builtin)
	taken := map[string]bool{}
	for _, name := range builtin {
		taken[name] = true
	}
	for k := range stages {
		g, path := &stages[k], fmt.Sprintf("stages[%d]", k)
		g.fill(d.has(path + ".tasks"))
		d.checkName(path+".name", g.Name)
		if taken[g.Name] {
			d.at(path+".name", "%q is taken by an earlier stage", g.Name)
		}
		taken[g.Name] = true
		names = append(names, g.Name)
		d.oneOf(path+".kind", string(g.Kind), known...)
		d.oneOf(path+".run", string(g.Run), string(Batch), string(Gang), string(Service))
		d.between(path+".tasks", float64(g.Tasks), 1, 10000)
		d.checkDuration(path+".timeout", g.Timeout)
		d.between(path+".retries", float64(g.Retries), -1, 100)
		d.checkKind(path, g)
	}
	for k, g := range stages {
		for j, a := range g.After {
			if !taken[a] {
				d.oneOf(fmt.Sprintf("stages[%d].after[%d]", k, j), a, names...)
			}
		}
	}
	all := stageNames(stages, builtin)
	d.checkExecInputs(stages, all)
	if len(d.faults) == 0 {
		d.checkCycle(stages, all)
	}
}

func (g *GraphNode) fill(tasks bool) {
	if g.Run == "" {
		g.Run = Batch
		if g.Kind == StageIdle {
			g.Run = Service
		}
	}
	if g.Tasks == 0 && !tasks {
		g.Tasks = 1
	}
}

// checkKind checks what goes with a stage's kind.
func (d *decoder) checkKind(path string, g *GraphNode) {
	if g.Kind != StageExec {
		if d.has(path + ".exec") {
			d.at(path+".exec", "is for kind exec, this stage is of kind %s", g.Kind)
		}
		return
	}
	if g.Run != Batch || g.Tasks != 1 {
		d.at(path+".run", "of an exec stage is batch, with one task")
	}
	d.checkExec(path+".exec", &g.Exec)
}

// checkCycle takes away stages whose predecessors are gone until none can go.
func (d *decoder) checkCycle(stages []GraphNode, names StageNames) {
	open, next := map[string]int{}, map[string][]string{}
	for _, g := range stages {
		open[g.Name] += 0
		for _, a := range names.Waits(g) {
			if names[a] >= 0 {
				open[g.Name]++
				next[a] = append(next[a], g.Name)
			}
		}
	}
	var free []string
	for _, g := range stages {
		if open[g.Name] == 0 {
			free = append(free, g.Name)
		}
	}
	gone := 0
	for ; gone < len(free); gone++ {
		for _, n := range next[free[gone]] {
			if open[n]--; open[n] == 0 {
				free = append(free, n)
			}
		}
	}
	if gone == len(stages) {
		return
	}
	for k, g := range stages {
		if open[g.Name] > 0 {
			d.at(fmt.Sprintf("stages[%d].after", k), "makes stage %q wait for itself", g.Name)
			return
		}
	}
}
