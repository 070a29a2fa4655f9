package metrics_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"cohort/coordinator/metrics"
	"cohort/coordinator/wire"
)

// What deployments tell is tested with real ones, in cli.
func TestTheAttemptLogIsTold(t *testing.T) {
	t.Parallel()
	c := busy(t)
	c.must(wire.CmdAppendAttempts, wire.AppendAttempts{Attempts: []wire.Attempt{
		{ID: "a", Student: "s", Skill: "k"}, {ID: "b", Student: "s", Skill: "k"}, {ID: "c", Student: "s", Skill: "k"},
	}})
	c.must(wire.CmdSealAttempts, wire.SealAttempts{Segment: wire.AttemptSegment{First: 1, Last: 2, Hash: strings.Repeat("ab", 32), Bytes: 70}})
	want := `
# HELP cohort_attempt_log_attempts_total Attempts in the attempt log.
# TYPE cohort_attempt_log_attempts_total counter
cohort_attempt_log_attempts_total 3
# HELP cohort_attempt_log_sealed_bytes Bytes of the log's segments.
# TYPE cohort_attempt_log_sealed_bytes gauge
cohort_attempt_log_sealed_bytes 70
# HELP cohort_attempt_log_unsealed Attempts of the log that are in no segment yet.
# TYPE cohort_attempt_log_unsealed gauge
cohort_attempt_log_unsealed 1
`
	err := testutil.CollectAndCompare(metrics.New(c.source(true)), strings.NewReader(want),
		"cohort_attempt_log_attempts_total", "cohort_attempt_log_sealed_bytes", "cohort_attempt_log_unsealed")
	if err != nil {
		t.Error(err)
	}
}
