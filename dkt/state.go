package dkt

import (
	"slices"

	"cohort/dkt/metric"
	"cohort/kernels"
)

// State is where a training stands after a whole step: all that the next step
// depends on beside Config and Data, and the best weights so far.
type State struct {
	Params           *kernels.Params
	Moment1, Moment2 []float32 // Adam's, as Params.Data
	Power1, Power2   float64   // β1^t, β2^t
	Epoch            int       // epochs completed
	Step             int       // steps completed of the epoch under way

	Loss    int64 // summed loss of the epoch under way, fixed point
	Answers int64 // predicted answers of the epoch under way

	Best      *kernels.Params // weights of the best epoch; nil before the first
	BestHash  string
	BestEpoch int // counted from 1
	BestValid metric.Binary
	Mark      float64 // validation AUC that a gain is measured from
	Since     int     // epochs since the last gain above MinDelta

	History []EpochReport
	Done    bool // no step is left
}

// NewState is the beginning of a training.
func NewState(c Config) *State {
	n := c.Shape.ParamCount()
	return &State{
		Params: kernels.InitParams(c.Shape, c.Seed), Moment1: make([]float32, n), Moment2: make([]float32, n),
		Power1: 1, Power2: 1,
	}
}

// Clone is a copy that shares nothing that a step changes.
func (s *State) Clone() *State {
	c := *s
	c.Params = &kernels.Params{Shape: s.Params.Shape, Data: slices.Clone(s.Params.Data)}
	c.Moment1, c.Moment2 = slices.Clone(s.Moment1), slices.Clone(s.Moment2)
	c.History = slices.Clone(s.History)
	return &c // Best is replaced, never changed
}

// Extend takes up a training that ended at the last of fewer epochs than c's: it
// goes on, unless it had stopped early.
func (s *State) Extend(c Config) { s.Done = s.over(c) }

// over reports whether no epoch follows.
func (s *State) over(c Config) bool {
	return s.Epoch >= c.Epochs || c.Patience > 0 && s.Since >= c.Patience
}

// StepReport is what an Observer hears after each step.
type StepReport struct {
	Epoch, Epochs int   // epoch under way, from 1
	Step, Steps   int   // steps completed of it
	Answers       int64 // predicted answers of the step, over all members
	Loss          float64
	Norm          float64 // L2, of the mean gradient before it is clipped; 0: not of this step
}

// EpochReport is what an Observer hears after each epoch. Loss is the mean
// training loss in nats an answer.
type EpochReport struct {
	Epoch   int           `json:"epoch"` // from 1
	Rate    float64       `json:"rate"`
	Loss    float64       `json:"loss"`
	Answers int64         `json:"answers"`
	Valid   metric.Binary `json:"valid"`
	Best    bool          `json:"best"`
}

// Observer follows a training. An error of EpochDone ends it.
type Observer interface {
	StepDone(r StepReport)
	// EpochDone may keep st.Clone(), for a checkpoint; st is at the start of
	// the next epoch, or done.
	EpochDone(r EpochReport, st *State) error
}
