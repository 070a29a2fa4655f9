package input

// addPaces sets bounds at the quantiles of the training answers' known times.
func (f *Fitted) addPaces(a Answers, o Options) error {
	var known []int32
	for h := range a.of(o.Trains) {
		for _, ms := range h.Elapsed {
			if ms > 0 {
				known = append(known, ms)
			}
		}
	}
	if len(known) == 0 {
		return &MissingError{Elapsed, "no training answer has a response time: set data.columns.elapsed"}
	}
	f.Inputs.Paces = bounds(known, o.Paces)
	m := NewMapping(f.Inputs, nil)
	for s := range a.Students {
		h := &a.Students[s]
		h.Pace = make([]uint8, len(h.Skill))
		for k, ms := range h.Elapsed {
			h.Pace[k] = m.Pace(ms)
		}
	}
	return nil
}
