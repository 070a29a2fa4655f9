package tune_test

import (
	"encoding/json"
	"math"
	"strconv"
	"testing"

	"cohort/dkt/tune"
)

// A problem is a published function to maximise, with its largest value.
type problem struct {
	name  string
	space []tune.Param
	best  float64
	value func(x map[string]float64) float64
}

// problems are minimised in the literature; here their negatives are maximised.
func problems() []problem {
	return []problem{
		{"branin", box(2, -5, 15, func(k int, p *tune.Param) {
			p.Low, p.High = []float64{-5, 0}[k], []float64{10, 15}[k]
		}), -0.39788735772973816, branin},
		{"hartmann6", box(6, 0, 1, nil), 3.322368011391339, hartmann6},
		{"sphere", box(4, -5, 5, nil), 0, func(x map[string]float64) float64 {
			sum := 0.0
			for _, v := range x {
				sum += (v - 1) * (v - 1)
			}
			return -sum
		}},
		{"rosenbrock", box(3, -2, 2, nil), 0, rosenbrock},
		{"mixed", mixedSpace(), 0, mixed},
	}
}

func box(n int, low, high float64, change func(int, *tune.Param)) []tune.Param {
	space := make([]tune.Param, n)
	for k := range space {
		space[k] = tune.Param{Name: "x" + strconv.Itoa(k), Low: low, High: high}
		if change != nil {
			change(k, &space[k])
		}
	}
	return space
}

func branin(x map[string]float64) float64 {
	a, b := x["x0"], x["x1"]
	u := b - 5.1/(4*math.Pi*math.Pi)*a*a + 5/math.Pi*a - 6
	return -(u*u + 10*(1-1/(8*math.Pi))*math.Cos(a) + 10)
}

func rosenbrock(x map[string]float64) float64 {
	v := []float64{x["x0"], x["x1"], x["x2"]}
	sum := 0.0
	for k := range 2 {
		u, w := v[k+1]-v[k]*v[k], 1-v[k]
		sum += 100*u*u + w*w
	}
	return -sum
}

func hartmann6(x map[string]float64) float64 {
	alpha := []float64{1, 1.2, 3, 3.2}
	a := [][]float64{{10, 3, 17, 3.5, 1.7, 8}, {0.05, 10, 17, 0.1, 8, 14}, {3, 3.5, 1.7, 10, 17, 8}, {17, 8, 0.05, 10, 0.1, 14}}
	p := [][]float64{
		{1312, 1696, 5569, 124, 8283, 5886},
		{2329, 4135, 8307, 3736, 1004, 9991},
		{2348, 1451, 3522, 2883, 3047, 6650},
		{4047, 8828, 8732, 5743, 1091, 381},
	}
	sum := 0.0
	for i := range alpha {
		in := 0.0
		for j := range 6 {
			d := x["x"+strconv.Itoa(j)] - 1e-4*p[i][j]
			in += a[i][j] * d * d
		}
		sum += alpha[i] * math.Exp(-in)
	}
	return sum
}

// mixedSpace is like that of a model: a rate, a size, a share and two choices.
func mixedSpace() []tune.Param {
	choices := func(name string, of ...string) tune.Param {
		p := tune.Param{Name: name}
		for _, c := range of {
			p.Values = append(p.Values, json.RawMessage(c))
		}
		return p
	}
	return []tune.Param{
		choices("cell", "0", "1", "2"),
		{Name: "drop", Low: 0, High: 0.6, Step: 0.05},
		{Name: "hidden", Low: 8, High: 512, Log: true, Int: true},
		choices("layers", "1", "2", "3", "4"),
		{Name: "rate", Low: 1e-5, High: 1, Log: true},
		{Name: "window", Low: 10, High: 200, Step: 10, Int: true},
	}
}

func mixed(x map[string]float64) float64 {
	sq := func(v float64) float64 { return v * v }
	return -(0.5*x["cell"] + sq(5*(x["drop"]-0.2)) + sq(math.Log(x["hidden"]/64)) +
		0.3*math.Abs(x["layers"]-2) + sq(math.Log10(x["rate"])+2.5) + sq((x["window"]-100)/60))
}

// numbers are an action's parameters.
func numbers(t testing.TB, a tune.Action) map[string]float64 {
	t.Helper()
	x := map[string]float64{}
	for name, text := range a.Params {
		v, err := strconv.ParseFloat(string(text), 64)
		if err != nil {
			t.Fatalf("%s is %s, no number", name, text)
		}
		x[name] = v
	}
	return x
}

// regret runs a study and says how far from the largest value its best is.
func regret(t testing.TB, p problem, s tune.Study) float64 {
	t.Helper()
	s.Space = p.space
	if err := s.Check(); err != nil {
		t.Fatal(err)
	}
	results := tune.Play(s, func(a tune.Action) float64 { return p.value(numbers(t, a)) })
	_, value, ok := s.Best(results)
	if !ok || len(results) != s.Trials {
		t.Fatalf("%d trials of %d, and a best one: %v", len(results), s.Trials, ok)
	}
	return p.best - value
}
