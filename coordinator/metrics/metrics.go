// Package metrics is what a coordinator tells Prometheus. DESIGN.md of the
// coordinator lists it all. Names of jobs, pipelines and models are labels, of a
// bounded number of the newest; what only the state or the leader's memory knows
// is told by the leader alone, so that sums over coordinators are right.
package metrics

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"cohort/coordinator/consensus"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// Source is what a coordinator is asked at each scrape.
type Source struct {
	State    *state.Store
	Raft     func() consensus.Stats
	Leads    func() bool // in office
	Progress func(job string) []wire.Progress
	Live     func(model string) map[int]wire.LiveStats // what the gateways saw of a model's versions
}

// New returns a coordinator's collector.
func New(s Source) prometheus.Collector {
	return &collector{Source: s, descs: describe(), commands: commands()}
}

type collector struct {
	Source
	descs    map[string]desc
	commands map[wire.Number]string
}

type desc struct {
	*prometheus.Desc
	kind prometheus.ValueType
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d.Desc
	}
}

// Collect is prometheus.Collector's.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	s := &scrape{collector: c, v: c.State.Read(), ch: ch}
	s.raft()
	if !c.Leads() {
		return
	}
	s.scheduler()
	s.jobs()
	s.pipelines()
	s.models()
	s.alerts()
	s.deployments()
	s.attempts()
}

// scrape is one collection.
type scrape struct {
	*collector
	v  *state.View
	ch chan<- prometheus.Metric
}

func (s *scrape) put(name string, v float64, labels ...string) {
	d := s.descs[name]
	s.ch <- prometheus.MustNewConstMetric(d.Desc, d.kind, v, labels...)
}

func (s *scrape) flag(name string, on bool, labels ...string) {
	v := 0.0
	if on {
		v = 1
	}
	s.put(name, v, labels...)
}

// command is a command's name.
func (c *collector) command(n wire.Number) string {
	if text, ok := c.commands[n]; ok {
		return text
	}
	return fmt.Sprint("command_", n)
}

func (s *scrape) raft() {
	r := s.Raft()
	s.flag("raft_leader", r.Leader)
	s.put("raft_term", float64(r.Term))
	s.put("raft_applied_index", float64(r.Applied))
	s.put("raft_last_index", float64(r.Last))
	s.put("raft_snapshot_index", float64(r.Snapshot))
	s.put("raft_voters", float64(r.Voters))
	for number, n := range s.State.Applied() {
		s.put("state_commands_total", float64(n), s.command(number))
	}
}
