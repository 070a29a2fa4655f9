package gateway

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// What a request names freely is no label: who answered is.
func TestRequestsAreCountedByWhoAnswered(t *testing.T) {
	o := newOffice(t, "")
	dead, f := newFake(t), newFake(t)
	dead.kill()
	o.send("/invocations?model=anything", `{}`)
	o.deploy(deployed(routes(100), []*fake{dead, f}))
	for range 20 {
		o.send("/invocations", `{"inputs":[[1]]}`)
	}
	f.status.Store(http.StatusBadRequest)
	o.send("/invocations", `[]`)
	f.status.Store(0)
	o.attempt("ann", "1", "add", true)
	o.send("/v1/students/ann/attempts", `{}`)
	o.mu.Lock()
	o.refuse = errors.New("the disk is full")
	o.mu.Unlock()
	if status, text, _ := o.send("/v1/students/ann/attempts", attemptText("2", "add", true)); status != http.StatusInternalServerError {
		t.Errorf("%d %s", status, text)
	}
	want := `
# HELP cohort_gateway_requests_total Requests, by path, the model and version that answered, and HTTP status.
# TYPE cohort_gateway_requests_total counter
cohort_gateway_requests_total{code="200",model="m",path="/invocations",version="1"} 20
cohort_gateway_requests_total{code="200",model="m",path="/v1/students/attempts",version="1"} 1
cohort_gateway_requests_total{code="400",model="",path="/v1/students/attempts",version=""} 1
cohort_gateway_requests_total{code="400",model="m",path="/invocations",version="1"} 1
cohort_gateway_requests_total{code="404",model="",path="/invocations",version=""} 1
cohort_gateway_requests_total{code="500",model="",path="/v1/students/attempts",version=""} 1
`
	if err := testutil.CollectAndCompare(o.metrics.requests, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	if n := testutil.ToFloat64(o.metrics.asked.WithLabelValues("m", "1", "answered")); n != 22 {
		t.Errorf("%v requests to replicas answered", n)
	}
	if n := testutil.ToFloat64(o.metrics.asked.WithLabelValues("m", "1", "failed")); n == 0 {
		t.Error("the dead replica is not told of")
	}
	if n := testutil.CollectAndCount(o.metrics.seconds); n != 4 {
		t.Errorf("%d histograms", n)
	}
}
