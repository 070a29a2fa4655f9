package tune

import "encoding/json"

// A Walk is a study as far as results determine it. Whoever asks again and again
// as results come keeps one: it proposes each trial once, and says what
// [Study.Next] says.
type Walk struct {
	Study
	domains  []domain
	trials   int // in all; a grid may have fewer points than the study trials
	bracket  int
	results  map[place]Result
	grid     [][]float64 // the trials of a grid; of another sampler nil
	points   [][]float64 // by number, of the trials proposed so far
	brackets map[int]ladder
}

// Walk begins at no results.
func (s Study) Walk() *Walk {
	w := &Walk{Study: s, domains: s.domains(), trials: s.Trials, results: map[place]Result{}, brackets: map[int]ladder{}}
	if s.Sampler == Grid {
		w.grid = s.gridPoints(w.domains)
		w.trials = min(w.trials, len(w.grid))
	}
	w.bracket = 1
	for range s.Rungs {
		w.bracket = min(w.bracket*max(s.Reduction, 1), max(w.trials, 1))
	}
	return w
}

func (s Study) walk(results []Result) *Walk {
	w := s.Walk()
	w.learn(results)
	return w
}

// learn takes all results, and proposes trials in order of their numbers until
// one waits for another result. Where one that it knew is another now, or none,
// it begins anew. Results of what the study would not have started are not
// looked at: before a study was made longer, its last bracket was shorter.
func (w *Walk) learn(results []Result) {
	known := w.results
	w.results = make(map[place]Result, len(results))
	for _, r := range results {
		at := place{r.Number, r.Rung}
		if old, ok := w.results[at]; !ok || better(old, r) > 0 {
			w.results[at] = r
		}
	}
	for at, r := range known {
		if now, ok := w.results[at]; !ok || now != r {
			w.points, w.brackets = nil, map[int]ladder{}
			break
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
func (w *Walk) seen(n int) ([]observation, bool) {
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
func (w *Walk) end(bracket int) int { return min((bracket+1)*w.bracket, w.trials) }

// ladder is a bracket's; a closed one is remembered.
func (w *Walk) ladder(bracket int) ladder {
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
func (w *Walk) ladders() []ladder {
	var all []ladder
	for b := 0; b*w.bracket < len(w.points); b++ {
		all = append(all, w.ladder(b))
	}
	return all
}

func (w *Walk) action(p place) Action {
	a := Action{Number: p.number, Rung: p.rung, Epochs: w.Epochs, Params: map[string]json.RawMessage{}}
	if p.rung < len(w.Rungs) {
		a.Epochs = w.Rungs[p.rung]
	}
	for k, d := range w.domains {
		a.Params[d.Name] = d.text(w.points[p.number][k])
	}
	return a
}
