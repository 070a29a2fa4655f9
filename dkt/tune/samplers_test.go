package tune_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/dkt/tune"
)

// In the median over seeds TPE comes nearer to the optimum than chance does.
func TestTPEIsBetterThanChance(t *testing.T) {
	t.Parallel()
	const seeds = 21
	for _, p := range problems() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			median := map[string]float64{}
			for _, sampler := range []string{tune.TPE, tune.Random} {
				var all []float64
				for seed := range uint32(seeds) {
					r := regret(t, p, tune.Study{Sampler: sampler, Startup: 10, Lag: 2, Seed: seed, Trials: 60, Epochs: 1})
					if !(r > -1e-9) {
						t.Fatalf("seed %d: regret %g: the optimum is not what it is said to be", seed, r)
					}
					all = append(all, r)
				}
				slices.Sort(all)
				median[sampler] = all[seeds/2]
			}
			t.Logf("median regret: tpe %.4g, random %.4g", median[tune.TPE], median[tune.Random])
			if !(median[tune.TPE] < 0.8*median[tune.Random]) {
				t.Errorf("median regret of tpe %g, of random %g", median[tune.TPE], median[tune.Random])
			}
		})
	}
}

// Play is what the other tests of samplers run; Next is what runs.
func TestPlayIsWhatNextWouldStart(t *testing.T) {
	t.Parallel()
	s := tune.Study{Sampler: tune.TPE, Startup: 4, Lag: 3, Seed: 8, Trials: 25, Epochs: 1, Space: mixedSpace()}
	value := func(a tune.Action) float64 { return mixed(numbers(t, a)) }
	_, want := finish(t, s, func(a tune.Action) tune.Result { return tune.Result{Value: value(a)} })
	if d := cmp.Diff(want, tune.Play(s, value)); d != "" {
		t.Error(d)
	}
}

func TestAGridIsEveryPointOnce(t *testing.T) {
	t.Parallel()
	s := tune.Study{Sampler: tune.Grid, Lag: 3, Seed: 5, Trials: 1000, Epochs: 1, Space: []tune.Param{
		mixedSpace()[0], {Name: "drop", Low: 0, High: 0.3, Step: 0.1}, {Name: "hidden", Low: 3, High: 7, Int: true, Log: true},
	}}
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	start, results := finish(t, s, func(tune.Action) tune.Result { return tune.Result{} })
	seen, drops := map[string]bool{}, map[string]bool{}
	for _, a := range start {
		seen[string(a.Params["cell"])+" "+string(a.Params["drop"])+" "+string(a.Params["hidden"])] = true
		drops[string(a.Params["drop"])] = true
	}
	if len(start) != 3*4*5 || len(seen) != len(start) || len(results) != len(start) {
		t.Errorf("%d trials, %d of them different, want 60", len(start), len(seen))
	}
	for _, want := range []string{"0", "0.1", "0.2", "0.3"} {
		if !drops[want] {
			t.Errorf("no trial with drop %s in %v", want, drops)
		}
	}
}

// Every value is one of its domain, and both ends are met.
func TestValuesAreOfTheirDomains(t *testing.T) {
	t.Parallel()
	space := []tune.Param{
		{Name: "even", Low: 2, High: 9, Step: 2, Int: true},
		{Name: "log", Low: 1e-4, High: 1e-2, Log: true},
		{Name: "one", Low: 3, High: 3},
		{Name: "size", Low: 1, High: 5, Log: true, Int: true},
	}
	for _, sampler := range []string{tune.TPE, tune.Random} {
		s := tune.Study{Sampler: sampler, Lag: 1, Startup: 20, Trials: 60, Epochs: 1, Space: space}
		start, _ := finish(t, s, func(a tune.Action) tune.Result { return tune.Result{Value: -numbers(t, a)["log"]} })
		even, size := map[float64]int{}, map[float64]int{}
		for _, a := range start {
			x := numbers(t, a)
			even[x["even"]]++
			size[x["size"]]++
			if !(x["log"] >= 1e-4 && x["log"] <= 1e-2) || x["one"] != 3 {
				t.Errorf("%s: %s", sampler, a.Params)
			}
		}
		if len(even) != 4 || even[2] == 0 || even[8] == 0 {
			t.Errorf("%s: even numbers from 2 to 9: %v", sampler, even)
		}
		if len(size) != 5 || size[1] == 0 || size[5] == 0 {
			t.Errorf("%s: sizes from 1 to 5: %v", sampler, size)
		}
	}
}

// A setting's random values are its own: another setting does not move them.
func TestASettingBesideItDoesNotMoveADraw(t *testing.T) {
	t.Parallel()
	s := tune.Study{Sampler: tune.Random, Lag: 8, Seed: 9, Trials: 8, Epochs: 1, Space: mixedSpace()}
	both, _ := s.Next(nil)
	s.Space = s.Space[4:5]
	alone, _ := s.Next(nil)
	s.Seed++
	other, _ := s.Next(nil)
	for k, a := range alone {
		if string(a.Params["rate"]) != string(both[k].Params["rate"]) || string(a.Params["rate"]) == string(other[k].Params["rate"]) {
			t.Errorf("trial %d: %s alone, %s with others, %s of another seed", k, a.Params["rate"], both[k].Params["rate"], other[k].Params["rate"])
		}
	}
}

func TestImportanceFindsWhatMatters(t *testing.T) {
	t.Parallel()
	s := tune.Study{Sampler: tune.Random, Lag: 200, Trials: 200, Epochs: 1, Space: mixedSpace()}
	_, results := finish(t, s, func(a tune.Action) tune.Result {
		x := numbers(t, a)
		return tune.Result{Value: 3*math.Log10(x["rate"]) + 4*x["cell"]}
	})
	got := s.Importance(results)
	// The variances are 9·25/12 and 16·2/3.
	if rate, cell := got["rate"], got["cell"]; math.Abs(rate-0.637) > 0.1 || math.Abs(cell-0.363) > 0.1 {
		t.Errorf("rate %g, cell %g, want 0.64 and 0.36", rate, cell)
	}
	for _, name := range []string{"drop", "hidden", "layers", "window"} {
		if got[name] > 0.06 || got[name] < 0 {
			t.Errorf("%s: %g, want about 0", name, got[name])
		}
	}
	for k := range results {
		results[k].Value = 1
	}
	for name, v := range s.Importance(results) {
		if v != 0 {
			t.Errorf("equal values: importance of %s is %g", name, v)
		}
	}
}

// Studies are the same on every machine, and of every version: a study that was
// begun by one binary goes on with the next. Values are whole numbers of text,
// since math differs between machines.
func TestStudiesAreAsTheyWere(t *testing.T) {
	t.Parallel()
	for sampler, want := range map[string]string{
		tune.TPE: "db1cb3fb817c2827", tune.Random: "6c8dc5f384957ca4", tune.Grid: "0d88e34286298a77",
	} {
		s := tune.Study{Sampler: sampler, Startup: 6, Lag: 2, Seed: 3, Trials: 40, Rungs: []int{1, 3}, Reduction: 3, Epochs: 9, Space: mixedSpace()}
		if sampler == tune.Grid {
			s.Space = s.Space[:2]
		}
		start, results := finish(t, s, func(a tune.Action) tune.Result {
			r := outcome(a)
			r.Value = math.Floor(r.Value * 1e6)
			return r
		})
		text, err := json.Marshal(start)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(append(text, fmt.Sprint(results)...))
		if got := hex.EncodeToString(sum[:8]); got != want {
			t.Errorf("%s: %s, want %s", sampler, got, want)
		}
	}
}
