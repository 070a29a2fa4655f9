// Package dkt trains Deep Knowledge Tracing models (Piech et al. 2015):
// embedding, stacked LSTM and a head for the asked skill. It owns the order of
// steps, the optimiser, early stopping and the state to resume from; the
// arithmetic is a Backend's, the sums over members a Reducer's. Nothing here
// reads a clock, and every bit of the result follows from Config and Data.
package dkt

import (
	"errors"
	"fmt"

	"cohort/kernels"
)

// Config is what a training depends on, beside its data.
type Config struct {
	Shape      kernels.Shape
	Dropout    float64 // rate, [0, 1)
	Batch      int     // sequences of an accumulation part
	Accumulate int     // parts of a step; a step is Batch·Accumulate sequences
	Epochs     int     // at most
	Rate       Rate
	Lazy       bool    // Adam on rows of E, Wout and Bout that occur in the step only
	Decay      float64 // AdamW's weight decay; 0 is Adam
	Clip       float64 // global L2 norm; 0 is off
	Patience   int     // epochs without gain before the end; 0 is off
	MinDelta   float64 // least gain in validation AUC that counts
	Seed       uint32
}

// Adam's constants (Kingma and Ba 2015).
const (
	beta1   = 0.9
	beta2   = 0.999
	epsilon = 1e-8
)

// Validate reports every fault.
func (c Config) Validate() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	faults = append(faults, c.Shape.Check())
	need(c.Dropout >= 0 && c.Dropout < 1, "dropout is %g, want 0 to below 1", c.Dropout)
	need(c.Batch >= 1, "batch is %d, want at least 1", c.Batch)
	need(c.Accumulate >= 1, "accumulate is %d, want at least 1", c.Accumulate)
	need(c.Epochs >= 1, "epochs is %d, want at least 1", c.Epochs)
	need(c.Decay >= 0, "weight decay is %g, want at least 0", c.Decay)
	need(c.Clip >= 0, "clip is %g, want at least 0", c.Clip)
	need(c.Patience >= 0, "patience is %d, want at least 0", c.Patience)
	faults = append(faults, c.Rate.Validate())
	return errors.Join(faults...)
}

// Rate is a learning-rate schedule by epoch.
type Rate struct {
	Base   float64 // rate of the first epoch
	Cosine bool    // else constant
	Min    float64 // cosine: rate at the end of a cycle
	Cycle  int     // cosine: epochs of the first cycle
	Mult   int     // cosine: each next cycle is so many times as long; 0 is 1
}

// Validate reports every fault.
func (r Rate) Validate() error {
	var faults []error
	if !(r.Base > 0) {
		faults = append(faults, fmt.Errorf("learning rate is %g, want above 0", r.Base))
	}
	if r.Cosine && (r.Cycle < 1 || r.Mult < 0 || !(r.Min >= 0) || r.Min > r.Base) {
		faults = append(faults, fmt.Errorf("cosine schedule: cycle %d, multiplier %d, least rate %g", r.Cycle, r.Mult, r.Min))
	}
	return errors.Join(faults...)
}

// At is the rate of an epoch, from 0 on. Cosine is SGDR's annealing with warm
// restarts (Loshchilov and Hutter 2017), constant within an epoch.
func (r Rate) At(epoch int) float64 {
	if !r.Cosine {
		return r.Base
	}
	at, cycle := epoch, r.Cycle
	for at >= cycle {
		at -= cycle
		cycle *= max(r.Mult, 1)
	}
	return r.Min + float64((r.Base-r.Min)*float64(0.5*(1+kernels.CosPi(float64(at)/float64(cycle)))))
}
