// Package simulate makes answers of simulated learners, so that demos and
// tests need no download. A learner has a general ability and one ability for
// each group of related skills (item response theory, Lord 1980); practice
// raises a skill, with diminishing returns, and time away from it lets part of
// the gain fade (Ebbinghaus). Everything is drawn from counters, so the same
// Config gives the same answers on any machine.
package simulate

import (
	"errors"
	"fmt"

	"cohort/kernels"
)

// Config says how many learners of what kind. The zero value is not valid;
// DefaultConfig is.
type Config struct {
	Students int
	Skills   int
	Answers  int // mean answers a student; lengths are log-normal, as in real logs
	Seed     uint32
}

// DefaultConfig is what the demo uses: about 240,000 answers.
func DefaultConfig() Config {
	return Config{Students: 4000, Skills: 30, Answers: 60, Seed: 1}
}

// Validate reports every fault.
func (c Config) Validate() error {
	var faults []error
	for _, f := range []struct {
		name  string
		value int
		low   int
		high  int
	}{
		{"students", c.Students, 1, 1 << 28},
		{"skills", c.Skills, 1, 1 << 20},
		{"answers", c.Answers, 2, 1 << 20},
	} {
		if f.value < f.low || f.value > f.high {
			faults = append(faults, fmt.Errorf("%s is %d, want %d to %d", f.name, f.value, f.low, f.high))
		}
	}
	return errors.Join(faults...)
}

// Answer is one simulated answer. Order rises over the whole log.
type Answer struct {
	Order   int64
	Student int
	Problem int
	Skill   int
	Correct bool
	At      int64 // milliseconds since the beginning of the learner's week; of Week alone
}

// Stats counts what was made.
type Stats struct {
	Students int   `json:"students"`
	Skills   int   `json:"skills"`
	Answers  int64 `json:"answers"`
	Right    int64 `json:"right"`
}

// Constants of the learner. They are chosen so that answers on one skill tell
// much about its group, as in real curricula.
const (
	group      = 5    // skills of a group
	problems   = 40   // problems of a skill
	spread     = 0.3  // deviation of general ability, in logits
	grouped    = 2.2  // deviation of a group ability
	hardness   = 0.8  // deviation of a skill's difficulty
	itemSpread = 0.3  // deviation of a problem's difficulty within its skill
	gain       = 0.45 // logits gained by the first practice of a skill
	ceiling    = 2.0  // most that practice gains
	fade       = 0.985
	stay       = 0.6 // chance that the next answer is on the same skill
	near       = 0.5 // chance that a change of skill stays within the group
	guess      = 0.08
)

// Learners draws every learner's answers, one learner after another, and
// hands each answer to yield; an error of yield ends it.
func Learners(c Config, yield func(Answer) error) (Stats, error) {
	if err := c.Validate(); err != nil {
		return Stats{}, fmt.Errorf("simulate: %w", err)
	}
	return newWorld(c).learners(0, yield)
}

// learners draws those of a world, numbered from first on.
func (w *world) learners(first int, yield func(Answer) error) (Stats, error) {
	c := w.c
	stats := Stats{Students: c.Students, Skills: c.Skills}
	for s := range c.Students {
		l := newLearner(w, first+s)
		for range l.length(c.Answers) {
			a := l.answer()
			a.Order = stats.Answers + 1
			stats.Answers++
			if a.Correct {
				stats.Right++
			}
			if err := yield(a); err != nil {
				return stats, err
			}
		}
	}
	return stats, nil
}

// A world is what all learners share.
type world struct {
	c     Config
	skill []float64 // difficulty of each skill, logits
	item  []float64 // difficulty of each problem beside its skill's, [skill][problems]
	gain  []float64 // logits gained by the first practice of each skill
}

func newWorld(c Config) *world {
	w := &world{c: c, skill: make([]float64, c.Skills), item: make([]float64, c.Skills*problems), gain: make([]float64, c.Skills)}
	r := newStream(c.Seed, streamWorld, 0)
	for k := range w.skill {
		w.skill[k] = hardness * r.normal()
		w.gain[k] = gain
	}
	for k := range w.item {
		w.item[k] = itemSpread * r.normal()
	}
	return w
}

// A learner is one student's state.
type learner struct {
	w       *world
	student int
	chance  *stream
	ability float64
	groups  []float64 // ability of each group of skills
	gained  []float64 // logits gained on each skill by practice
	last    []int     // time of a skill's last practice
	now     int
	skill   int
}

func newLearner(w *world, student int) *learner {
	l := &learner{
		w: w, student: student,
		chance: newStream(w.c.Seed, streamLearner, uint32(student)),
		groups: make([]float64, (w.c.Skills+group-1)/group),
		gained: make([]float64, w.c.Skills),
		last:   make([]int, w.c.Skills),
	}
	l.ability = spread * l.chance.normal()
	for k := range l.groups {
		l.groups[k] = grouped * l.chance.normal()
	}
	l.skill = l.chance.below(w.c.Skills)
	return l
}

// length draws how many answers the student gives, at least 2 and at most 8
// times the mean.
func (l *learner) length(mean int) int {
	const deviation = 0.8 // of the logarithm; the mean of exp is exp(d²/2)
	n := int(float64(mean) * kernels.Exp(float64(deviation*l.chance.normal())-deviation*deviation/2))
	return min(max(n, 2), 8*mean)
}

// answer draws the next skill and problem and answers it.
func (l *learner) answer() Answer {
	l.now++
	if l.now > 1 && l.chance.uniform() >= stay {
		l.skill = l.next()
	}
	k := l.skill
	problem := l.chance.below(problems)
	logit := l.ability + l.groups[k/group] + l.kept(k) - l.w.skill[k] - l.w.item[k*problems+problem]
	p := guess + (1-guess)/(1+kernels.Exp(-logit))
	right := l.chance.uniform() < p
	l.practise(k)
	return Answer{Student: l.student, Problem: k*problems + problem, Skill: k, Correct: right}
}

// next draws another skill, often of the same group.
func (l *learner) next() int {
	if l.chance.uniform() < near {
		first := l.skill / group * group
		return first + l.chance.below(min(group, l.w.c.Skills-first))
	}
	return l.chance.below(l.w.c.Skills)
}

// kept is what is left of skill k's gain after the time away from it.
func (l *learner) kept(k int) float64 {
	away := l.now - l.last[k] - 1
	if l.gained[k] == 0 || away <= 0 {
		return l.gained[k]
	}
	return float64(l.gained[k] * (0.4 + float64(0.6*power(fade, away))))
}

func (l *learner) practise(k int) {
	g := l.kept(k)
	l.gained[k] = g + float64(l.w.gain[k]*(1-float64(g/ceiling)))
	l.last[k] = l.now
}

// power is x^n by squaring.
func power(x float64, n int) float64 {
	y := 1.0
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			y *= x
		}
		x *= x
	}
	return y
}
