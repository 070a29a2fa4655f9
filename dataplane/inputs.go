package dataplane

// Inputs says how the answers of a shard set carry what a model takes beside
// skill and correctness, so that new answers are read in the same way. Skills of
// the set are then pairs (skill, level of the item's difficulty), skill by skill.
type Inputs struct {
	Names []string `json:"names"` // difficulty, elapsed

	// Of difficulty. Bounds has a row for each plain skill, ascending: an item's
	// level is the number of bounds that its difficulty, pulled towards Means by
	// Pull imaginary answers, reaches.
	Plain  []string    `json:"plain,omitempty"` // skills before difficulty told them apart
	Means  []float64   `json:"means,omitempty"` // difficulty of the skill's training answers
	Bounds [][]float64 `json:"bounds,omitempty"`
	Pull   float64     `json:"pull,omitempty"`
	Items  string      `json:"items,omitempty"` // blob: JSON, item → Difficulty

	// Of elapsed, milliseconds, ascending: pace 0 is unknown, 1 faster than the
	// first bound.
	Paces []int32 `json:"paces,omitempty"`
}

// Difficulty is what training students say of an item.
type Difficulty struct {
	Value   float64 `json:"value"`   // logits; more is harder
	Answers int64   `json:"answers"` // that it was fitted on
}
