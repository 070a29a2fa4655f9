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
	var names []string
	for k := range stages {
		g, path := &stages[k], fmt.Sprintf("stages[%d]", k)
		if g.Run == "" {
			g.Run = Batch
			if g.Kind == StageIdle {
				g.Run = Service
			}
		}
		if g.Tasks == 0 && !d.has(path+".tasks") {
			g.Tasks = 1
		}
		d.checkName(path+".name", g.Name)
		if slices.Contains(names, g.Name) {
			d.at(path+".name", "%q is taken by an earlier stage", g.Name)
		}
		names = append(names, g.Name)
		d.oneOf(path+".kind", string(g.Kind), string(StageNoop), string(StageIdle))
		d.oneOf(path+".run", string(g.Run), string(Batch), string(Gang), string(Service))
		d.between(path+".tasks", float64(g.Tasks), 1, 10000)
	}
	for k, g := range stages {
		for j, a := range g.After {
			if !slices.Contains(names, a) {
				d.oneOf(fmt.Sprintf("stages[%d].after[%d]", k, j), a, names...)
			}
		}
	}
	if len(d.faults) == 0 {
		d.checkCycle(stages)
	}
}

// checkCycle takes away stages whose predecessors are gone until none can go.
func (d *decoder) checkCycle(stages []GraphNode) {
	gone := map[string]bool{}
	for moved := true; moved; {
		moved = false
		for _, g := range stages {
			if !gone[g.Name] && !slices.ContainsFunc(g.After, func(a string) bool { return !gone[a] }) {
				gone[g.Name], moved = true, true
			}
		}
	}
	for k, g := range stages {
		if !gone[g.Name] {
			d.at(fmt.Sprintf("stages[%d].after", k), "makes stage %q wait for itself", g.Name)
			return
		}
	}
}
