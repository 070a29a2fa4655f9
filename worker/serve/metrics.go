package serve

import (
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are a replica's own, so that several in one process do not meet.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec   // by path and status
	seconds  *prometheus.HistogramVec // by path
	together prometheus.Histogram
	steps    *prometheus.CounterVec // by how the state was found
}

func newMetrics(m *model) *metrics {
	labels := prometheus.Labels{"model": m.name, "version": strconv.Itoa(m.version)}
	s := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cohort_replica_requests_total", Help: "Requests, by path and HTTP status.", ConstLabels: labels,
		}, []string{"path", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cohort_replica_request_seconds", Help: "Time from a request's header to the end of its reply, by path.", ConstLabels: labels,
			Buckets: []float64{.0005, .001, .002, .003, .005, .0075, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60},
		}, []string{"path"}),
		together: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "cohort_replica_batch_sequences", Help: "Sequences that run side by side in a lane, as one comes in.", ConstLabels: labels,
			Buckets: []float64{1, 2, 4, 6, 8, 10, 12},
		}),
		steps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cohort_replica_steps_total", Help: "Steps of students, by what was done: state (taken on), window (replayed), need (sent back for the window).", ConstLabels: labels,
		}, []string{"from"}),
	}
	s.registry.MustRegister(s.requests, s.seconds, s.together, s.steps)
	return s
}

// watch adds what others hold.
func (s *metrics) watch(b *batcher, st *states) {
	gauge := func(name, help string, value func() float64) {
		s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("cohort_replica_queue_sequences", "Sequences that wait for a slot.", func() float64 { return float64(b.waiting.Load()) })
	gauge("cohort_replica_states", "Students whose state is kept.", func() float64 { return float64(st.len()) })
}

// ran notes how many runs are side by side.
func (s *metrics) ran(together int) { s.together.Observe(float64(together)) }

func (s *metrics) handler() http.Handler {
	return promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{})
}

// noted measures a handler.
func (s *metrics) noted(path string, h http.HandlerFunc) http.Handler {
	labels := prometheus.Labels{"path": path}
	return promhttp.InstrumentHandlerDuration(s.seconds.MustCurryWith(labels),
		promhttp.InstrumentHandlerCounter(s.requests.MustCurryWith(labels), h))
}
