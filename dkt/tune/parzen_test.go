package tune

import (
	"encoding/json"
	"math"
	"testing"
)

func TestErfIsWithinItsError(t *testing.T) {
	t.Parallel()
	for x := -7.0; x <= 7; x += 0.00173 {
		if d := math.Abs(erf(x) - math.Erf(x)); !(d < 1e-14) {
			t.Fatalf("erf(%g) is off by %g", x, d)
		}
	}
}

// The probabilities of a mixture come to one, and draws follow them.
func TestMixturesOfFewValuesAreDistributions(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Param{
		"steps":  {Low: 2, High: 21, Step: 2, Int: true},
		"choice": {Values: make([]json.RawMessage, 4)},
	} {
		d := newDomain(p)
		for _, places := range [][]int{nil, {0}, {3, 3, 1, 0, 2, 2, 3}} {
			var observed []float64
			for _, k := range places {
				observed = append(observed, d.at(k))
			}
			m := newParzen(d, observed)
			const draws = 20000
			count := map[float64]int{}
			c := newStream(1, len(places), name)
			for range draws {
				count[m.draw(c)]++
			}
			sum := 0.0
			for k := range d.count() {
				x := d.at(k)
				sum += m.density(x)
				if got, want := float64(count[x])/draws, m.density(x); math.Abs(got-want) > 0.015 {
					t.Errorf("%s, %d observations: %g is drawn with %g, want %g", name, len(places), x, got, want)
				}
			}
			if math.Abs(sum-1) > 1e-9 {
				t.Errorf("%s, %d observations: probabilities come to %g", name, len(places), sum)
			}
		}
	}
}

func TestDensitiesComeToOne(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Param{"even": {Low: -1, High: 3}, "log": {Low: 1e-3, High: 10, Log: true}} {
		d := newDomain(p)
		m := newParzen(d, []float64{0.5, 0.6, 2, d.High})
		const parts = 20000
		sum := 0.0
		for k := range parts {
			x := d.from + (d.to-d.from)*(float64(k)+0.5)/parts
			sum += m.density(d.value(x)) * (d.to - d.from) / parts / math.Sqrt(2*math.Pi)
		}
		if math.Abs(sum-1) > 1e-6 {
			t.Errorf("%s: densities come to %g", name, sum)
		}
	}
}

// What Optuna 4.5's _ParzenEstimator gives for the same observations.
func TestDensitiesAreOptunas(t *testing.T) {
	t.Parallel()
	root := math.Sqrt(2 * math.Pi)
	for name, c := range map[string]struct {
		of       Param
		observed []float64
		want     map[float64]float64
		factor   float64
	}{
		"float":  {Param{High: 10}, []float64{1, 9, 9.5, 2}, map[float64]float64{1: 0.12363197302096063, 4: 0.07832974016835918}, root},
		"int":    {Param{Low: 2, High: 20, Step: 2, Int: true}, []float64{4, 4, 20, 10, 2}, map[float64]float64{4: 0.17915087930337856, 10: 0.08457939332831493}, 1},
		"logint": {Param{Low: 1, High: 100, Log: true, Int: true}, []float64{1, 7, 50}, map[float64]float64{4: 0.20649920085179832, 10: 0.20801333893953872}, root},
		"log":    {Param{Low: 1e-3, High: 10, Log: true}, []float64{0.5}, map[float64]float64{1: 0.13263288966234735, 4: 0.11566079575062208}, root},
		"choice": {Param{Values: make([]json.RawMessage, 3)}, []float64{0, 0, 2}, map[float64]float64{0: 0.47619047619047616, 1: 0.19047619047619047, 2: 0.3333333333333333}, 1},
	} {
		m := newParzen(newDomain(c.of), c.observed)
		for x, want := range c.want {
			if got := m.density(x) / c.factor; math.Abs(got-want) > 1e-12 {
				t.Errorf("%s: density of %g is %.17g, want %.17g", name, x, got, want)
			}
		}
	}
}

// As Optuna's default_weights, and the prior with the weight 1.
func TestOldObservationsCountLess(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]map[int]float64{
		3: {0: 1, 2: 1}, 25: {0: 1}, 26: {0: 1. / 26, 1: 1}, 30: {0: 1. / 30, 1: 1./30 + 29./120, 4: 1, 29: 1},
	} {
		w := weights(n)
		for k, x := range want {
			if got := w[k] / w[n]; math.Abs(got-x) > 1e-12 {
				t.Errorf("%d observations: weight %d is %g, want %g", n, k, got, x)
			}
		}
	}
}
