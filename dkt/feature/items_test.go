package feature_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/dataplane"
	"cohort/dkt/feature"
	"cohort/dkt/simulate"
	"cohort/kernels"
)

// class is a Rasch world: abilities from N(0, sd²), difficulties from N(mean, spread²).
type class struct {
	students, items, answers int
	sd, mean, spread         float64
	seed                     uint32
}

func (c class) words(a, b, purpose uint32) [4]uint32 {
	return kernels.Philox([2]uint32{c.seed, 77}, [4]uint32{a, b, purpose, 0})
}

func (c class) difficulty(item int) float64 {
	w := c.words(uint32(item), 0, 0)
	return c.mean + c.spread*kernels.Normal(w[0], w[1])
}

// student draws one student's answers to items of his own choice.
func (c class) student(s int) (id string, events []dataplane.Event) {
	w := c.words(uint32(s), 0, 1)
	theta := c.sd * kernels.Normal(w[0], w[1])
	id = fmt.Sprintf("s%05d", s)
	for k := range c.answers {
		w := c.words(uint32(s), uint32(k), 2)
		item := int(w[0] % uint32(c.items))
		p := 1 / (1 + math.Exp(c.difficulty(item)-theta))
		events = append(events, dataplane.Event{
			Student: id, Time: int64(k), Item: fmt.Sprintf("i%05d", item), Skill: "k", Correct: kernels.Uniform(w[1]) < p, Elapsed: int64(w[2] % 5000),
		})
	}
	return id, events
}

func fit(t testing.TB, c *feature.Collector) ([]feature.ItemRow, feature.Fit) {
	t.Helper()
	rows, f, err := c.Fit(t.Context(), func(int) {})
	if err != nil {
		t.Fatal(err)
	}
	return rows, f
}

func TestDifficultiesAreRecovered(t *testing.T) {
	for name, c := range map[string]struct {
		class
		rmse, correlation float64
	}{
		"many_answers": {class{600, 40, 40, 1, 0.5, 1.2, 1}, 0.12, 0.995},
		"few_answers":  {class{1500, 300, 8, 1, -0.4, 0.8, 2}, 0.42, 0.87},
		"able_group":   {class{800, 100, 60, 1.5, 1, 1, 3}, 0.18, 0.985},
	} {
		t.Run(name, func(t *testing.T) {
			all := feature.NewCollector()
			for s := range c.students {
				all.Add(c.student(s))
			}
			rows, f := fit(t, all)
			var truth, found []float64
			var squares, scaled float64
			for _, r := range rows {
				var item int
				if _, err := fmt.Sscanf(r.Item, "i%d", &item); err != nil {
					t.Fatal(err)
				}
				d := r.Difficulty - c.difficulty(item)
				truth, found = append(truth, c.difficulty(item)), append(found, r.Difficulty)
				squares += d * d
				scaled += d * d / (r.Error * r.Error)
			}
			n := float64(len(rows))
			rmse, z, corr := math.Sqrt(squares/n), math.Sqrt(scaled/n), correlation(truth, found)
			t.Logf("%+v: rmse %.3f, correlation %.4f, errors of %.2f standard errors", f, rmse, corr, z)
			if rmse > c.rmse || corr < c.correlation {
				t.Errorf("rmse %.3f, want at most %g; correlation %.4f, want at least %g", rmse, c.rmse, corr, c.correlation)
			}
			if z < 0.8 || z > 1.35 {
				t.Errorf("errors are %.2f standard errors", z)
			}
			if !f.Converged || math.Abs(f.AbilitySD-c.sd) > 0.15*c.sd || math.Abs(f.DifficultyMean-c.mean) > 0.25 {
				t.Errorf("fit %+v", f)
			}
		})
	}
}

func correlation(x, y []float64) float64 {
	var mx, my, xx, yy, xy float64
	for k := range x {
		mx, my = mx+x[k]/float64(len(x)), my+y[k]/float64(len(y))
	}
	for k := range x {
		xx, yy, xy = xx+(x[k]-mx)*(x[k]-mx), yy+(y[k]-my)*(y[k]-my), xy+(x[k]-mx)*(y[k]-my)
	}
	return xy / math.Sqrt(xx*yy)
}

// marginal is the log posterior of difficulties given the deviations that a fit
// ended at: a fine fixed grid, Go's own math, nothing shared with the fit.
func marginal(b []float64, answers [][]int, f feature.Fit) float64 {
	const steps, width = 240, 9.0
	total := 0.0
	for _, d := range b {
		z := (d - f.DifficultyMean) / f.DifficultySD
		total -= z * z / 2
	}
	for _, own := range answers {
		sum := 0.0
		for k := range steps {
			theta := -width + 2*width*(float64(k)+0.5)/steps
			l := math.Exp(-theta * theta / (2 * f.AbilitySD * f.AbilitySD))
			for item, u := range own {
				p := 1 / (1 + math.Exp(b[item]-theta))
				switch u {
				case 1:
					l *= p
				case 0:
					l *= 1 - p
				}
			}
			sum += l
		}
		total += math.Log(sum)
	}
	return total
}

// TestATinyFitIsAtTheTop climbs the same function by hand, item by item.
func TestATinyFitIsAtTheTop(t *testing.T) {
	answers := [][]int{ // −1: not asked
		{1, 1, 0, 0}, {1, 0, 0, -1}, {1, 1, 1, 0}, {0, 1, 0, 0}, {1, 1, 1, 1}, {1, 0, 1, 0}, {0, 0, 0, 0}, {1, -1, 0, -1},
	}
	all := feature.NewCollector()
	for s, own := range answers {
		var events []dataplane.Event
		for item, u := range own {
			if u >= 0 {
				events = append(events, dataplane.Event{Time: int64(item), Item: fmt.Sprint(item), Skill: "k", Correct: u == 1})
			}
		}
		all.Add(fmt.Sprint(s), events)
	}
	rows, f := fit(t, all)
	b := make([]float64, len(rows))
	for range 15 {
		for item := range b {
			low, high := b[item]-1, b[item]+1
			for range 25 { // golden section would be quicker; thirds are plainer
				x, y := low+(high-low)/3, high-(high-low)/3
				b[item] = x
				at := marginal(b, answers, f)
				if b[item] = y; marginal(b, answers, f) > at {
					low = x
				} else {
					high = y
				}
			}
			b[item] = (low + high) / 2
		}
		if t.Context().Err() != nil {
			return
		}
	}
	for k, r := range rows {
		if math.Abs(r.Difficulty-b[k]) > 2e-3 {
			t.Errorf("item %s: %.5f, by hand %.5f", r.Item, r.Difficulty, b[k])
		}
		// The standard error is the curvature of the same function.
		const h = 1e-3
		up, down := append([]float64{}, b...), append([]float64{}, b...)
		up[k], down[k] = up[k]+h, down[k]-h
		curve := (2*marginal(b, answers, f) - marginal(up, answers, f) - marginal(down, answers, f)) / (h * h)
		if se := 1 / math.Sqrt(curve); math.Abs(r.Error-se) > 5e-3 {
			t.Errorf("item %s: standard error %.5f, by hand %.5f", r.Item, r.Error, se)
		}
	}
}

func TestTheOrderOfStudentsLeavesNoTrace(t *testing.T) {
	c := class{students: 200, items: 50, answers: 30, sd: 1, spread: 1, seed: 5}
	forward, back := feature.NewCollector(), feature.NewCollector()
	for s := range c.students {
		forward.Add(c.student(s))
		back.Add(c.student(c.students - 1 - s))
	}
	x, f := fit(t, forward)
	y, g := fit(t, back)
	if d := cmp.Diff(x, y, bits()); d != "" || f != g {
		t.Errorf("%+v %+v %s", f, g, d)
	}
}

func TestOneSidedItemsAreFlaggedAndFinite(t *testing.T) {
	all := feature.NewCollector()
	for s := range 50 {
		all.Add(fmt.Sprintf("%02d", s), []dataplane.Event{
			{Time: 1, Item: "easy", Skill: "k", Correct: true},
			{Time: 2, Item: "even", Skill: "k", Correct: s%2 == 0},
			{Time: 3, Item: "hard", Skill: "k", Correct: false},
			{Time: 4, Item: "hard", Skill: "k", Correct: true}, // no first attempt
			{Time: 5, Skill: "k", Correct: true},               // no item
		})
	}
	rows, f := fit(t, all)
	if len(rows) != 3 || !f.Converged || f.Answers != 150 {
		t.Fatalf("%+v %+v", rows, f)
	}
	easy, even, hard := rows[0], rows[1], rows[2]
	if easy.Extreme != 1 || even.Extreme != 0 || hard.Extreme != -1 {
		t.Errorf("flags %d %d %d", easy.Extreme, even.Extreme, hard.Extreme)
	}
	if !(easy.Difficulty < even.Difficulty && even.Difficulty < hard.Difficulty) || math.Abs(hard.Difficulty) > 15 || !(easy.Error > even.Error) {
		t.Errorf("difficulties %+v", rows)
	}
	if hard.Answers != 100 || hard.Right != 50 || hard.Students != 50 || hard.FirstRight != 0 {
		t.Errorf("hard %+v", hard)
	}
	for name, students := range map[string]int{"one": 1, "none": 0} {
		c := feature.NewCollector()
		for range students {
			c.Add("s", []dataplane.Event{{Item: "i", Skill: "k", Correct: true}})
		}
		rows, _ := fit(t, c)
		for _, r := range rows {
			if r.Difficulty-r.Difficulty != 0 || r.Error-r.Error != 0 {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// A student who is always right on very many items has a narrow posterior far out.
func TestLongHistoriesStayFinite(t *testing.T) {
	all := feature.NewCollector()
	for s := range 4 {
		var events []dataplane.Event
		for k := range 5000 {
			events = append(events, dataplane.Event{Time: int64(k), Item: fmt.Sprint(k), Skill: "k", Correct: s%2 == 0 || k%100 == 99})
		}
		all.Add(fmt.Sprint(s), events)
	}
	rows, f := fit(t, all)
	if !f.Converged || len(rows) != 5000 {
		t.Errorf("%+v", f)
	}
	for _, r := range rows {
		if r.Difficulty-r.Difficulty != 0 || r.Error-r.Error != 0 || r.Error <= 0 {
			t.Fatalf("%+v", r)
		}
	}
}

func TestDiscriminationAndTimesByHand(t *testing.T) {
	all := feature.NewCollector()
	rights := [][]int{{1, 1, 1}, {1, 1, 0}, {0, 1, 0}, {0, 0, 1}, {1, 0, 0}}
	for s, own := range rights {
		var events []dataplane.Event
		for item, u := range own {
			events = append(events, dataplane.Event{Time: int64(item), Item: fmt.Sprint(item), Skill: "k", Correct: u == 1, Elapsed: int64(100 * s)})
		}
		all.Add(fmt.Sprint(s), events)
	}
	rows, _ := fit(t, all)
	for item, r := range rows {
		var u, rest []float64
		for _, own := range rights {
			u = append(u, float64(own[item]))
			rest = append(rest, float64(own[0]+own[1]+own[2]-own[item])/2)
		}
		if want := correlation(u, rest); math.Abs(r.Discrimination-want) > 1e-12 {
			t.Errorf("item %d: discrimination %.4f, want %.4f", item, r.Discrimination, want)
		}
		if r.Timed != 4 || r.ElapsedMean != 250 || r.ElapsedMedian != 250 {
			t.Errorf("item %d: times %+v", item, r)
		}
	}
}

func TestTheFitEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := feature.NewCollector()
	all.Add("s", []dataplane.Event{{Item: "i", Skill: "k"}})
	if _, _, err := all.Fit(ctx, func(int) {}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Simulated learners learn, guess and differ by group: no Rasch world. Harder
// skills still come out harder.
func TestSimulatedLearnersOrderTheirSkills(t *testing.T) {
	all := feature.NewCollector()
	var events []dataplane.Event
	wrong, asked := map[string]float64{}, map[string]float64{}
	student := 0
	_, err := simulate.Learners(simulate.Config{Students: 1500, Skills: 20, Answers: 60, Seed: 4}, func(a simulate.Answer) error {
		if a.Student != student {
			all.Add(fmt.Sprintf("%05d", student), events)
			student, events = a.Student, events[:0]
		}
		item := fmt.Sprintf("%02d", a.Skill)
		asked[item]++
		if !a.Correct {
			wrong[item]++
		}
		events = append(events, dataplane.Event{Time: a.Order, Item: item, Skill: item, Correct: a.Correct})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	all.Add(fmt.Sprintf("%05d", student), events)
	rows, f := fit(t, all)
	var hard, share []float64
	for _, r := range rows {
		hard, share = append(hard, r.Difficulty), append(share, wrong[r.Item]/asked[r.Item])
	}
	if c := correlation(hard, share); c < 0.9 || !f.Converged {
		t.Errorf("correlation %.3f of difficulty and share wrong; %+v", c, f)
	}
}
