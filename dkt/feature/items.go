package feature

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"cohort/dataplane"
)

// ItemRow is how hard an item is, by the students it was gathered from.
type ItemRow struct {
	Item           string
	Answers        int64
	Right          int64
	Accuracy       float64
	Students       int64   // who answered it: first attempts
	FirstRight     int64   // of them
	Difficulty     float64 // Rasch, logits, of first attempts; more is harder
	Error          float64 // standard error of Difficulty
	Extreme        int64   // 1 all first attempts right, −1 all wrong: only the prior holds Difficulty
	Discrimination float64 // correlation of first attempts with the share right of the student's others; NaN of too few
	Timed          int64   // answers with a response time
	ElapsedMean    float64 // milliseconds
	ElapsedMedian  float64
}

// Collector gathers the answers that items are fitted on. Students may come in
// any order: Fit sorts them, and sums in that order.
type Collector struct {
	numbers  map[string]uint32
	items    []item
	students []respondent
	first    []uint32 // first attempts, student by student: item·2 + right
	times    []timing
	run      answer
}

type item struct {
	name           string
	answers, right int64
	elapsed, timed int64
	students       int64
	firstRight     int64
	seen           int32 // number of the student who answered last, from 1
}

// respondent is a student's span of the first attempts.
type respondent struct {
	id       string
	from, to int
}

type timing struct{ item, elapsed uint32 }

// NewCollector has no answers.
func NewCollector() *Collector { return &Collector{numbers: map[string]uint32{}} }

// Add takes all of a student's events, in order. Those without an item are left out.
func (c *Collector) Add(student string, events []dataplane.Event) {
	c.run = answer{skills: c.run.skills[:0]}
	s := respondent{id: strings.Clone(student), from: len(c.first)}
	for k := range events {
		e := &events[k]
		if c.run.joins(e) {
			c.run.skills = append(c.run.skills, e.Skill)
			continue
		}
		c.run.begin(e)
		if e.Item != "" {
			c.answer(e)
		}
	}
	if s.to = len(c.first); s.to > s.from {
		c.students = append(c.students, s)
	}
}

func (c *Collector) answer(e *dataplane.Event) {
	n, ok := c.numbers[e.Item]
	if !ok {
		n = uint32(len(c.items))
		name := strings.Clone(e.Item)
		c.numbers[name] = n
		c.items = append(c.items, item{name: name})
	}
	i := &c.items[n]
	right := uint32(0)
	if e.Correct {
		right = 1
	}
	i.answers++
	i.right += int64(right)
	if e.Elapsed > 0 {
		i.timed++
		i.elapsed += e.Elapsed
		c.times = append(c.times, timing{n, uint32(e.Elapsed)})
	}
	if now := int32(len(c.students) + 1); i.seen != now {
		i.seen = now
		i.students++
		i.firstRight += int64(right)
		c.first = append(c.first, n<<1|right)
	}
}

// Fit makes the items' rows, sorted by item. It tells each iteration; it ends
// early only with ctx's error.
func (c *Collector) Fit(ctx context.Context, tell func(iteration int)) ([]ItemRow, Fit, error) {
	c.sort()
	r := newRasch(c)
	fit, err := r.solve(ctx, tell)
	if err != nil {
		return nil, fit, err
	}
	medians, discrimination := c.medians(), c.discriminations()
	rows := make([]ItemRow, len(c.items))
	for k := range rows {
		i := &c.items[k]
		rows[k] = ItemRow{
			Item: i.name, Answers: i.answers, Right: i.right, Accuracy: ratio(i.right, i.answers),
			Students: i.students, FirstRight: i.firstRight,
			Difficulty: r.b[k], Error: math.Sqrt(r.variance(k)), Discrimination: discrimination[k],
			Timed: i.timed, ElapsedMean: ratio(i.elapsed, i.timed), ElapsedMedian: medians[k],
		}
		switch i.firstRight {
		case i.students:
			rows[k].Extreme = 1
		case 0:
			rows[k].Extreme = -1
		}
	}
	return rows, fit, nil
}

// sort brings students and items into the order of their names, which alone
// decides the order of sums.
func (c *Collector) sort() {
	slices.SortFunc(c.students, func(a, b respondent) int { return strings.Compare(a.id, b.id) })
	order := make([]uint32, len(c.items))
	for k := range order {
		order[k] = uint32(k)
	}
	slices.SortFunc(order, func(a, b uint32) int { return strings.Compare(c.items[a].name, c.items[b].name) })
	rank, sorted := make([]uint32, len(order)), make([]item, len(order))
	for k, n := range order {
		rank[n], sorted[k] = uint32(k), c.items[n]
		c.numbers[sorted[k].name] = uint32(k)
	}
	c.items = sorted
	for k, a := range c.first {
		c.first[k] = rank[a>>1]<<1 | a&1
	}
	for k := range c.times {
		c.times[k].item = rank[c.times[k].item]
	}
}

// medians of response times, exact.
func (c *Collector) medians() []float64 {
	slices.SortFunc(c.times, func(a, b timing) int {
		return cmp.Or(cmp.Compare(a.item, b.item), cmp.Compare(a.elapsed, b.elapsed))
	})
	m, at := make([]float64, len(c.items)), 0
	for k := range c.items {
		n := int(c.items[k].timed)
		m[k] = nan()
		if n > 0 {
			own := c.times[at : at+n]
			m[k] = float64(int64(own[(n-1)/2].elapsed)+int64(own[n/2].elapsed)) / 2
		}
		at += n
	}
	return m
}

// flat is a variance that rounding alone may make.
const flat = 1e-9

// discriminations are corrected item–rest correlations: of an item's first
// attempts with the share right of each student's other first attempts.
func (c *Collector) discriminations() []float64 {
	type sums struct{ n, u, x, xx, ux float64 }
	all := make([]sums, len(c.items))
	for _, s := range c.students {
		own := c.first[s.from:s.to]
		if len(own) < 2 {
			continue
		}
		total := 0.0
		for _, a := range own {
			total += float64(a & 1)
		}
		for _, a := range own {
			u, t := float64(a&1), &all[a>>1]
			x := (total - u) / float64(len(own)-1)
			t.n++
			t.u += u
			t.x += x
			t.xx += float64(x * x)
			t.ux += float64(u * x)
		}
	}
	r := make([]float64, len(all))
	for k, t := range all {
		n := t.n
		varU, varX := t.u/n-float64(t.u/n*(t.u/n)), t.xx/n-float64(t.x/n*(t.x/n))
		r[k] = nan()
		if n > 2 && varU > flat && varX > flat {
			r[k] = (t.ux/n - float64(t.u/n*(t.x/n))) / math.Sqrt(float64(varU*varX))
		}
	}
	return r
}
