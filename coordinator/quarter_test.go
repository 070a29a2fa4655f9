package coordinator_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"cohort/coordinator/consensus"
	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dkt"
	"cohort/dkt/checkpoint"
	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/dkt/simulate"
	"cohort/kernels"
	"cohort/kernels/cpu"
)

// The quarter: thirteen weekly runs, each followed by a week whose new students
// are tested by the model that is then in production. The weeks before the first
// run are its history.
const (
	quarterWeeks = 13
	before       = 4
	week         = 7 * 24 * time.Hour
)

// students of a quarter: 200 new ones a week, with 40 answers each. Skills lie 0.8
// logits apart and move 0.25 a week, so that after ten weeks six tenths of what was
// known of their order still hold: a curriculum that is worked on all the time. Data
// grow from the four weeks that the first model learns from to the eight of the
// window. Without any drift the gain of retraining is about as large: most of it is
// that growth, since a network of students' answers makes up for moved difficulties
// by itself.
func students(seed uint32) (simulate.Config, simulate.Drift) {
	return simulate.Config{Students: 200, Skills: 20, Answers: 40, Seed: seed}, simulate.Drift{Skill: 0.25, Item: 0.05, Gain: 0.1}
}

// retraining is the job file.
func retraining(folder string) string {
	return fmt.Sprintf(`name: weekly
kind: pipeline
schedule: {cron: '30 2 * * 1', zone: Europe/Berlin, finish_by: 6h}
source: {kind: lake, from: run-1344h, to: run, lake: {url: %q}}
validate: {freshness: 48h}
data:
  columns: {student: user_id, item: problem_id, skill: skill_id, correct: {column: correct}, time: time_ms, time_unit: ms, id: order_id}
model: {embed: 16, hidden: 16}
train: {batch: 32, epochs: 12, lr: 0.01, patience: 3}
register: {model: tutor, promote: true}
`, folder)
}

// An exam is the AUC of models on a week's students: of the first that went into
// production, of the one that is there now, and of the last one trained.
type exam struct{ first, production, newest float64 }

// A quarter is a world of one coordinator and one worker that are up around the
// firings alone, and students who come every week.
type quarter struct {
	*almanac
	config simulate.Config
	drift  simulate.Drift
	folder string
	monday time.Time // when week 0 begins
	first  int       // version
	last   int       // in production the week before
	lines  []string
	exams  []exam
}

func newQuarter(t *testing.T, seed uint32) *quarter {
	t.Helper()
	w := openWorld(&world{t: t, ids: []string{"c1"}, cut: consensus.Snapshots{Every: 5 * time.Second, After: 200, Keep: 50}}, uint64(seed))
	q := &quarter{almanac: &almanac{world: w}, monday: time.Date(2000, 1, 3, 0, 0, 0, 0, time.UTC)}
	q.folder = filepath.Join(w.dir, "events")
	q.config, q.drift = students(seed)
	if err := os.Mkdir(q.folder, 0o755); err != nil {
		t.Fatal(err)
	}
	q.api = w.client("laptop")
	for n := range before {
		q.come(n)
	}
	q.set()
	q.sleepUntil(q.begins(before))
	q.rise(false)
	if _, err := q.api.PutSchedule(t.Context(), wire.ScheduleRequest{Spec: retraining(q.folder)}); err != nil {
		t.Fatal(err)
	}
	q.set()
	return q
}

// begins is when a week begins.
func (q *quarter) begins(n int) time.Time { return q.monday.Add(time.Duration(n) * week) }

// come has a week's students answer.
func (q *quarter) come(n int) {
	q.t.Helper()
	var log bytes.Buffer
	if _, err := simulate.WriteWeek(&log, q.config, q.drift, n, q.begins(n).UnixMilli()); err != nil {
		q.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(q.folder, fmt.Sprintf("week-%02d.csv", n)), log.Bytes(), 0o600); err != nil {
		q.t.Fatal(err)
	}
}

// retrain passes through the firing after a week and waits for its run's end.
func (q *quarter) retrain(n int) wire.JobView {
	q.t.Helper()
	at := q.begins(n + 1).Add(90 * time.Minute) // 02:30 in Berlin, in winter
	q.sleepUntil(at.Add(-12 * time.Second))
	q.rise(true)
	q.sleepUntil(at.Add(time.Second))
	var job wire.JobView
	q.await("the run of week "+fmt.Sprint(n), time.Hour, func() bool {
		s, err := q.api.Schedule(q.t.Context(), "weekly")
		if err != nil || len(s.History) == 0 || !atRest(s) {
			return false
		}
		job, _, err = q.api.Job(q.t.Context(), s.History[len(s.History)-1].Job, 0, 0)
		return err == nil && job.Status.Final()
	})
	return job
}

// test is the AUC of weights on a week's students.
func (q *quarter) test(weights string, n int) float64 {
	q.t.Helper()
	rc, err := q.blobs.Get(q.t.Context(), weights)
	if err != nil {
		q.t.Fatal(err)
	}
	p, m, err := checkpoint.ReadWeights(rc)
	if err != nil {
		q.t.Fatal(err)
	}
	set := q.paper(m.Skills, n)
	e, err := cpu.New(p.Shape, cpu.Options{Path: cpu.Best(), Threads: 1})
	if err != nil {
		q.t.Fatal(err)
	}
	defer e.Close() //nolint:errcheck // tests
	z, err := dkt.Logits(e, p, set)
	if err != nil {
		q.t.Fatal(err)
	}
	found, err := metric.Compute(z, set.Right())
	if err != nil {
		q.t.Fatal(err)
	}
	return found.AUC
}

// paper are a week's answers in the words of a model's skills.
func (q *quarter) paper(skills []string, n int) *sequence.Set {
	q.t.Helper()
	code := map[string]int32{}
	for k, name := range skills {
		code[name] = int32(k)
	}
	var all []dataplane.History
	_, err := simulate.Week(q.config, q.drift, n, func(a simulate.Answer) error {
		id := fmt.Sprintf("%032x", a.Student)
		if len(all) == 0 || all[len(all)-1].Student != id {
			all = append(all, dataplane.History{Student: id})
		}
		h := &all[len(all)-1]
		skill, ok := code[fmt.Sprint(a.Skill+1)]
		if !ok {
			return fmt.Errorf("the model does not know skill %d", a.Skill+1)
		}
		right := uint8(0)
		if a.Correct {
			right = 1
		}
		h.Skill, h.Correct = append(h.Skill, skill), append(h.Correct, right)
		return nil
	})
	if err != nil {
		q.t.Fatal(err)
	}
	set, err := sequence.BuildOf(all, 200, kernels.Vocabulary{Skills: len(skills)})
	if err != nil {
		q.t.Fatal(err)
	}
	return set
}

// run lives through weeks of the quarter. While nothing is in production there is
// nothing to compare.
func (q *quarter) run(weeks int) {
	q.t.Helper()
	for k := range weeks {
		n := before + k // its students come after the run
		q.note(q.retrain(n - 1))
		q.come(n)
		q.sit(n)
		q.set()
	}
}

// sit has a week's students tested.
func (q *quarter) sit(n int) {
	q.t.Helper()
	m, _, err := q.api.Model(q.t.Context(), "tutor", 0, 0)
	if err != nil || m.Production == 0 {
		q.lines = append(q.lines, "  nothing is in production")
		return
	}
	q.first = cmp.Or(q.first, m.Production)
	q.last = m.Production
	weights := map[int]string{}
	for _, v := range m.List {
		weights[v.Version] = v.Weights
	}
	x := exam{q.test(weights[q.first], n), q.test(weights[m.Production], n), q.test(weights[m.Versions], n)}
	q.exams = append(q.exams, x)
	q.lines = append(q.lines, fmt.Sprintf("  version %d in production: AUC of the next week's students %.4f, of version %d %.4f", m.Production, x.production, q.first, x.first))
}

// note writes down what became of a run.
func (q *quarter) note(j wire.JobView) {
	q.t.Helper()
	line := fmt.Sprintf("%s  %s", j.ID, j.Status)
	if j.Reason != "" {
		line += "  " + j.Reason
	}
	q.lines = append(q.lines, line)
	if e, err := q.api.Evaluation(q.t.Context(), j.ID, "evaluate"); err == nil {
		q.lines = append(q.lines, fmt.Sprintf("  AUC %.4f, accuracy %.4f, against AUC %.4f of version %d: gain %.4f in %.4f to %.4f",
			e.Of.AUC, e.Of.Accuracy, e.Against.AUC, e.Baseline, e.Gain, e.GainLow, e.GainHigh))
	}
	if s, _, err := q.api.Model(q.t.Context(), "tutor", 0, 0); err == nil && s.Production != q.last {
		q.lines = append(q.lines, fmt.Sprintf("  version %d is promoted", s.Production))
	}
}

// sums of a quarter's exams.
func (q *quarter) sums() (mean exam, worst float64) {
	worst = 1
	for _, x := range q.exams {
		mean.first += x.first / float64(len(q.exams))
		mean.production += x.production / float64(len(q.exams))
		mean.newest += x.newest / float64(len(q.exams))
		worst = min(worst, x.production-x.first)
	}
	return mean, worst
}

// promotions counts those of the model's history.
func promotions(lines []string) (n int) {
	for _, l := range lines {
		if strings.HasSuffix(l, "is promoted") {
			n++
		}
	}
	return n
}

// The history of one quarter is the one in the file; in short runs, that of its
// first weeks.
func TestSimulatedQuarterOfRetraining(t *testing.T) {
	weeks := quarterWeeks
	if testing.Short() {
		weeks = 2
		t.Logf("%d weeks of %d: a run that is not short lives through all", weeks, quarterWeeks)
	}
	synctest.Test(t, func(t *testing.T) {
		q := newQuarter(t, 1)
		defer q.close()
		q.run(weeks)
		path := filepath.Join("testdata", "quarter.txt")
		if os.Getenv("COHORT_UPDATE") != "" && weeks == quarterWeeks {
			if err := os.WriteFile(path, []byte(strings.Join(q.lines, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if weeks < quarterWeeks {
			want = want[:min(len(want), len(q.lines))]
		}
		if d := gocmp.Diff(want, q.lines); d != "" {
			t.Errorf("%s (COHORT_UPDATE=1 rewrites it): %s", path, d)
		}
	})
}

// Over many quarters, whose learners are others each, retraining is better than
// keeping the first model, and in no week much worse. make quarter.
func TestQuartersOfRetraining(t *testing.T) {
	count, err := strconv.Atoi(cmp.Or(os.Getenv("COHORT_QUARTERS"), "0"))
	if err != nil || count == 0 {
		t.Skip("COHORT_QUARTERS is not set: make quarter lives through 20 quarters, which takes ten minutes")
	}
	t.Logf("COHORT_SEED=%d", firstQuarter(t))
	var all exam
	worst := 1.0
	out := t.Output()
	_, _ = fmt.Fprintln(out, "seed  promotions  production  first model  newest  worst week")
	for k := range count {
		seed := firstQuarter(t) + uint32(k)
		synctest.Test(t, func(t *testing.T) {
			q := newQuarter(t, seed)
			defer q.close()
			q.run(quarterWeeks)
			if len(q.exams) == 0 {
				t.Fatalf("seed %d: nothing came into production: %s", seed, strings.Join(q.lines, "\n"))
			}
			mean, low := q.sums()
			_, _ = fmt.Fprintf(out, "%4d  %10d  %10.4f  %11.4f  %6.4f  %+10.4f\n", seed, promotions(q.lines), mean.production, mean.first, mean.newest, low)
			all.first += mean.first / float64(count)
			all.production += mean.production / float64(count)
			all.newest += mean.newest / float64(count)
			worst = min(worst, low)
		})
	}
	_, _ = fmt.Fprintf(out, " all              %10.4f  %11.4f  %6.4f  %+10.4f\n", all.production, all.first, all.newest, worst)
	if all.production <= all.first || worst < worstWeek {
		t.Errorf("production comes to %.4f, the first model to %.4f, the worst week to %+.4f; want more than the first, and no week below %g", all.production, all.first, worst, worstWeek)
	}
}

// worstWeek is how much of AUC a week may lose by retraining.
const worstWeek = -0.005

// firstQuarter is the seed of the first of many quarters.
func firstQuarter(t *testing.T) uint32 {
	t.Helper()
	s, err := strconv.ParseUint(cmp.Or(os.Getenv("COHORT_SEED"), "1"), 10, 31)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(s)
}
