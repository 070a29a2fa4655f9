package schedule

import (
	"fmt"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// servePriority puts replicas before whatever a person submits.
const servePriority = 100

// Serve expands the replicas of a version to a job of one stage. They ask for no
// core of their own: between requests they are idle, and on a small cluster the
// training of the next version would find no place beside them.
func Serve(v *wire.ModelVersion, public []byte, spec wire.DeploySpec, id string) (wire.Job, []wire.Stage, error) {
	b := builder{}
	b.add(wire.Stage{
		Name: state.ServeStage, Kind: wire.StageServe, Run: wire.Service, Tasks: spec.Replicas,
		Inputs:   map[string]string{weights: v.Weights, "manifest": v.Manifest},
		Settings: b.settings(wire.ServeSettings{Model: v.Model, Version: v.Version, Signature: v.Signature, Public: public}),
	})
	b.stages[0].Resources = wire.Resources{}
	job := wire.Job{ID: id, Name: ServeName(v.Model, v.Version), Kind: "serve", Priority: servePriority}
	return job, b.stages, b.err
}

// ServeName is the name of the jobs that serve a version.
func ServeName(model string, version int) string { return fmt.Sprintf("%s-v%d", model, version) }

// replicas counts a stage's tasks on each node.
func (p *planner) replicas(s *wire.Stage) map[string]int {
	key := s.Job + "/" + s.Name
	if p.spreads[key] == nil {
		count := map[string]int{}
		for _, k := range p.v.Tasks(nil, s.Job, s.Name) {
			if k.Status == wire.Running {
				count[k.Node]++
			}
		}
		p.spreads[key] = count
	}
	return p.spreads[key]
}

// better reports whether a node suits a stage's next task more than another:
// replicas keep apart where they can, and then the node with more free cores.
func (p *planner) better(s *wire.Stage, n, than *wire.Node) bool {
	if s.Kind == wire.StageServe {
		if on := p.replicas(s); on[n.ID] != on[than.ID] {
			return on[n.ID] < on[than.ID]
		}
	}
	return p.free[n.ID].Cores > p.free[than.ID].Cores
}
