package gateway

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"cohort/coordinator/wire"
)

// metrics are of what this gateway has answered.
type metrics struct {
	requests *prometheus.CounterVec   // by path, model, version and status
	seconds  *prometheus.HistogramVec // by path and model
	asked    *prometheus.CounterVec   // replicas, by model, version and whether they answered
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cohort_gateway_requests_total", Help: "Requests, by path, the model and version that answered, and HTTP status.",
		}, []string{"path", "model", "version", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "cohort_gateway_request_seconds", Help: "Time from a request's header to the end of its answer, by path and model.",
			Buckets: []float64{.0005, .001, .002, .003, .005, .0075, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"path", "model"}),
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "cohort_gateway_replica_requests_total", Help: "Requests to replicas, by model, version and outcome: answered, or failed, after which another replica is asked.",
		}, []string{"model", "version", "outcome"}),
	}
}

// Metrics are the gateway's, for the coordinator's registry.
func (g *Gateway) Metrics() []prometheus.Collector {
	return []prometheus.Collector{g.metrics.requests, g.metrics.seconds, g.metrics.asked}
}

// recorder notes the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader is http.ResponseWriter's.
func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// counted measures a page. Model and version are those that answered, as the
// answer's headers say: what a request may name freely is no label.
func (g *Gateway) counted(path string, serve func(http.ResponseWriter, *http.Request) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		rec, start := &recorder{w, http.StatusOK}, time.Now()
		err := serve(rec, r)
		if err != nil {
			rec.status = g.Fault(err).Code.Status()
		}
		model := w.Header().Get(wire.HeaderModel)
		g.metrics.requests.WithLabelValues(path, model, w.Header().Get(headerVersion), strconv.Itoa(rec.status)).Inc()
		g.metrics.seconds.WithLabelValues(path, model).Observe(time.Since(start).Seconds())
		return err
	}
}

// signed says on an answer who gave it.
func signed(w http.ResponseWriter, model string, version int) {
	w.Header().Set(wire.HeaderModel, model)
	w.Header().Set(headerVersion, strconv.Itoa(version))
}
