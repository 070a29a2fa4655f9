// Package machine is the part of /metrics that every node has: the process, the
// Go runtime, and the machine's CPU, memory and disk, read from /proc.
package machine

import (
	"log/slog"
	"net/http"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/procfs"
)

// Registry gathers a node's metrics: what every node has, and more.
func Registry(dataDir string, more ...prometheus.Collector) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newCollector(dataDir))
	r.MustRegister(more...)
	return r
}

// Handler answers a scrape. What cannot be read is left out and logged.
func Handler(r *prometheus.Registry, log *slog.Logger) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{
		ErrorHandling: promhttp.ContinueOnError, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), MaxRequestsInFlight: 4,
	})
}

// collector reads the machine's numbers at each scrape.
type collector struct {
	dir                                     string
	cpu, memory, free, load, disk, diskFree *prometheus.Desc
}

func newCollector(dataDir string) *collector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("cohort_machine_"+name, help, labels, nil)
	}
	return &collector{
		dir:      dataDir,
		cpu:      desc("cpu_seconds_total", "CPU time of all cores by mode.", "mode"),
		memory:   desc("memory_bytes", "Memory of the machine."),
		free:     desc("memory_available_bytes", "Memory that programs can still get."),
		load:     desc("load1", "Processes that run or want to, over the last minute."),
		disk:     desc("disk_bytes", "Size of the disk that the data folder is on."),
		diskFree: desc("disk_available_bytes", "Space left on the disk that the data folder is on."),
	}
}

// Describe is prometheus.Collector's.
func (c *collector) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect is prometheus.Collector's. A machine without /proc has fewer numbers.
func (c *collector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64) { ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v) }
	if proc, err := procfs.NewDefaultFS(); err == nil {
		if stat, err := proc.Stat(); err == nil {
			t := stat.CPUTotal
			for mode, v := range map[string]float64{
				"user": t.User + t.Nice, "system": t.System + t.IRQ + t.SoftIRQ, "idle": t.Idle, "iowait": t.Iowait, "steal": t.Steal,
			} {
				ch <- prometheus.MustNewConstMetric(c.cpu, prometheus.CounterValue, v, mode)
			}
		}
		if m, err := proc.Meminfo(); err == nil && m.MemTotalBytes != nil && m.MemAvailableBytes != nil {
			gauge(c.memory, float64(*m.MemTotalBytes))
			gauge(c.free, float64(*m.MemAvailableBytes))
		}
		if l, err := proc.LoadAvg(); err == nil {
			gauge(c.load, l.Load1)
		}
	}
	var s syscall.Statfs_t
	if c.dir != "" && syscall.Statfs(c.dir, &s) == nil {
		gauge(c.disk, float64(s.Blocks)*float64(s.Bsize))
		gauge(c.diskFree, float64(s.Bavail)*float64(s.Bsize))
	}
}
