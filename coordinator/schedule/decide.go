package schedule

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// Decision is a command for the leader to propose.
type Decision struct {
	Number wire.Number
	Body   any
}

// mostPlacements bounds a decision, so that one log entry stays small.
const mostPlacements = 256

// Decide places what can be placed now, the leader's clock in Unix
// milliseconds: jobs of higher priority first, then older ones. A gang is
// placed whole or not at all. Cores that a gang or a test leaves over on its
// nodes are granted to it, since training uses all it gets. next is the
// earliest time at which a pause ends, or 0.
func Decide(v *state.View, now int64) (decisions []Decision, next int64) {
	p := &planner{v: v, now: now, next: math.MaxInt64, free: map[string]wire.Resources{}, spreads: map[string]map[string]int{}}
	for _, n := range v.Nodes(nil) {
		if n.Status == wire.NodeReady {
			p.nodes = append(p.nodes, n)
			p.free[n.ID] = state.Free(n, v.TasksOf(nil, n.ID))
		}
	}
	jobs := v.OpenJobs()
	slices.SortStableFunc(jobs, func(a, b *wire.Job) int { return cmp.Compare(b.Priority, a.Priority) })
	for _, j := range jobs {
		for s := range v.Ready(j.ID) {
			if p.full(s) {
				break
			}
			p.stage(s)
		}
	}
	if len(p.batch) > 0 {
		p.decisions = append(p.decisions, Decision{wire.CmdAssign, wire.Assign{Placements: p.batch}})
	}
	if p.next == math.MaxInt64 {
		p.next = 0
	}
	return p.decisions, p.next
}

type planner struct {
	v         *state.View
	now, next int64
	nodes     []*wire.Node
	free      map[string]wire.Resources
	spreads   map[string]map[string]int // of services: stage → node → tasks
	batch     []wire.Placement
	decisions []Decision
	placed    int
}

// full reports whether nothing more can be placed of a stage, or is to be now.
func (p *planner) full(s *wire.Stage) bool {
	if p.placed >= mostPlacements || s.Resources.Cores == 0 {
		return p.placed >= mostPlacements
	}
	for _, f := range p.free {
		if f.Cores > 0 {
			return false
		}
	}
	return true
}

func (p *planner) stage(s *wire.Stage) {
	var pending []*wire.Task
	for k := range p.v.Pending(s.Job, s.Name) {
		if k.Pause > p.now {
			p.next = min(p.next, k.Pause)
			continue
		}
		if pending = append(pending, k); len(pending) >= mostPlacements && s.Run != wire.Gang {
			break
		}
	}
	if s.Run == wire.Gang {
		if len(pending) == s.Tasks {
			p.gang(s, pending)
		}
		return
	}
	for _, k := range pending {
		n := p.widest(s)
		if n == nil || p.placed >= mostPlacements {
			return
		}
		granted := s.Resources
		if s.Kind == wire.StageTest {
			granted.Cores = p.free[n.ID].Cores
		}
		if s.Kind == wire.StageServe {
			p.replicas(s)[n.ID]++
		}
		p.batch = append(p.batch, p.place(k, n, granted))
	}
}

// widest is the node with the most free cores among those with room for a task
// of the stage, and that allow it; the first by id among equals.
func (p *planner) widest(s *wire.Stage) *wire.Node {
	var best *wire.Node
	for _, n := range p.nodes {
		f := p.free[n.ID]
		if f.Cores < s.Resources.Cores || f.MemoryMB < s.Resources.MemoryMB || s.Kind == wire.StageExec && !n.Exec {
			continue
		}
		if best == nil || p.better(s, n, best) {
			best = n
		}
	}
	return best
}

func (p *planner) place(k *wire.Task, n *wire.Node, granted wire.Resources) wire.Placement {
	f := p.free[n.ID]
	p.free[n.ID] = wire.Resources{Cores: f.Cores - granted.Cores, MemoryMB: f.MemoryMB - granted.MemoryMB}
	p.placed++
	return wire.Placement{Task: k.ID, Node: n.ID, Session: n.Session, Granted: granted}
}

// gang places all tasks or none.
func (p *planner) gang(s *wire.Stage, tasks []*wire.Task) {
	before := make(map[string]wire.Resources, len(p.free))
	maps.Copy(before, p.free)
	placements := make([]wire.Placement, 0, len(tasks))
	for _, k := range tasks {
		n := p.widest(s)
		if n == nil {
			p.free = before
			p.placed -= len(placements)
			return
		}
		placements = append(placements, p.place(k, n, s.Resources))
	}
	p.spread(placements)
	p.decisions = append(p.decisions, Decision{wire.CmdAssign, wire.Assign{Placements: placements, Gang: true}})
}

// spread grants the cores left on a gang's nodes to its members there, in turn.
func (p *planner) spread(placements []wire.Placement) {
	for granted := true; granted; {
		granted = false
		for k := range placements {
			node := placements[k].Node
			if f := p.free[node]; f.Cores > 0 {
				f.Cores--
				p.free[node] = f
				placements[k].Granted.Cores++
				granted = true
			}
		}
	}
}
