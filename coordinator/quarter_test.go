package coordinator_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

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

// students of a quarter: 250 new ones a week. Difficulties move 0.2 logits a week
// among skills that lie 0.8 apart.
func students(seed uint32) (simulate.Config, simulate.Drift) {
	return simulate.Config{Students: 320, Skills: 12, Answers: 40, Seed: seed}, simulate.Drift{Skill: 0.25, Item: 0.05, Gain: 0.1}
}

// retraining is the job file.
func retraining(folder string) string {
	return fmt.Sprintf(`name: weekly
kind: pipeline
schedule: {cron: '30 2 * * 1', zone: Europe/Berlin, finish_by: 6h}
source: {kind: lake, from: run-672h, to: run, lake: {url: %q}}
validate: {freshness: 48h}
data:
  columns: {student: user_id, item: problem_id, skill: skill_id, correct: {column: correct}, time: time_ms, time_unit: ms, id: order_id}
model: {embed: 16, hidden: 16}
train: {batch: 32, epochs: 12, lr: 0.01, patience: 3}
register: {model: tutor, promote: true}
`, folder)
}

// An exam is what a week's students say of two models.
type exam struct {
	first, production, newest float64 // AUC
}

// A quarter is a world of one coordinator and one worker that are up around the
// firings alone, and students who come every week.
type quarter struct {
	*almanac
	config simulate.Config
	drift  simulate.Drift
	folder string
	monday time.Time // when week 0 begins
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

// run lives through weeks of the quarter.
func (q *quarter) run(weeks int) {
	q.t.Helper()
	for k := range weeks {
		n := before - 1 + k
		job := q.retrain(n)
		q.note(job)
		q.come(n + 1)
		m, _, err := q.api.Model(q.t.Context(), "tutor", 0, 0)
		if err != nil {
			q.t.Fatal(err)
		}
		if m.Production == 0 {
			q.t.Fatalf("nothing is in production: %s", strings.Join(q.lines, "\n"))
		}
		by := map[int]string{}
		for _, v := range m.List {
			by[v.Version] = v.Weights
		}
		x := exam{first: q.test(by[1], n+1), production: q.test(by[m.Production], n+1), newest: q.test(by[m.Versions], n+1)}
		q.exams = append(q.exams, x)
		q.lines = append(q.lines, fmt.Sprintf("  week %d, version %d in production: AUC %.4f, first %.4f, newest %.4f", n+1, m.Production, x.production, x.first, x.newest))
		q.set()
	}
}

// note writes down what became of a run.
func (q *quarter) note(j wire.JobView) {
	line := fmt.Sprintf("%s  %s %s", j.ID, j.Status, j.Reason)
	if e, err := q.api.Evaluation(q.t.Context(), j.ID, "evaluate"); err == nil {
		line += fmt.Sprintf("  AUC %.4f accuracy %.4f against %.4f of version %d: gain %.4f in %.4f to %.4f", e.Of.AUC, e.Of.Accuracy, e.Against.AUC, e.Baseline, e.Gain, e.GainLow, e.GainHigh)
	}
	q.lines = append(q.lines, line, fmt.Sprintf("  %s", j.Result["promote"]))
}

func TestSimulatedQuarterOfRetraining(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQuarter(t, 1)
		defer q.close()
		q.run(quarterWeeks)
		t.Log("\n" + strings.Join(q.lines, "\n"))
	})
}
