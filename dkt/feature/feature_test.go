package feature_test

import (
	"math"
	"testing"
	"time"

	"cohort/dataplane"
	"cohort/dkt/feature"
	"cohort/kernels"
)

func draw(seed, a, b, c uint32) [4]uint32 { return kernels.Philox([2]uint32{seed, 77}, [4]uint32{a, b, c, 0}) }

func TestScale(t *testing.T) {
	c := feature.NewCollector()
	n := 0
	items, students := 17000, 4000
	b := map[string]float64{}
	for s := range students {
		w := draw(1, uint32(s), 0, 0)
		theta := kernels.Normal(w[0], w[1])
		var ev []dataplane.Event
		for k := range 66 {
			w := draw(1, uint32(s), uint32(k), 1)
			it := int(w[0] % uint32(items))
			v := draw(1, uint32(it), 0, 2)
			bb := 0.5 + 1.5*kernels.Normal(v[0], v[1])
			p := 1 / (1 + math.Exp(bb-theta))
			name := string(rune(it/200+48)) + string(rune(it%200+48))
			b[name] = bb
			ev = append(ev, dataplane.Event{Student: "x", Time: int64(k), Item: name, Skill: "s", Correct: kernels.Uniform(w[1]) < p})
			n++
		}
		c.Add(string(rune(s+1000)), ev)
	}
	now := time.Now()
	rows, fit, err := c.Fit(t.Context(), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	sse, z := 0.0, 0.0
	for _, r := range rows {
		d := r.Difficulty - b[r.Item]
		sse += d * d
		z += d * d / r.Error / r.Error
	}
	t.Log(n, time.Since(now), fit, math.Sqrt(sse/float64(len(rows))), math.Sqrt(z/float64(len(rows))), rows[0])
}
