package metrics

import (
	"strconv"

	"cohort/coordinator/state"
)

// deployments tells how models serve: what is wanted of each version, what is
// there, and what the gateways saw of it.
func (s *scrape) deployments() {
	for k, d := range s.v.Deployments(nil) {
		if k == mostNames {
			return
		}
		live := s.Live(d.Model)
		for _, v := range state.DeploymentView(s.v, nil, d).Versions {
			labels := []string{d.Model, strconv.Itoa(v.Version)}
			s.put("deployment_traffic_percent", float64(v.Percent), labels...)
			s.put("deployment_replicas_wanted", float64(v.Wanted), labels...)
			s.put("deployment_replicas_ready", float64(v.Ready), labels...)
			l := live[v.Version]
			if l.Requests > 0 {
				s.put("live_error_rate", l.ErrorRate(), labels...)
				s.put("live_p99_seconds", l.P99MS/1000, labels...)
			}
			if l.Answers > 0 {
				s.put("live_calibration_error", l.Calibration(), labels...)
			}
		}
	}
}

// attempts tells how the attempt log grows.
func (s *scrape) attempts() {
	log, bytes := s.v.AttemptLog(), int64(0)
	for _, g := range s.v.AttemptSegments(0) {
		bytes += g.Bytes
	}
	s.put("attempt_log_attempts_total", float64(log.Last))
	s.put("attempt_log_unsealed", float64(log.Last-log.Sealed))
	s.put("attempt_log_sealed_bytes", float64(bytes))
}
