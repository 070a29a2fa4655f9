package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// mostFaults are the errors that a Traffic keeps in words.
const mostFaults = 5

// Traffic is an open loop: requests come at a steady rate, whether earlier ones are
// answered or not. Time counts from when a request was due, so that one that could
// not be sent in time is as late as its user finds it.
type Traffic struct {
	start time.Time
	stop  context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex // guards below
	ns     []float64
	failed int
	faults []error
}

// StartTraffic asks rate times a second, the kth time for k = 0, 1, …, until n
// requests are asked (0: any number), Stop is called or ctx ends. Requests that are
// on their way then are waited for.
func StartTraffic(ctx context.Context, rate float64, n int, ask func(ctx context.Context, k int) error) *Traffic {
	due, stop := context.WithCancel(ctx)
	t := &Traffic{start: time.Now(), stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(t.ended)
		defer stop()
		t.run(due, rate, n, func(k int) error { return ask(ctx, k) })
	}()
	return t
}

func (t *Traffic) run(due context.Context, rate float64, n int, ask func(k int) error) {
	var wg sync.WaitGroup
	defer wg.Wait()
	wake := time.NewTimer(0)
	defer wake.Stop()
	for k := 0; n == 0 || k < n; k++ {
		at := t.start.Add(time.Duration(float64(k) / rate * float64(time.Second)))
		if left := time.Until(at); left > 0 {
			wake.Reset(left)
			select {
			case <-wake.C:
			case <-due.Done():
			}
		}
		if due.Err() != nil {
			return
		}
		wg.Go(func() {
			err := ask(k)
			t.note(time.Since(at), err)
		})
	}
}

func (t *Traffic) note(d time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ns = append(t.ns, float64(d.Nanoseconds()))
	if err == nil {
		return
	}
	if t.failed++; len(t.faults) < mostFaults {
		t.faults = append(t.faults, err)
	}
}

// Answered is how many requests have come back so far, and how many of them failed.
func (t *Traffic) Answered() (all, failed int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.ns), t.failed
}

// Stop asks no more, waits for what is on its way and sums up.
func (t *Traffic) Stop() Flow {
	t.stop()
	return t.Wait()
}

// Wait waits for the end and sums up.
func (t *Traffic) Wait() Flow {
	<-t.ended
	return t.Sum()
}

// Sum sums up what has come back so far.
func (t *Traffic) Sum() Flow {
	t.mu.Lock()
	ns := slices.Clone(t.ns)
	f := Flow{Requests: len(ns), Failed: t.failed, Faults: errors.Join(t.faults...), took: time.Since(t.start)}
	t.mu.Unlock()
	if f.Requests == 0 {
		return f
	}
	for _, v := range ns {
		f.mean += v / float64(f.Requests)
	}
	slices.Sort(ns)
	f.P50, f.P99, f.Max = sorted(ns, 0.50), sorted(ns, 0.99), sorted(ns, 1)
	return f
}

// Flow sums up a Traffic; times in nanoseconds.
type Flow struct {
	Requests, Failed int
	Faults           error // some of them
	P50, P99, Max    float64
	mean             float64
	took             time.Duration
}

// Rate is how many requests were asked and answered a second.
func (f Flow) Rate() float64 { return float64(f.Requests) / f.took.Seconds() }

func (f Flow) String() string {
	return fmt.Sprintf("%d requests, %d failed, %.0f/s, p50 %.2f ms, p99 %.2f ms, longest %.1f ms", f.Requests, f.Failed, f.Rate(), f.P50/1e6, f.P99/1e6, f.Max/1e6)
}

// metrics are the lines of a benchmark; one failure is the benchmark's.
func (f Flow) metrics() ([]Metric, error) {
	if f.Faults != nil {
		return nil, f.Faults
	}
	return []Metric{{"ns/op", f.mean}, {"requests/s", f.Rate()}, {"p50_us", f.P50 / 1000}, {"p99_us", f.P99 / 1000}}, nil
}
