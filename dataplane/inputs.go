package dataplane

// Inputs says how the answers of a shard set carry what a model takes beside
// skill and correctness, so that new answers are read in the same way.
type Inputs struct {
	Names []string `json:"names"` // difficulty, elapsed

	// Of difficulty: an item's, pulled towards its skill's mean by Pull imaginary
	// answers, less that mean. Its level is the number of Levels that it reaches.
	Levels []float64 `json:"levels,omitempty"` // ascending
	Means  []float64 `json:"means,omitempty"`  // of each skill
	Pull   float64   `json:"pull,omitempty"`
	Items  string    `json:"items,omitempty"` // blob: JSON, item → Difficulty

	// Of elapsed, milliseconds, ascending: pace 0 is an unknown response time, 1
	// one below the first bound.
	Paces []int32 `json:"paces,omitempty"`
}

// Difficulty is what training students say of an item.
type Difficulty struct {
	Value   float64 `json:"value"`   // logits; more is harder
	Answers int64   `json:"answers"` // that it was fitted on
}
