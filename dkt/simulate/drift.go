package simulate

import (
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"cohort/kernels"
)

// Drift is how far what all learners share moves in a week, each as the standard
// deviation of the move. What has moved is pulled back a little, so that skills
// stay as different from each other as they were: the world changes, and gets
// neither harder nor easier to predict. The zero value is no drift.
type Drift struct {
	Skill float64 // of a skill's difficulty, logits; skills lie 0.8 apart
	Item  float64 // of a problem's difficulty beside its skill's, logits; problems lie 0.3 apart
	Gain  float64 // of the logarithm of what a skill's first practice gains; settles at 0.5
}

// gainSpread is how far the logarithms of skills' gains lie apart in the end.
const gainSpread = 0.5

// mostWeeks bounds the walk, and with Config the learners' numbers.
const mostWeeks = 1 << 10

func (d Drift) check(c Config, week int) error {
	var faults []error
	for _, f := range []struct {
		name        string
		value, most float64
	}{{"skill drift", d.Skill, hardness}, {"item drift", d.Item, itemSpread}, {"gain drift", d.Gain, gainSpread}} {
		if !(f.value >= 0 && f.value <= f.most) {
			faults = append(faults, fmt.Errorf("%s is %g, want 0 to %g", f.name, f.value, f.most))
		}
	}
	if week < 0 || week >= mostWeeks {
		faults = append(faults, fmt.Errorf("week is %d, want 0 to %d", week, mostWeeks-1))
	} else if c.Students > math.MaxUint32/(week+1) {
		faults = append(faults, fmt.Errorf("%d students a week are too many by week %d", c.Students, week))
	}
	return errors.Join(faults...)
}

// Week draws the answers of the learners that come in a week, counted from 0:
// c.Students new ones each week, who give all their answers in it. Learners of one
// week live in the same world, which drifts until the next.
func Week(c Config, d Drift, week int, yield func(Answer) error) (Stats, error) {
	if err := errors.Join(c.Validate(), d.check(c, week)); err != nil {
		return Stats{}, fmt.Errorf("simulate: %w", err)
	}
	w := newWorld(c)
	w.drift(d, week)
	clock, student := int64(0), -1
	var pause *stream
	return w.learners(week*c.Students, func(a Answer) error {
		if a.Student != student {
			student, pause = a.Student, newStream(c.Seed, streamClock, uint32(a.Student))
			clock = int64(pause.below(weekOf - sitting))
		}
		a.At = clock
		clock += int64(shortest + pause.below(longest-shortest))
		return yield(a)
	})
}

// Times of a learner's answers, milliseconds. A sitting of 8 times the mean number
// of answers ends in its week up to a mean of 180.
const (
	weekOf   = 7 * 24 * 3600_000
	sitting  = 24 * 3600_000
	shortest = 10_000
	longest  = 60_000
)

// drift passes weeks over a world.
func (w *world) drift(d Drift, weeks int) {
	logs := make([]float64, len(w.gain))
	for week := range weeks {
		r := newStream(w.c.Seed, streamDrift, uint32(week))
		walk(r, w.skill, d.Skill, hardness)
		walk(r, w.item, d.Item, itemSpread)
		walk(r, logs, d.Gain, gainSpread)
	}
	for k, x := range logs {
		w.gain[k] = float64(w.gain[k] * kernels.Exp(x))
	}
}

// walk moves each of values, which lie spread apart, by one week's step (an
// Ornstein–Uhlenbeck process at whole weeks).
func walk(r *stream, values []float64, step, spread float64) {
	share := float64(step / spread)
	keep := math.Sqrt(1 - float64(share*share))
	for k, v := range values {
		values[k] = float64(keep*v) + float64(step*r.normal())
	}
}

// WeekHeader names the columns that WriteWeek writes: those of WriteCSV, and the
// time in Unix milliseconds.
const WeekHeader = Header + ",time_ms"

// WriteWeek writes a week's answers as an event log; the week begins at start,
// Unix milliseconds.
func WriteWeek(w io.Writer, c Config, d Drift, week int, start int64) (Stats, error) {
	timed := func(row []byte, a Answer) []byte {
		row = appendRow(row, a)
		row = append(row[:len(row)-1], ',') // in place of the end of the line
		return append(strconv.AppendInt(row, start+a.At, 10), '\n')
	}
	return writeLog(w, WeekHeader, timed, func(yield func(Answer) error) (Stats, error) { return Week(c, d, week, yield) })
}
