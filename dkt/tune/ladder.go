package tune

import "slices"

// place is a rung of a trial.
type place struct{ number, rung int }

// A ladder is how far the trials of a bracket got: successive halving (Jamieson
// and Talwalkar 2016), rung by rung.
type ladder struct {
	started []place        // in order of rungs
	ended   map[int]Result // by number: the furthest rung that it ended
	closed  bool           // nothing is left to start or to wait for
}

// climb decides a bracket of trials from results. keep is the reduction, top the
// last rung.
func climb(members []int, results map[place]Result, keep, top int) ladder {
	l := ladder{ended: map[int]Result{}}
	for rung := 0; rung <= top; rung++ {
		var here []Result
		for _, n := range members {
			l.started = append(l.started, place{n, rung})
			if r, ok := results[place{n, rung}]; ok {
				here = append(here, r)
				l.ended[n] = r
			}
		}
		if len(here) < len(members) {
			return l
		}
		members = winners(here, keep)
	}
	l.closed = true
	return l
}

// winners are the best one in keep, at least one, by number. None that failed
// goes on.
func winners(here []Result, keep int) []int {
	slices.SortFunc(here, better)
	var out []int
	for _, r := range here[:min(len(here), max(len(here)/max(keep, 1), 1))] {
		if !r.fails() {
			out = append(out, r.Number)
		}
	}
	slices.Sort(out)
	return out
}
