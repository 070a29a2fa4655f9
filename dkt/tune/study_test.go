package tune_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/dkt/tune"
)

type place struct{ number, rung int }

// finish runs a study, all that may run at once at a time.
func finish(t testing.TB, s tune.Study, run func(tune.Action) tune.Result) ([]tune.Action, []tune.Result) {
	t.Helper()
	var results []tune.Result
	ended := map[place]bool{}
	for {
		start, done := s.Next(results)
		if done {
			return start, results
		}
		before := len(results)
		for _, a := range start {
			if at := (place{a.Number, a.Rung}); !ended[at] {
				r := run(a)
				r.Number, r.Rung = a.Number, a.Rung
				results, ended[at] = append(results, r), true
			}
		}
		if len(results) == before {
			t.Fatal("the study waits, and nothing runs")
		}
	}
}

// outcome is what a rung comes to: the same whenever it is asked. One in nine fails.
func outcome(a tune.Action) tune.Result {
	h := uint64(14695981039346656037)
	for _, p := range []string{"cell", "hidden", "rate"} {
		for _, b := range a.Params[p] {
			h = (h ^ uint64(b)) * 1099511628211
		}
	}
	h = (h ^ uint64(a.Epochs)) * 1099511628211
	return tune.Result{Number: a.Number, Rung: a.Rung, Value: float64(h>>40%997)/997 + float64(a.Rung), Failed: h>>32%9 == 0}
}

func anyStudy(r *rapid.T) tune.Study {
	s := tune.Study{
		Sampler: rapid.SampledFrom([]string{tune.TPE, tune.Random, tune.Grid}).Draw(r, "sampler"),
		Startup: rapid.IntRange(0, 6).Draw(r, "startup"), Lag: rapid.IntRange(1, 7).Draw(r, "lag"),
		Seed: rapid.Uint32().Draw(r, "seed"), Trials: rapid.IntRange(1, 24).Draw(r, "trials"),
		Rungs: [][]int{nil, {2}, {1, 3}}[rapid.IntRange(0, 2).Draw(r, "rungs")], Reduction: rapid.IntRange(2, 3).Draw(r, "reduction"),
		Epochs: 9, Space: []tune.Param{mixedSpace()[0], {Name: "hidden", Low: 8, High: 64, Int: true}, {Name: "rate", Low: 1e-4, High: 1, Log: true}},
	}
	if s.Sampler == tune.Grid {
		s.Space = []tune.Param{mixedSpace()[0], {Name: "rate", Low: 0, High: 1, Step: 0.25}}
	}
	return s
}

// arrive runs a study with so many slots; what runs ends in any order.
func arrive(r *rapid.T, s tune.Study, slots int) ([]tune.Action, []tune.Result) {
	var results []tune.Result
	var running []tune.Action
	begun := map[place]bool{}
	for {
		start, done := s.Next(results)
		if done {
			return start, results
		}
		for _, a := range start {
			if at := (place{a.Number, a.Rung}); !begun[at] && len(running) < slots {
				running, begun[at] = append(running, a), true
			}
		}
		if len(running) == 0 {
			r.Fatalf("nothing runs, and the study is not done: %+v", results)
		}
		k := rapid.IntRange(0, len(running)-1).Draw(r, "ends")
		results = append(results, outcome(running[k]))
		running = append(running[:k], running[k+1:]...)
	}
}

// However many slots there are, and in whatever order trials end, the trials are
// the same, and so is the best.
func TestAStudyIsTheSameWhateverRunsWhen(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := anyStudy(r)
		if err := s.Check(); err != nil {
			r.Fatal(err)
		}
		want, results := arrive(r, s, 1)
		got, others := arrive(r, s, rapid.IntRange(2, 8).Draw(r, "slots"))
		if d := cmp.Diff(want, got); d != "" {
			r.Fatal(d)
		}
		n, v, ok := s.Best(results)
		if m, u, also := s.Best(others); m != n || u != v || also != ok {
			r.Fatalf("best is %d (%g, %v), and with more slots %d (%g, %v)", n, v, ok, m, u, also)
		}
		if d := cmp.Diff(s.Importance(results), s.Importance(others)); d != "" {
			r.Fatal(d)
		}
		if at := rapid.IntRange(0, len(others)).Draw(r, "part"); true {
			part, done := s.Next(others[:at])
			if done != (at == len(others)) {
				r.Fatalf("done is %v with %d of %d results", done, at, len(others))
			}
			isPart(r, want, part)
		}
	})
}

// A walk that is kept says what a new one says, though a result is taken back or
// becomes another, as when a trial is run again.
func TestAWalkSaysWhatTheStudySays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := anyStudy(r)
		_, all := arrive(r, s, rapid.IntRange(1, 8).Draw(r, "slots"))
		w := s.Walk()
		for range 20 {
			now := slices.Clone(all[:rapid.IntRange(0, len(all)).Draw(r, "there")])
			if len(now) > 0 && rapid.Bool().Draw(r, "again") {
				now[rapid.IntRange(0, len(now)-1).Draw(r, "which")].Value += 0.25
			}
			start, done := s.Next(now)
			also, ended := w.Next(now)
			if d := cmp.Diff(start, also); d != "" || done != ended {
				r.Fatal(done, ended, d)
			}
		}
	})
}

// isPart demands that what was started early is of what a study comes to.
func isPart(r *rapid.T, whole, part []tune.Action) {
	all := map[place]tune.Action{}
	for _, a := range whole {
		all[place{a.Number, a.Rung}] = a
	}
	for _, a := range part {
		if d := cmp.Diff(all[place{a.Number, a.Rung}], a); d != "" {
			r.Fatalf("trial %d rung %d: %s", a.Number, a.Rung, d)
		}
	}
}

// A study made longer keeps its trials, and is as one that was so long at first.
func TestALongerStudyGoesOn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := anyStudy(r)
		_, results := arrive(r, s, 3)
		s.Trials += rapid.IntRange(1, 9).Draw(r, "more")
		fresh, want := arrive(r, s, 1)
		old := map[place]bool{}
		for _, x := range results {
			old[place{x.Number, x.Rung}] = true
		}
		for done := false; !done; {
			var start []tune.Action
			start, done = s.Next(results)
			for _, a := range start {
				if at := (place{a.Number, a.Rung}); !old[at] {
					results, old[at] = append(results, outcome(a)), true
				}
			}
		}
		got, _ := s.Next(results)
		if d := cmp.Diff(fresh, got); d != "" {
			r.Fatal(d)
		}
		n, v, _ := s.Best(want)
		if m, u, _ := s.Best(results); m != n || u != v {
			r.Fatalf("best is %d (%g), want %d (%g)", m, u, n, v)
		}
	})
}

// Nine trials, two rungs, one in three goes on; what a rung waits for is told by
// its bracket alone.
func TestRungsCloseByBracket(t *testing.T) {
	t.Parallel()
	s := tune.Study{
		Sampler: tune.Random, Lag: 4, Trials: 10, Rungs: []int{1, 3}, Reduction: 3, Epochs: 9,
		Space: []tune.Param{{Name: "rate", Low: 0, High: 1}},
	}
	value := []float64{0.5, 0.9, 0.1, math.NaN(), 0.9, 0.8, 0.2, 0.95, 0.4, 0.3}
	var results []tune.Result
	at := func() string {
		start, done := s.Next(results)
		var text []string
		for _, a := range start {
			if a.Rung > 0 || len(results) == 0 {
				text = append(text, strings.Repeat("'", a.Rung)+string(rune('0'+a.Number))+map[int]string{1: "", 3: "", 9: "."}[a.Epochs])
			}
		}
		if done {
			text = append(text, "done")
		}
		return strings.Join(text, " ")
	}
	ends := func(rung int, numbers ...int) {
		for _, n := range numbers {
			results = append(results, tune.Result{Number: n, Rung: rung, Value: value[n], Failed: n == 7})
		}
	}
	step := func(name, want string) {
		t.Helper()
		if got := at(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	step("at first", "0 1 2 3")
	ends(0, 8, 7, 6, 5, 4, 3, 2, 1)
	step("trial 0 still runs", "")
	ends(0, 0)
	step("the first rung is closed", "'1 '4 '5")
	value[1] = 0.1
	ends(1, 4, 1)
	step("trial 5 still runs", "'1 '4 '5")
	ends(1, 5)
	step("the second is closed", "'1 '4 ''4. '5")
	ends(0, 9)
	step("a bracket of one", "'1 '4 ''4. '5 '9")
	ends(1, 9)
	ends(2, 9)
	step("all but the first bracket's best", "'1 '4 ''4. '5 '9 ''9.")
	if n, v, ok := s.Best(results); n != 9 || v != 0.3 || !ok {
		t.Errorf("best is %d, %g, %v: want the one that got furthest", n, v, ok)
	}
	ends(2, 4)
	step("the end", "'1 '4 ''4. '5 '9 ''9. done")
	if n, v, ok := s.Best(results); n != 4 || v != 0.9 || !ok {
		t.Errorf("best is %d, %g, %v", n, v, ok)
	}
}

func TestAStudyOfFailuresEnds(t *testing.T) {
	t.Parallel()
	s := tune.Study{Sampler: tune.TPE, Lag: 2, Trials: 11, Rungs: []int{1}, Reduction: 3, Epochs: 2, Space: mixedSpace()}
	_, results := finish(t, s, func(tune.Action) tune.Result { return tune.Result{Failed: true} })
	if _, _, ok := s.Best(results); ok || len(results) != 11 {
		t.Errorf("%d results, and a best among them: %v", len(results), ok)
	}
}

func TestFaultyStudiesAreRefused(t *testing.T) {
	t.Parallel()
	good := tune.Study{Sampler: tune.TPE, Lag: 1, Trials: 3, Rungs: []int{1, 2}, Reduction: 2, Epochs: 4, Space: mixedSpace()}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	param := func(p tune.Param) func(*tune.Study) { return func(s *tune.Study) { s.Space = []tune.Param{p} } }
	for want, change := range map[string]func(*tune.Study){
		`sampler is "cma"`:             func(s *tune.Study) { s.Sampler = "cma" },
		"trials is 0":                  func(s *tune.Study) { s.Trials = 0 },
		"lag is 0":                     func(s *tune.Study) { s.Lag = 0 },
		"startup is -1":                func(s *tune.Study) { s.Startup = -1 },
		"reduction is 1":               func(s *tune.Study) { s.Reduction = 1 },
		"4 epochs after 4":             func(s *tune.Study) { s.Rungs = []int{1, 4} },
		"rungs: 0 epochs after 0":      func(s *tune.Study) { s.Rungs = []int{0, 2} },
		"the space is empty":           func(s *tune.Study) { s.Space = nil },
		`"cell" after "drop"`:          func(s *tune.Study) { s.Space = []tune.Param{mixedSpace()[1], mixedSpace()[0]} },
		"a grid wants values":          func(s *tune.Study) { s.Sampler = tune.Grid },
		"a range from 2 to 1":          param(tune.Param{Name: "x", Low: 2, High: 1}),
		"a range from NaN":             param(tune.Param{Name: "x", Low: math.NaN(), High: 1}),
		"a logarithm of a range":       param(tune.Param{Name: "x", High: 1, Log: true}),
		"a step in a logarithm":        param(tune.Param{Name: "x", Low: 1, High: 4, Step: 2, Log: true, Int: true}),
		"whole numbers from 0.5":       param(tune.Param{Name: "x", Low: 0.5, High: 4, Int: true}),
		"a step of -1":                 param(tune.Param{Name: "x", Low: 1, High: 4, Step: -1}),
		"more than 2^31 steps":         param(tune.Param{Name: "x", Low: 0.001, High: 0.1, Step: 1e-20}),
		"values, and a range":          param(tune.Param{Name: "x", Values: mixedSpace()[0].Values, High: 4}),
		"a grid of more than 1048576":  func(s *tune.Study) { s.Sampler, s.Space = tune.Grid, wholes(7) },
		"a grid of more than 1048576 ": func(s *tune.Study) { s.Sampler, s.Space = tune.Grid, wholes(40) },
	} {
		s := good
		change(&s)
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v", want, err)
		}
	}
}

// wholes is a space of so many settings of ten values.
func wholes(n int) []tune.Param {
	return box(n, 1, 10, func(k int, p *tune.Param) { p.Name, p.Int = "x"+string(rune('A'+k)), true })
}
