package wire

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// mostReplicas bounds a deployment.
const mostReplicas = 100

// Check reports every fault of a deployment's settings, its fields below path.
func (s DeploySpec) Check(path string) error {
	var faults []error
	s.check(func(key, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s.%s %s", path, key, fmt.Sprintf(format, args...)))
	})
	return errors.Join(faults...)
}

// check tells each fault with the field that it is in.
func (s DeploySpec) check(at func(key, format string, args ...any)) {
	if s.Replicas < 1 || s.Replicas > mostReplicas {
		at("replicas", "is %d; want 1 to %d", s.Replicas, mostReplicas)
	}
	if s.Strategy != "blue-green" && s.Strategy != "canary" {
		at("strategy", "is %q; want blue-green or canary", s.Strategy)
	}
	if s.Strategy == "canary" && len(s.Canary) == 0 {
		at("canary", "is empty: name the per cent of each step, such as [10, 50]")
	}
	last := 0
	for _, percent := range s.Canary {
		if percent <= last || percent > 99 {
			at("canary", "is %v; want rising per cent from 1 to 99", s.Canary)
			break
		}
		last = percent
	}
	s.checkBounds(at)
}

func (s DeploySpec) checkBounds(at func(key, format string, args ...any)) {
	for _, d := range []struct{ key, value string }{{"hold", s.Hold}, {"for", s.For}} {
		if t, err := time.ParseDuration(d.value); d.value != "" && (err != nil || t <= 0) {
			at(d.key, "%q is no duration such as 30s or 5m", d.value)
		}
	}
	for _, b := range []struct {
		key         string
		value, most float64
	}{{"error_rate", s.ErrorRate, 1}, {"p99_ms", s.P99MS, math.MaxFloat64}, {"calibration", s.Calibration, 1}} {
		switch {
		case !(b.value >= 0): // and not NaN
			at(b.key, "is %v; want 0, which is off, or more", b.value)
		case b.value > b.most:
			at(b.key, "is %v; want %v at most", b.value, b.most)
		}
	}
}

// HoldMS is Hold in milliseconds, 0 where there is none.
func (s DeploySpec) HoldMS() int64 { return milliseconds(s.Hold) }

// ForMS is For in milliseconds, 0 where there is none.
func (s DeploySpec) ForMS() int64 { return milliseconds(s.For) }

func milliseconds(duration string) int64 {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return 0
	}
	return d.Milliseconds()
}
