package tune

import (
	"cmp"
	"slices"
)

// Next lists every rung that results determine, those already started among
// them, by (number, rung). done says that all of them are in results and that no
// other will follow. The caller starts those that it has not.
func (s Study) Next(results []Result) (start []Action, done bool) {
	return s.Walk().Next(results)
}

// Next is that of the study, for all results that there are.
func (w *Walk) Next(results []Result) (start []Action, done bool) {
	w.learn(results)
	done = len(w.points) == w.trials
	for _, l := range w.ladders() {
		done = done && l.closed
		for _, p := range l.started {
			if p.number < len(w.points) {
				start = append(start, w.action(p))
			}
		}
	}
	slices.SortFunc(start, func(a, b Action) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Rung, b.Rung))
	})
	return start, done
}

// Best is the best trial of those that got furthest, and its value there; of
// equals the lowest number. It is not ok while none has ended without failing.
func (s Study) Best(results []Result) (number int, value float64, ok bool) {
	var best Result
	for _, r := range s.ended(results) {
		if !r.fails() && (!ok || better(r, best) < 0) {
			best, ok = r, true
		}
	}
	return best.Number, best.Value, ok
}

// ended are the furthest results of trials, by number.
func (s Study) ended(results []Result) []Result {
	w := s.walk(results)
	var all []Result
	for _, l := range w.ladders() {
		for _, r := range l.ended {
			if r.Number < len(w.points) {
				all = append(all, r)
			}
		}
	}
	slices.SortFunc(all, func(a, b Result) int { return cmp.Compare(a.Number, b.Number) })
	return all
}
