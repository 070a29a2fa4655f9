package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// pipelineOf is a pipeline over a source that trains a tiny model.
func pipelineOf(source string, more ...string) string {
	return fmt.Sprintf(`name: weekly
kind: pipeline
%s
split: {test: 0.3, valid: 0.3, seed: 1}
model: {embed: 8, hidden: 8, dropout: 0.1}
train: {workers: 1, batch: 8, epochs: 2}
%s`, source, strings.Join(more, "\n"))
}

// reused are the stages of a job that were not run.
func reused(j wire.JobView) string {
	var names []string
	for _, s := range j.Stages {
		if s.Reused != "" {
			names = append(names, s.Name)
		}
	}
	return strings.Join(names, " ")
}

func TestAPipelineRunsOnlyWhatHasChanged(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 2).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	job := write(t, "retrain.yaml", pipelineOf(fmt.Sprintf("data: {events: %q}", events)))
	run := func(set ...string) wire.JobView {
		t.Helper()
		o := cohort(t, "", nil, append([]string{"job", "run", job, "-o", "json", "--addr", url}, set...)...)
		o.expect(t, 0, "extract ─ validate ─┬ features\n                    └ shard ─ train ─ evaluate\n")
		return final(t, o)
	}
	plan := func(code int, part string, set ...string) {
		t.Helper()
		o := cohort(t, "", nil, append([]string{"job", "plan", job, "--addr", url}, set...)...)
		if o.code != code || !strings.Contains(o.out, part) {
			t.Errorf("plan %v: %+v; want code %d and %q", set, o, code, part)
		}
	}
	plan(1, "has not been run before")
	first := run()
	if reused(first) != "" || len(first.Stages) != 6 {
		t.Errorf("reused %q of %d stages", reused(first), len(first.Stages))
	}
	plan(0, "unchanged since "+first.ID+"/evaluate")
	if again := run(); reused(again) != "extract validate features shard train evaluate" || hashOf(t, again) != hashOf(t, first) {
		t.Errorf("reused %q", reused(again))
	}
	plan(1, "train.seed changed since", "--set", "train.seed=7")
	if seed := run("--set", "train.seed=7"); reused(seed) != "extract validate features shard" || hashOf(t, seed) == hashOf(t, first) {
		t.Errorf("reused %q", reused(seed))
	}
	if workers := run("--set", "train.workers=2"); hashOf(t, workers) != hashOf(t, first) || reused(workers) != "extract validate features shard train evaluate" {
		t.Errorf("with another number of workers, reused %q", reused(workers))
	}
	fresh := run("--set", "fresh=true")
	if reused(fresh) != "" || hashOf(t, fresh) != hashOf(t, first) {
		t.Errorf("fresh reused %q", reused(fresh))
	}
	o := cohort(t, "", nil, "job", "retry", fresh.ID, "--from", "train", "-o", "json", "--addr", url)
	if j := final(t, o); o.code != 0 || reused(j) != "" || hashOf(t, j) != hashOf(t, first) {
		t.Errorf("retried: %+v", o)
	}
	cohort(t, "", nil, "job", "retry", fresh.ID, "--from", "tarin", "--addr", url).expect(t, 4, "no stage tarin")
	cohort(t, "", nil, "job", "retry", fresh.ID, "--addr", url).expect(t, 5, "say from which stage")
}

func TestAGateStopsThePipelineAndSaysWhichNumber(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	text, err := os.ReadFile(simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3}))
	if err != nil {
		t.Fatal(err)
	}
	spoilt := string(text) + strings.Repeat("5000,1,1,1,skill 1,maybe\n", 30) + "5001,,1,1,skill 1,1\n"
	job := write(t, "retrain.yaml", pipelineOf(fmt.Sprintf("data: {events: %q}", write(t, "spoilt.csv", spoilt))))
	args := []string{"job", "run", job, "-o", "json", "--addr", url}
	if j := final(t, cohort(t, "", nil, args...)); j.Status != wire.Done || string(j.Result["validation"]) == "" {
		t.Errorf("31 rows that are no events in %d are within the bound: %+v", strings.Count(spoilt, "\n"), j)
	}
	o := cohort(t, "", nil, append(args, "--set", "validate.completeness=0.99")...)
	o.expect(t, 3, "completeness 0.9")
	j := final(t, o)
	if j.Status != wire.Failed || !strings.Contains(j.Reason, "stage validate failed") {
		t.Errorf("%+v", j)
	}
	report := cohort(t, "", nil, "job", "report", j.ID, "--addr", url)
	for _, part := range []string{"completeness", "failed", "not applicable", "a value is neither"} {
		if !strings.Contains(report.out, part) {
			t.Errorf("the report lacks %q:\n%s", part, report.out)
		}
	}
	var parsed struct {
		OK    bool `json:"ok"`
		Gates []struct{ Name, Status string }
	}
	o = cohort(t, "", nil, "job", "report", j.ID, "-o", "json", "--addr", url)
	if err := json.Unmarshal([]byte(o.out), &parsed); err != nil || parsed.OK || len(parsed.Gates) < 5 {
		t.Errorf("%+v, %v", o, err)
	}
	cohort(t, "", nil, "job", "retry", j.ID, "--addr", url).expect(t, 3, "completeness")
}

// days writes an event log as a file a day, and answers its folder and a function
// that adds the next day.
func days(t *testing.T, text string, n int) (dir string, add func()) {
	t.Helper()
	dir = t.TempDir()
	header, rest, _ := strings.Cut(text, "\n")
	rows := strings.SplitAfter(rest, "\n")
	day := 0
	return dir, func() {
		t.Helper()
		part := rows[len(rows)*day/n : len(rows)*(day+1)/n]
		day++
		path := filepath.Join(dir, fmt.Sprintf("day=2026-01-%02d", day))
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "a.csv"), []byte(header+"\n"+strings.Join(part, "")), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// outputOf is an output of a stage of a job.
func outputOf(j wire.JobView, stage, output string) string {
	for _, s := range j.Stages {
		if s.Name == stage {
			return s.Outputs[output]
		}
	}
	return ""
}

func TestASecondRunReadsOnlyWhatIsNew(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 1).URL()
	text, err := os.ReadFile(simulated(t, simulate.Config{Students: 80, Skills: 5, Answers: 12, Seed: 3}))
	if err != nil {
		t.Fatal(err)
	}
	dir, add := days(t, string(text), 3)
	add()
	add()
	source := fmt.Sprintf("source: {kind: lake, lake: {url: %q}}\nvalidate: {drift: false}", dir)
	run := func(set ...string) (j wire.JobView, read int64) {
		t.Helper()
		job := write(t, "retrain.yaml", pipelineOf(source))
		o := cohort(t, "", nil, append([]string{"job", "run", job, "-o", "json", "--addr", url}, set...)...)
		o.expect(t, 0, "")
		j = final(t, o)
		var data struct{ Read int64 }
		if err := json.Unmarshal(j.Result["dataset"], &data); err != nil {
			t.Fatal(err)
		}
		return j, data.Read
	}
	first, read := run()
	if reused(first) != "" || read == 0 {
		t.Errorf("the first run read %d rows and reused %q", read, reused(first))
	}
	if again, _ := run(); reused(again) != "extract validate features shard train evaluate" {
		t.Errorf("with nothing new, reused %q", reused(again))
	}
	add()
	third, more := run()
	if reused(third) != "" || more != int64(strings.Count(string(text), "\n"))-1-read {
		t.Errorf("with a day more, read %d rows after %d, and reused %q", more, read, reused(third))
	}
	full, all := run("--set", "fresh=true")
	if all != more+read {
		t.Errorf("all is %d rows, want %d", all, more+read)
	}
	for stage, output := range map[string]string{"extract": "dataset", "shard": "shards", "train": "weights", "features": "features"} {
		if a, b := outputOf(third, stage, output), outputOf(full, stage, output); a != b || a == "" {
			t.Errorf("%s of %s: %s by increments, %s in full", output, stage, a, b)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "day=2026-01-01", "a.csv"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	o := cohort(t, "", nil, "job", "run", write(t, "retrain.yaml", pipelineOf(source)), "--addr", url)
	o.expect(t, 8, "day=2026-01-01/a.csv")
}
