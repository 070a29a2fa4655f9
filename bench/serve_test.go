package bench

import (
	"context"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cohort/kernels"
)

// Whenever it is called off, a bench of serving leaves nothing running.
func TestABenchOfServingThatIsCalledOffEnds(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(),
		goleak.IgnoreTopFunction("github.com/hashicorp/raft.(*deferError).Error"), // of a command that raft's end overtook
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
	a := Asked{Shape: kernels.Shape{Skills: 5, Hidden: 8, Layers: 1}, Length: 10, Lanes: 1}
	for _, after := range []time.Duration{0, 50 * time.Millisecond, 300 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		s, err := NewServing(ctx, a)
		cancel()
		if err == nil { // it was quicker
			err = s.Close()
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %v: %v", after, err)
		}
	}
}
