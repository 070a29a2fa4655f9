package tune

import "encoding/json"

// A walk is a study as far as results determine it.
type walk struct {
	Study
	domains  []domain
	trials   int // in all; a grid may have fewer points than the study trials
	bracket  int
	results  map[place]Result
	grid     [][]float64 // the trials of a grid; of another sampler nil
	points   [][]float64 // by number, of the trials proposed so far
	brackets map[int]ladder
}

func (s Study) walk(results []Result) *walk {
	w := &walk{Study: s, domains: s.domains(), trials: s.Trials, results: map[place]Result{}, brackets: map[int]ladder{}}
	if s.Sampler == Grid {
		w.grid = s.gridPoints(w.domains)
		w.trials = min(w.trials, len(w.grid))
	}
	w.bracket = 1
	for range s.Rungs {
		w.bracket = min(w.bracket*max(s.Reduction, 1), max(w.trials, 1))
	}
	w.learn(results)
	return w
}

// learn takes results, and proposes trials in order of their numbers until one
// waits for another result. Results of what the study would not have started are
// not looked at: before a study was made longer, its last bracket was shorter.
func (w *walk) learn(results []Result) {
	for _, r := range results {
		at := place{r.Number, r.Rung}
		if old, ok := w.results[at]; !ok || better(old, r) > 0 {
			w.results[at] = r
		}
	}
	for n := len(w.points); n < w.trials; n++ {
		seen, ok := w.seen(n)
		if !ok {
			return
		}
		if w.grid != nil {
			w.points = append(w.points, w.grid[n])
		} else {
			w.points = append(w.points, w.propose(n, w.domains, seen, w.points[len(seen):]))
		}
	}
}

// seen is what trial n is proposed from, if it is there: of trials up to n − Lag
// the end, where it is that of their whole bracket, else the first rung.
func (w *walk) seen(n int) ([]observation, bool) {
	last := n - max(w.Lag, 1)
	var all []observation
	for m := 0; m <= last; m++ {
		o := observation{point: w.points[m]}
		if end := w.end(m / w.bracket); end <= last+1 {
			l := w.ladder(m / w.bracket)
			if !l.closed {
				return nil, false
			}
			o.Result = l.ended[m]
		} else {
			r, ok := w.results[place{m, 0}]
			if !ok {
				return nil, false
			}
			o.Result = r
		}
		all = append(all, o)
	}
	return all, true
}

// end is the number after the last trial of a bracket.
func (w *walk) end(bracket int) int { return min((bracket+1)*w.bracket, w.trials) }

// ladder is a bracket's; a closed one is remembered.
func (w *walk) ladder(bracket int) ladder {
	if l, ok := w.brackets[bracket]; ok {
		return l
	}
	var members []int
	for n := bracket * w.bracket; n < w.end(bracket); n++ {
		members = append(members, n)
	}
	l := climb(members, w.results, w.Reduction, len(w.Rungs))
	if l.closed {
		w.brackets[bracket] = l
	}
	return l
}

// ladders are those of all brackets with a trial that is proposed.
func (w *walk) ladders() []ladder {
	var all []ladder
	for b := 0; b*w.bracket < len(w.points); b++ {
		all = append(all, w.ladder(b))
	}
	return all
}

func (w *walk) action(p place) Action {
	a := Action{Number: p.number, Rung: p.rung, Epochs: w.Epochs, Params: map[string]json.RawMessage{}}
	if p.rung < len(w.Rungs) {
		a.Epochs = w.Rungs[p.rung]
	}
	for k, d := range w.domains {
		a.Params[d.Name] = d.text(w.points[p.number][k])
	}
	return a
}
