package worker

import (
	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is what a worker tells Prometheus of itself. How its tasks do is the
// leader's to tell.
func (n *Node) Metrics() prometheus.Collector {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("cohort_worker_"+name, help, nil, nil)
	}
	return &collector{
		node:  n,
		tasks: desc("tasks", "Tasks that the worker holds."), cores: desc("offered_cores", "Cores that the worker offers."),
		memory: desc("offered_memory_bytes", "Memory that the worker offers."), ready: desc("registered", "1 once a coordinator has taken the worker."),
		draining: desc("draining", "1 while the worker hands back what it runs."),
	}
}

type collector struct {
	node                                  *Node
	tasks, cores, memory, ready, draining *prometheus.Desc
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is prometheus.Collector's.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	ready := 0.0
	select {
	case <-c.node.ready:
		ready = 1
	default:
	}
	c.node.mu.Lock()
	held, draining := len(c.node.tasks), 0.0
	if c.node.draining {
		draining = 1
	}
	c.node.mu.Unlock()
	gauge(c.tasks, float64(held))
	gauge(c.cores, float64(c.node.cfg.Resources.Cores))
	gauge(c.memory, float64(c.node.cfg.Resources.MemoryMB)*(1<<20))
	gauge(c.ready, ready)
	gauge(c.draining, draining)
}
