package tune

// Play runs a study without rungs, as Next would have it trial by trial, but
// proposes each trial once.
func Play(s Study, value func(Action) float64) []Result {
	var results []Result
	for w := s.walk(nil); len(results) < len(w.points); {
		fresh := w.points[len(results):]
		from := len(results)
		for k := range fresh {
			results = append(results, Result{Number: from + k, Value: value(w.action(place{from + k, 0}))})
		}
		w.learn(results)
	}
	return results
}
