package bench

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Requests come when they are due, whatever the earlier ones do, and time counts from
// then.
func TestTrafficComesWhetherAnsweredOrNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var open, most atomic.Int64
		traffic := StartTraffic(t.Context(), 10, 20, func(_ context.Context, k int) error {
			most.Store(max(most.Load(), open.Add(1)))
			defer open.Add(-1)
			<-time.After(time.Second)
			if k%4 == 0 {
				return errors.New("refused")
			}
			return nil
		})
		f := traffic.Wait()
		if f.Requests != 20 || f.Failed != 5 || f.Faults == nil || f.took != 2900*time.Millisecond {
			t.Errorf("%s in %v: %v", f, f.took, f.Faults)
		}
		if most.Load() < 10 || f.P50 != 1e9 || f.Max != 1e9 {
			t.Errorf("%d at once; %s", most.Load(), f)
		}
		if m, err := f.metrics(); err == nil {
			t.Errorf("failures are told as %v", m)
		}
	})
}

func TestTrafficIsStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := StartTraffic(t.Context(), 100, 0, func(context.Context, int) error { return nil })
		<-time.After(95 * time.Millisecond)
		if f := traffic.Stop(); f.Requests != 10 || f.Failed != 0 || f.Max != 0 {
			t.Errorf("%s", f)
		}
		if all, failed := traffic.Answered(); all != 10 || failed != 0 {
			t.Errorf("%d answered, %d failed", all, failed)
		}
	})
}
