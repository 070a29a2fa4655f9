// Package tune searches settings: which trials a study starts, which of them go
// on, and which is best. A study is a pure function of what its trials came to:
// it keeps no state, reads no clock and draws its chance from counters, so it is
// the same whatever machine asks, in whatever order results arrive, and however
// many trials run at once. Values are maximised.
package tune

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Samplers.
const (
	TPE    = "tpe"    // Bergstra et al. 2011, as Optuna's TPESampler by default
	Random = "random" // uniform, in the logarithm where a Param says so
	Grid   = "grid"   // every point once, in an order drawn by the seed
)

// Param is one setting: one of Values, or a number from Low to High.
type Param struct {
	Name      string
	Values    []json.RawMessage
	Low, High float64
	Step      float64 // 0: none; of whole numbers 1
	Log       bool    // even in the logarithm; takes no Step
	Int       bool
}

// Study is a search. Its trials depend on these fields and on results alone.
type Study struct {
	Space   []Param // by Name, ascending
	Sampler string
	Startup int // first trials of TPE, which are random
	Lag     int // trial n is proposed from trials up to n − Lag, so Lag of them run at once
	Seed    uint32
	Trials  int
	// Rungs are epochs, ascending and below Epochs, at which trials are compared.
	// Trials come in brackets of Reduction^len(Rungs); a rung of a bracket closes
	// when all of its trials that got there have ended, and the best one in
	// Reduction of them goes on.
	Rungs     []int
	Reduction int
	Epochs    int // of a trial that gets to the end
}

// Result is what a rung of a trial came to. Failed, or a Value that is not a
// number, is worse than any value.
type Result struct {
	Number, Rung int
	Value        float64
	Failed       bool
}

// Action is to start rung Rung of trial Number, and to train up to Epochs epochs
// in all. Params are by the names of the space.
type Action struct {
	Number, Rung, Epochs int
	Params               map[string]json.RawMessage
}

// Check reports every fault of a study; the methods are for one without.
func (s Study) Check() error {
	var faults []error
	need := func(ok bool, format string, args ...any) {
		if !ok {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	need(slices.Contains([]string{TPE, Random, Grid}, s.Sampler), "sampler is %q, want tpe, random or grid", s.Sampler)
	need(s.Trials >= 1, "trials is %d, want at least 1", s.Trials)
	need(s.Startup >= 0, "startup is %d, want at least 0", s.Startup)
	need(s.Lag >= 1, "lag is %d, want at least 1", s.Lag)
	need(len(s.Rungs) == 0 || s.Reduction >= 2, "reduction is %d, want at least 2", s.Reduction)
	need(len(s.Space) > 0, "the space is empty: there is nothing to search")
	before := 0
	for _, to := range append(slices.Clone(s.Rungs), s.Epochs) {
		need(to > before, "rungs: %d epochs after %d, want ascending numbers from 1 to below epochs", to, before)
		before = to
	}
	return errors.Join(append(faults, s.checkSpace())...)
}

func (s Study) checkSpace() error {
	var faults []error
	before := ""
	for _, p := range s.Space {
		if p.Name <= before {
			faults = append(faults, fmt.Errorf("space: %q after %q, want names ascending", p.Name, before))
		}
		before = p.Name
		if err := p.Check(); err != nil {
			faults = append(faults, err)
		} else if s.Sampler == Grid && newDomain(p).count() == 0 {
			faults = append(faults, fmt.Errorf("space: %s: a grid wants values or a step", p.Name))
		}
	}
	if len(faults) == 0 && s.Sampler == Grid && gridSize(s.domains()) > maxGrid {
		faults = append(faults, fmt.Errorf("space: a grid of more than %d points", maxGrid))
	}
	return errors.Join(faults...)
}
