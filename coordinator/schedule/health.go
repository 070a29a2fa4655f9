package schedule

import (
	"fmt"

	"cohort/coordinator/wire"
)

// Health is since when versions break their bounds, Unix milliseconds. It is the
// leader's memory: a new leader begins anew.
type Health map[Breach]int64

// Breach is a bound that a version breaks.
type Breach struct {
	Model   string
	Version int
	Bound   string
}

// Less than this says nothing of a version: a bound is then neither broken nor,
// in a row, has it been.
const (
	leastRequests = 10
	leastAnswers  = 100
)

// watch holds the candidate against its bounds.
func (r *rollout) watch(live Live, was, is Health) {
	version := r.candidate()
	if version == 0 {
		return
	}
	stats, ok := live(r.d.Model)[version]
	if !ok {
		return
	}
	wait := r.d.Spec.ForMS()
	for _, b := range breaches(r.d.Spec, stats) {
		key := Breach{Model: r.d.Model, Version: version, Bound: b.bound}
		since, known := was[key]
		if !known {
			since = r.now
		}
		is[key] = since
		if over := r.at(since + wait); r.broken == "" || over && !r.overdue {
			r.broken, r.overdue = b.text+r.lasting(), over
		}
	}
}

// lasting says how long a bound has to be broken.
func (r *rollout) lasting() string {
	if r.d.Spec.For == "" {
		return ""
	}
	return " for " + r.d.Spec.For
}

type breach struct{ bound, text string }

// breaches lists the bounds that a version breaks now.
func breaches(spec wire.DeploySpec, s wire.LiveStats) []breach {
	var broken []breach
	held := func(bound, what string, value, most float64, known bool) {
		if known && most > 0 && value > most {
			broken = append(broken, breach{bound, fmt.Sprintf("%s %.3g is above %.3g", what, value, most)})
		}
	}
	held("error_rate", "its error rate", s.ErrorRate(), spec.ErrorRate, s.Requests >= leastRequests)
	held("p99_ms", "its p99 in ms", s.P99MS, spec.P99MS, s.Requests >= leastRequests)
	held("calibration", "its calibration error", s.Calibration(), spec.Calibration, s.Answers >= leastAnswers)
	return broken
}
