//go:build linux

package cli_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/cli/local"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/source"
	"cohort/dkt/simulate"
)

// reproductionOf is what model reproduce says.
type reproductionOf struct {
	Reproduced bool
	Weights    string `json:"weights_sha256"`
	Job, Why   string
}

// reproduce makes a version again and answers what was said, and the job.
func reproduce(t *testing.T, url, ref string, code int, part string) (r reproductionOf, j wire.JobView) {
	t.Helper()
	o := cohort(t, "", nil, "model", "reproduce", ref, "-o", "json", "-q", "--addr", url)
	o.expect(t, code, part)
	if err := json.Unmarshal([]byte(o.out), &r); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	if r.Reproduced != (code == 0) {
		t.Errorf("%s: exit code %d, %+v", ref, code, r)
	}
	if code != 0 {
		o.oneLine(t)
		t.Logf("| %s | %d | %s |", ref, o.code, strings.TrimSpace(o.err))
	}
	return r, final(t, cohort(t, "", nil, "job", "status", r.Job, "-o", "json", "--addr", url))
}

// lakeJob is a pipeline over a folder whose model is registered as dkt.
func lakeJob(dir string, more ...string) string {
	more = append(more, "register: {model: dkt, promote: true}", "gates: {auc: 0.2, accuracy: 0.2, improvement: 0, fold_spread: 0.9}")
	return pipelineOf(fmt.Sprintf("source: {kind: lake, lake: {url: %q}}", dir), more...)
}

func productionOf(t *testing.T, url, ref string) (v wire.VersionView) {
	t.Helper()
	o := cohort(t, "", nil, "model", "show", ref, "-o", "json", "--addr", url)
	if err := json.Unmarshal([]byte(o.out), &v); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	return v
}

// A version is trained again from the positions recorded for it, whatever has come
// since, and comes to the same weights: a plain one, one that a study chose, and the
// one that is in production after several runs, each of which read what was new.
func TestAModelIsReproducedFromItsRecord(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 2).URL()
	text, err := os.ReadFile(simulated(t, simulate.Config{Students: 160, Skills: 5, Answers: 12, Seed: 3}))
	if err != nil {
		t.Fatal(err)
	}
	dir, add := days(t, string(text), 4)
	job := write(t, "retrain.yaml", lakeJob(dir))
	searched := write(t, "search.yaml", lakeJob(dir, "cross_validate: {folds: 2}", `tune:
  trials: 4
  startup: 3
  lag: 3
  epochs: 3
  space: {model.hidden: [4, 8], train.lr: {low: 0.001, high: 0.1, log: true}}`))
	for n, file := range []string{job, searched, job} {
		add()
		args := []string{"job", "run", file, "-q", "--addr", url}
		if n == 2 {
			args = append(args, "--set", "train.workers=2")
		}
		cohort(t, "", nil, args...).expect(t, 0, "")
	}
	add() // nobody has read it
	for _, ref := range []string{"dkt@1", "dkt@2", "dkt"} {
		v := productionOf(t, url, ref)
		if ref == "dkt" && (v.Version != 3 || v.Stage != wire.Production) {
			t.Fatalf("in production is %+v", v.ModelVersion)
		}
		r, j := reproduce(t, url, ref, 0, "")
		if r.Weights != v.WeightsHash || hashOf(t, j) != v.WeightsHash {
			t.Errorf("%s: %+v, the job %s; registered was %s", ref, r, hashOf(t, j), v.WeightsHash)
		}
		if reused(j) != "" || j.Epoch == 0 {
			t.Errorf("%s: nothing may be kept of what was, reused %q, epoch %d", ref, reused(j), j.Epoch)
		}
		if got := outputOf(j, "validate", "dataset"); got == "" || outputOf(j, "train", "weights") != v.Weights {
			t.Errorf("%s: dataset %q, weights %s", ref, got, outputOf(j, "train", "weights"))
		}
	}
	o := cohort(t, "", nil, "model", "reproduce", "dkt@1", "--addr", url)
	if o.expect(t, 0, "useful commands"); !strings.Contains(o.out, "dkt@1 is reproduced: job reproduce-dkt-v1-") {
		t.Errorf("%+v", o)
	}
	if after := productionOf(t, url, "dkt"); after.Version != 3 || productionOf(t, url, "dkt@latest").Version != 3 {
		t.Errorf("a reproduction has moved the model: %+v", after.ModelVersion)
	}
	// Nor does the next run take anything from it for its own.
	next := final(t, cohort(t, "", nil, "job", "run", job, "-o", "json", "-q", "--addr", url))
	if reused(next) != "" || outputOf(next, "extract", "extraction") == "" {
		t.Errorf("the run with a new day reused %q", reused(next))
	}
}

// What a model takes beside skills and answers is fitted anew as well, on the
// students of the recorded fold file, and a network that the graph runs trains again.
func TestAModelOfOtherInputsIsReproduced(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 2).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	var folds strings.Builder
	folds.WriteString("user_id,fold\n")
	for s := range 60 {
		fmt.Fprintf(&folds, "%d,%d\n", s+1, s%5+1)
	}
	life := "register: {model: %s, promote: true}\ngates: {auc: 0.1, accuracy: 0.1, improvement: 0}\n"
	job := strings.NewReplacer("split: {test: 0.3, valid: 0.3, seed: 1}", fmt.Sprintf("split: {file: %q, column: fold, test: 1, valid: 2}", write(t, "folds.csv", folds.String())),
		"hidden: 8, ", "hidden: 8, inputs: [difficulty], ").Replace(pipelineOf(fmt.Sprintf("data: {events: %q}", events), fmt.Sprintf(life, "difficult")))
	graph := strings.Replace(pipelineOf(fmt.Sprintf("data: {events: %q}", events), fmt.Sprintf(life, "gated")), "hidden: 8, dropout: 0.1", "hidden: 8, cell: gru, engine: graph", 1)
	for name, text := range map[string]string{"difficult": job, "gated": graph} {
		cohort(t, text, nil, "job", "run", "-", "-q", "--addr", url).expect(t, 0, "")
		v := productionOf(t, url, name)
		if r, j := reproduce(t, url, name, 0, ""); r.Weights != v.WeightsHash || hashOf(t, j) != v.WeightsHash || reused(j) != "" {
			t.Errorf("%s: %+v, reused %q", name, r, reused(j))
		}
	}
}

// The cluster's own attempt log is a source like any other: what was learned from it
// is learned again from the segments that were read, and an altered one is named.
func TestAModelOfTheAttemptLogIsReproduced(t *testing.T) {
	long(t)
	t.Parallel()
	dir := t.TempDir()
	c, err := local.Start(t.Context(), local.Config{Workers: 2, DataDir: dir, Version: "test", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := c.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	url := c.URL()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	w := newWrongs(t)
	send := func(round int) {
		t.Helper()
		of := map[string][]string{}
		for k, row := range w.rows { // order_id, user_id, problem_id, skill_id, skill_name, correct
			of[row[1]] = append(of[row[1]], fmt.Sprintf(`{"id": "%d-%d", "item": %q, "skill": %q, "correct": %t}`, round, k, row[2], row[3], row[5] == "1"))
		}
		for _, student := range slices.Sorted(maps.Keys(of)) {
			status, text := post(t, url+attemptsOf(student), "application/json", `{"attempts": [`+strings.Join(of[student], ",")+`]}`)
			if status != http.StatusOK && status != http.StatusAccepted {
				t.Fatalf("%d %s", status, text)
			}
		}
	}
	job := pipelineOf("source: {kind: attempts}", "validate: {freshness: 1h}", "register: {model: dkt, promote: true}", "gates: {auc: 0.1, accuracy: 0.1, improvement: 0}")
	var last wire.JobView
	for round := range 2 {
		send(round)
		last = final(t, cohort(t, job, nil, "job", "run", "-", "-o", "json", "-q", "--addr", url))
		if last.Status != wire.Done {
			t.Fatalf("%s: %s", last.Status, last.Reason)
		}
	}
	send(2) // nobody has read it
	for _, ref := range []string{"dkt@1", "dkt@2"} {
		if r, j := reproduce(t, url, ref, 0, ""); hashOf(t, j) != productionOf(t, url, ref).WeightsHash {
			t.Errorf("%s: %+v", ref, r)
		}
	}
	api := client.New([]string{url}, client.Options{Actor: "test"})
	t.Cleanup(api.Close)
	segments, err := api.SealAttempts(t.Context(), 0)
	if err != nil || len(segments) < 2 {
		t.Fatalf("%v, %v", segments, err)
	}
	spoil(t, blobFile(dir, segments[0].Hash))
	reproduce(t, url, "dkt@2", 8, fmt.Sprintf("stage extract failed: attempt log: attempts 1 to %d are not what they were: blob corrupt", segments[0].Last))
}

// edit changes a file's text, and gives up where that changes nothing.
func edit(t *testing.T, path string, change func(rows []string) []string) (undo func()) {
	t.Helper()
	was, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	is := strings.Join(change(strings.SplitAfter(string(was), "\n")), "")
	if is == string(was) {
		t.Fatal("nothing was changed")
	}
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put(is)
	return func() { put(string(was)) }
}

func TestOneAlteredEventIsFoundAndNamed(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 2).URL()
	text, err := os.ReadFile(simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3}))
	if err != nil {
		t.Fatal(err)
	}
	dir, add := days(t, string(text), 2)
	job := write(t, "retrain.yaml", lakeJob(dir))
	for range 2 {
		add()
		cohort(t, "", nil, "job", "run", job, "-q", "--addr", url).expect(t, 0, "")
	}
	const row = 17 // of the second day; the header is row 1
	day := filepath.Join(dir, "day=2026-01-02", "a.csv")
	field := func(rows []string, name string) int {
		for k, n := range strings.Split(strings.TrimSpace(rows[0]), ",") {
			if n == name {
				return k
			}
		}
		t.Fatalf("no column %s", name)
		return 0
	}
	var student string
	setTo := func(column string, to func(was string) string) func(rows []string) []string {
		return func(rows []string) []string {
			cells := strings.Split(strings.TrimSpace(rows[row-1]), ",")
			student = cells[field(rows, "user_id")]
			k := field(rows, column)
			cells[k] = to(cells[k])
			rows[row-1] = strings.Join(cells, ",") + "\n"
			return rows
		}
	}
	flip := func(s string) string { return map[string]string{"0": "1", "1": "0"}[s] }
	const place = "day=2026-01-02/a.csv, row 17"
	for name, c := range map[string]struct {
		change func(rows []string) []string
		want   []string
	}{
		"correct": {setTo("correct", flip), []string{place + `, column "correct": event`, "correct true", "correct false"}},
		"skill":   {setTo("skill_id", func(s string) string { return "1" + s }), []string{place + `, column "skill_id": event`}},
		"student": {setTo("user_id", func(s string) string { return "7" + s }), []string{place + ": event", "is new; event", "is missing"}},
		"removed": {func(rows []string) []string {
			setTo("correct", flip)(rows)
			return append(rows[:row-1], rows[row:]...)
		}, []string{"the lake: event", "is missing"}},
		"no answer": {setTo("correct", func(string) string { return "maybe" }), []string{place + `, column "correct": "maybe" is neither`, "; event", "is missing"}},
	} {
		undo := edit(t, day, c.change)
		r, j := reproduce(t, url, "dkt", 1, "dkt@2 is not reproduced: model dkt: the events are not those that it learned from: ")
		masked := source.NewMasker([]byte(source.DefaultMaskKey)).Mask(student)
		for _, part := range append(c.want, masked) {
			if !strings.Contains(r.Why, part) {
				t.Errorf("%s: %q lacks %q", name, r.Why, part)
			}
		}
		if strings.Contains(r.Why, fmt.Sprintf("%q", student)) {
			t.Errorf("%s: the student is told: %s", name, r.Why)
		}
		if trained := outputOf(j, "train", "weights"); trained != "" {
			t.Errorf("%s: it trained all the same: %s", name, trained)
		}
		undo()
	}
	// The first version learned from the first day alone; the same text at another
	// time is the same.
	undo := edit(t, day, setTo("correct", flip))
	reproduce(t, url, "dkt@1", 0, "")
	undo()
	reproduce(t, url, "dkt@2", 0, "")
	if err := os.Remove(day); err != nil {
		t.Fatal(err)
	}
	reproduce(t, url, "dkt@2", 8, "dkt@2 could not be made again: job reproduce-dkt-v2-")
	reproduce(t, url, "dkt@2", 8, "stage extract failed: day=2026-01-02/a.csv: is gone since this extraction was planned")
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	reproduce(t, url, "dkt@1", 8, dir+": no such file or folder")
}
