package cli_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/cli/local"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// studyOf is a pipeline with a small study of so many trials.
func studyOf(events string, trials, epochs int, more ...string) string {
	return pipelineOf(fmt.Sprintf("data: {events: %q}", events), append(more, fmt.Sprintf(`tune:
  trials: %d
  startup: 3
  lag: 3
  rungs: [1]
  reduction: 2
  epochs: %d
  space:
    model.hidden: [4, 8]
    train.lr: {low: 0.001, high: 0.1, log: true}`, trials, epochs))...)
}

// studyAt reads a job's study.
func studyAt(t *testing.T, url, job string) (s wire.StudyView) {
	t.Helper()
	// "tune trials" has the table, "tune show" the rest.
	for _, line := range []string{"show", "trials"} {
		o := cohort(t, "", nil, "tune", line, job, "-o", "json", "--addr", url)
		into := any(&s)
		if line == "trials" {
			into = &s.Table
		}
		if err := json.Unmarshal([]byte(o.out), into); err != nil {
			t.Fatalf("tune %s: %+v: %v", line, o, err)
		}
	}
	return s
}

// searched is what a study did, without where and when.
func searched(t *testing.T, s wire.StudyView) string {
	t.Helper()
	var lines []string
	for _, r := range s.Table {
		value := "none"
		if r.Value != nil {
			value = fmt.Sprint(*r.Value)
		}
		lines = append(lines, fmt.Sprint(r.Number, r.Rung, r.Epochs, r.Status, value, r.Best, " ", string(must(json.Marshal(r.Params)))))
	}
	return strings.Join(append(lines, string(must(json.Marshal(s.Best))), string(must(json.Marshal(s.Importance)))), "\n")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAStudyRunsOnceAndIsExtended(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 2).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	job := write(t, "search.yaml", studyOf(events, 4, 2, "cross_validate: {folds: 2}"))
	run := func(args ...string) (j wire.JobView, o outcome) {
		t.Helper()
		o = cohort(t, "", nil, append(args, "-o", "json", "--addr", url)...)
		o.expect(t, 0, "")
		return final(t, o), o
	}
	first, o := run("job", "run", job)
	o.expect(t, 0, "shard ─ tune ─┬ train ─ evaluate\n                                    └ cross-validate\n")
	o.expect(t, 0, "tune done in")
	o.expect(t, 0, "4/4 trials, best 0.")
	if reused(first) != "" || len(first.Stages) != 8 {
		t.Errorf("reused %q of %d stages", reused(first), len(first.Stages))
	}
	study := studyAt(t, url, first.ID)
	var tuned wire.Tuned
	var cross wire.Crossed
	if err := json.Unmarshal(first.Result["tune"], &tuned); err != nil || tuned.Number != study.Best.Number || tuned.Value != study.Best.Value {
		t.Errorf("the result says %+v, the study %+v: %v", tuned, study.Best, err)
	}
	if err := json.Unmarshal(first.Result["cross"], &cross); err != nil || len(cross.AUC) != 2 || cross.Spread <= 0 {
		t.Errorf("%+v, %v", cross, err)
	}
	// The training has the best trial's settings, and its epochs: so its weights.
	for _, trial := range tuned.Trials {
		if trial.Number == tuned.Number && trial.Epochs == 2 && trial.Weights != hashOf(t, first) {
			t.Errorf("the best trial has weights %s, the training %s", trial.Weights, hashOf(t, first))
		}
	}
	cohort(t, "", nil, "job", "plan", job, "--addr", url).expect(t, 0, "")
	const all = "extract validate features shard tune train evaluate cross-validate"
	again, _ := run("job", "run", job)
	if reused(again) != all || searched(t, studyAt(t, url, again.ID)) != searched(t, study) {
		t.Errorf("reused %q", reused(again))
	}
	for _, trial := range studyAt(t, url, again.ID).Table {
		if trial.Reused == "" {
			t.Errorf("trial %d ran again", trial.Number)
		}
	}
	longer, o := run("tune", "extend", again.ID, "--trials", "7")
	o.expect(t, 0, "4 of 7 trials were taken as they were")
	more := studyAt(t, url, longer.ID)
	if more.Ended != 7 || reused(longer) == all {
		t.Errorf("%+v, reused %q", more, reused(longer))
	}
	for k, trial := range study.Table {
		if d := cmp.Diff(trial.Params, more.Table[k].Params); d != "" || more.Table[k].Reused == "" {
			t.Errorf("trial %d of the longer study: %s", k, d)
		}
	}
	cohort(t, "", nil, "tune", "extend", longer.ID, "--trials", "7", "--addr", url).expect(t, 2, "give more")
	afresh, _ := run("job", "retry", longer.ID, "--from", "tune")
	if got := studyAt(t, url, afresh.ID); searched(t, got) != searched(t, more) || got.Table[6].Reused == "" {
		t.Errorf("run again from tune: %s", searched(t, got))
	}
	tuneTables(t, url, longer.ID, more)
}

// tuneTables checks what people see of a study.
func tuneTables(t *testing.T, url, job string, s wire.StudyView) {
	t.Helper()
	for line, part := range map[string]string{
		"tune list":                      "7/7",
		"tune list -q":                   job,
		"tune show " + job:               fmt.Sprintf("best is trial %d with a validation AUC of %.4f", s.Best.Number, s.Best.Value),
		"tune trials " + job:             fmt.Sprintf("\n*  %d", s.Best.Number),
		"tune trials -q " + job:          "0\n1\n2\n3\n4\n5\n6\n",
		"job status " + job:              "7/7 trials, best",
		"job wait " + job:                fmt.Sprintf("study    trial %d is the best", s.Best.Number),
		"job status --stages all " + job: "tune.6",
	} {
		o := cohort(t, "", nil, append(strings.Fields(line), "--addr", url)...)
		if !strings.Contains(o.out, part) {
			t.Errorf("%s lacks %q: %+v", line, part, o)
		}
	}
	if n := strings.Count(cohort(t, "", nil, "tune", "trials", job, "--addr", url).out, "*"); n != 1 {
		t.Errorf("%d trials are marked", n)
	}
	cohort(t, "", nil, "tune", "show", "nowhere", "--addr", url).expect(t, 4, "nowhere")
	plain := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 4})
	o := cohort(t, jobOf(plain), nil, "job", "run", "-", "-o", "json", "--addr", url)
	cohort(t, "", nil, "tune", "show", final(t, o).ID, "--addr", url).expect(t, 4, "has no study")
}

// The same trials, and the same best, on one worker, on more, and where one is
// killed or handed back while it has a trial.
func TestAStudyIsTheSameOnAnyMachines(t *testing.T) {
	t.Parallel()
	events := simulated(t, simulate.Config{Students: 100, Skills: 5, Answers: 30, Seed: 3})
	job := write(t, "search.yaml", studyOf(events, 8, 8))
	want := make(chan string, 1)
	t.Run("one worker", func(t *testing.T) {
		want <- searched(t, runStudy(t, startCluster(t, 1).URL(), job, nil))
	})
	alone := <-want
	for name, c := range map[string]struct {
		workers int
		leave   func(n *local.WorkerNode, url, job string) error
	}{
		"two": {2, nil}, "four": {4, nil},
		"one of two is killed":      {1, func(n *local.WorkerNode, _, _ string) error { return n.Close() }},
		"one of two is handed back": {1, func(n *local.WorkerNode, _, _ string) error { return n.Stop() }},
		"stopped and resumed": {1, func(n *local.WorkerNode, url, job string) error {
			cohort(t, "", nil, "job", "stop", job, "--addr", url).expect(t, 0, "")
			cohort(t, "", nil, "tune", "resume", "-d", job, "--addr", url).expect(t, 0, "")
			return n.Stop()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := startCluster(t, c.workers).URL()
			var leave func(job string)
			if c.leave != nil {
				n := extraWorker(t, url)
				leave = func(job string) {
					if err := c.leave(n, url, job); err != nil {
						t.Error(err)
					}
				}
			}
			if d := cmp.Diff(strings.Split(alone, "\n"), strings.Split(searched(t, runStudy(t, url, job, leave)), "\n")); d != "" {
				t.Error(d)
			}
		})
	}
}

func extraWorker(t *testing.T, url string) *local.WorkerNode {
	t.Helper()
	n, err := local.StartWorker(t.Context(), local.Worker{
		ID: "extra", DataDir: t.TempDir(), Coordinators: []string{url}, Listen: "127.0.0.1:0", Cores: 3,
		Version: "test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

// runStudy runs a job to its end and answers its study. leave is called while a
// worker named extra has a trial.
func runStudy(t *testing.T, url, job string, leave func(job string)) wire.StudyView {
	t.Helper()
	id := strings.TrimSpace(cohort(t, "", nil, "job", "run", "-d", "-q", job, "--addr", url).out)
	for deadline := time.Now().Add(2 * time.Minute); leave != nil; <-time.After(20 * time.Millisecond) {
		study := studyAt(t, url, id)
		for _, trial := range study.Table {
			if leave != nil && trial.Status == wire.Running && len(trial.Nodes) == 1 && trial.Nodes[0] == "extra" {
				leave(id)
				leave = nil
			}
		}
		if leave != nil && (study.Status.Final() || time.Now().After(deadline)) {
			t.Fatal("the other worker gets no trial")
		}
	}
	cohort(t, "", nil, "job", "wait", id, "--addr", url).expect(t, 0, "")
	return studyAt(t, url, id)
}
