package cli_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

const smallJob = "name: a\ndata: {events: e.csv}\n"

func TestVersion(t *testing.T) {
	t.Parallel()
	if o := cohort(t, "", nil, "version"); o.code != 0 || !strings.HasPrefix(o.out, "cohort ") || o.err != "" {
		t.Errorf("got %+v", o)
	}
	var v map[string]any
	o := cohort(t, "", nil, "version", "-o", "json")
	if err := json.Unmarshal([]byte(o.out), &v); err != nil || v["go"] == nil {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestHelpNamesCommandsFlagsAndCodes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ line, part string }{
		{"", "cohort dev"},
		{"help", "124 wait timed out"},
		{"job --help", "validate FILE"},
		{"job run --help", "--set KEY=VALUE"},
		{"demo -h", "--split FILE:COLUMN"},
		{"job run -h", "-o, --output FORMAT"},
		{"job run -h", "(default http://127.0.0.1:7070)"},
	} {
		o := cohort(t, "", nil, strings.Fields(c.line)...)
		if o.code != 0 || !strings.Contains(o.out, c.part) || o.err != "" {
			t.Errorf("%q lacks %q: %+v", c.line, c.part, o)
		}
	}
}

// The files that job init prints work.
func TestInitPrintsFilesThatWork(t *testing.T) {
	t.Parallel()
	o := cohort(t, "", nil, "job", "init")
	if _, err := wire.ParseSpec("job.yaml", []byte(o.out)); err != nil {
		t.Error(err)
	}
	text := cohort(t, "", nil, "job", "init", "pipeline").out
	s, err := wire.ParseSpec("retrain.yaml", []byte(text))
	if d := cmp.Diff(wire.DefaultGates(), s.Gates) + cmp.Diff(wire.DefaultDeploy(), s.Deploy); d != "" || err != nil {
		t.Errorf("%v: what it calls the defaults differs: %s", err, d)
	}
	from, to := strings.Index(text, "# tune:"), strings.Index(text, "register:")
	all := text[:from] + strings.ReplaceAll("\n"+text[from:to], "\n# ", "\n") + text[to:]
	if s, err := wire.ParseSpec("retrain.yaml", []byte(all)); err != nil || s.Tune.Trials == 0 || len(s.Tune.Space) != 3 || s.CrossValidate.Folds == 0 {
		t.Errorf("with what stands behind #: %v, %+v", err, s.Tune)
	}
	for _, kind := range []string{"coordinator", "worker"} {
		o := cohort(t, "", nil, "job", "init", kind)
		bad := cohort(t, "", nil, kind, "--config", write(t, "node.yaml", strings.ReplaceAll(o.out, "127.0.0.1", "192.0.2.1")))
		bad.expect(t, 1, "insecure: true")
	}
	cohort(t, "", nil, "job", "init", "zebra").expect(t, 2, "known: job, pipeline, coordinator, worker")
}

func TestValidateReadsTheJobAndLooksForItsFiles(t *testing.T) {
	t.Parallel()
	job := write(t, "job.yaml", smallJob)
	cohort(t, "", nil, "job", "validate", job).expect(t, 4, "data.events")
	if err := os.WriteFile(filepath.Join(filepath.Dir(job), "e.csv"), []byte("x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	cohort(t, "", nil, "job", "validate", job).expect(t, 0, "is valid")
	o := cohort(t, "", nil, "job", "validate", job, "-o", "json", "--set", "train.seed=9")
	var spec wire.Spec
	if err := json.Unmarshal([]byte(o.out), &spec); err != nil || spec.Train.Seed != 9 {
		t.Errorf("got %+v, %v", o, err)
	}
}

func TestEveryFaultOfAJobFileIsALine(t *testing.T) {
	t.Parallel()
	o := cohort(t, "nam: a\ntrain: {lr: 0}\n", nil, "job", "validate", "-")
	want := `standard input: name is missing
standard input: data.events is missing: name a CSV file, dataset:ID or sha256:HASH
standard input:1: unknown key "nam" at the top level; did you mean "name"?
standard input:2: train.lr is 0; a learning rate is above 0
`
	if diff := cmp.Diff(want, o.err); diff != "" || o.code != 1 {
		t.Errorf("code %d: %s", o.code, diff)
	}
}

func TestSettingsComeFromFlagsThenVariablesThenFiles(t *testing.T) {
	home, project := t.TempDir(), t.TempDir()
	t.Chdir(project)
	put := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	urls := map[string]string{}
	for _, name := range []string{"flag", "variable", "project", "user"} {
		_, urls[name] = newFake(t, map[string][]any{"GET /v1/jobs": {[]wire.JobView{{Job: wire.Job{ID: name}}}}})
	}
	env := []string{"XDG_CONFIG_HOME=" + home}
	check := func(want string, env []string, args ...string) {
		t.Helper()
		o := cohort(t, "", env, append([]string{"job", "list", "-q"}, args...)...)
		if o.out != want+"\n" || o.code != 0 {
			t.Errorf("want %s, got %+v", want, o)
		}
	}
	put(filepath.Join(home, "cohort", "config.yaml"), "addr: "+urls["user"]+"\n")
	check("user", env)
	check("user", []string{"HOME=" + home + "/none", "XDG_CONFIG_HOME=" + home})
	put("cohort.yaml", "addr: "+urls["project"]+"\n")
	check("project", env)
	check("variable", append(env, "COHORT_ADDR="+urls["variable"]))
	check("flag", append(env, "COHORT_ADDR="+urls["variable"]), "--addr", urls["flag"])

	put("cohort.yaml", "adr: x\n")
	cohort(t, "", env, "job", "list").expect(t, 1, `cohort.yaml:1: unknown key "adr" at the top level; did you mean "addr"?`)
	put("cohort.yaml", "quiet: perhaps\n")
	cohort(t, "", env, "job", "list").expect(t, 2, `--quiet "perhaps" (from cohort.yaml): want true or false`)
	put("cohort.yaml", "")
	cohort(t, "", append(env, "COHORT_OUTPUT=xml"), "job", "list").expect(t, 2, `--output "xml" is unknown`)
}

func TestListsAsTableIdsAndJSON(t *testing.T) {
	t.Parallel()
	_, url := newFake(t, map[string][]any{
		"GET /v1/jobs": {[]wire.JobView{
			{Job: wire.Job{ID: "j2", Name: "two", Status: wire.Running, Reason: "waiting for\nworkers"}, Epoch: 3, Epochs: 9, ValidAUC: 0.75},
			{Job: wire.Job{ID: "j1", Name: "one", Status: wire.Done}},
		}},
		"GET /v1/nodes":       {[]wire.NodeView{{Node: wire.Node{ID: "w1", Status: wire.NodeReady, Resources: wire.Resources{Cores: 4, MemoryMB: 2048}}, Alive: true}}},
		"GET /v1/nodes/w1":    {wire.NodeView{Node: wire.Node{ID: "w1", Kernels: "avx2"}, Tasks: []string{"a/b/0"}}},
		"GET /v1/datasets":    {[]wire.Dataset{}},
		"GET /v1/datasets/d1": {wire.Dataset{ID: "d1", Events: 1234567}},
	})
	for _, c := range []struct{ line, want string }{
		{"job list", "ID  NAME  STATUS   EPOCH  VALID AUC  SUBMITTED  REASON\nj2  two   running  3/9    0.7500     -          waiting for workers\nj1  one   done     -      -          -          -\n"},
		{"job list -q", "j2\nj1\n"},
		{"node list", "ID  STATUS  ALIVE  CORES  MEMORY   KERNELS  TASKS  ADDRESS\nw1  ready   true   0/4    2.0 GiB  -        0      -\n"},
		{"data list -o json", "[]\n"},
	} {
		o := cohort(t, "", nil, append(strings.Fields(c.line), "--addr", url)...)
		if diff := cmp.Diff(c.want, o.out); diff != "" || o.code != 0 {
			t.Errorf("%s: %+v\n%s", c.line, o, diff)
		}
	}
	for line, part := range map[string]string{
		"node status w1": "avx2", "node status w1 -o json": `"id":"w1"`, "data show d1": "1,234,567", "data show d1 -o json": `"id":"d1"`,
	} {
		o := cohort(t, "", nil, append(strings.Fields(line), "--addr", url)...)
		if !strings.Contains(o.out, part) {
			t.Errorf("%s lacks %q: %+v", line, part, o)
		}
	}
}

func TestErrorsOfTheClusterHaveTheirCodes(t *testing.T) {
	t.Parallel()
	for code, want := range map[wire.Code]int{
		wire.CodeInvalid: 1, wire.CodeGate: 3, wire.CodeNotFound: 4, wire.CodeConflict: 5,
		wire.CodeDenied: 6, wire.CodeInternal: 1,
	} {
		_, url := newFake(t, map[string][]any{"GET /v1/jobs/j": {&wire.Error{Code: code, Message: "because\nof this"}}})
		o := cohort(t, "", nil, "job", "status", "j", "--addr", url)
		o.expect(t, want, "cohort job status: because of this")
		o.oneLine(t)
	}
}

func TestNobodyAnswering(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	o := cohort(t, "", nil, "job", "list", "--addr", addr)
	o.expect(t, 7, `): dial tcp `+addr+`: connect: connection refused; "cohort dev" starts a cluster`)
	o.oneLine(t)
	cohort(t, "", nil, "doctor", "--addr", addr).expect(t, 7, addr)
}

func job(id string, status wire.Status, mend ...func(*wire.JobView)) wire.JobView {
	j := wire.JobView{Job: wire.Job{ID: id, Name: "n", Status: status}}
	for _, m := range mend {
		m(&j)
	}
	return j
}

func TestJobRunUploadsSubmitsAndFollows(t *testing.T) {
	t.Parallel()
	training := func(done int64, auc float64) func(*wire.JobView) {
		return func(j *wire.JobView) {
			j.Progress = []wire.Progress{
				{Task: "j/train/0", Epoch: 1, Epochs: 2, Done: done, Total: 20, Loss: 0.5, ValidAUC: auc, Rate: 54321},
				{Task: "j/train/1", Epoch: 1, Epochs: 2, Done: done - 1, Total: 20},
			}
			if auc == 0 {
				j.Progress[0].Message = "validating"
			}
			j.Stages = []wire.StageView{{Stage: wire.Stage{Name: "import", Status: wire.Done, Started: 1000, Ended: 3000}}, {Stage: wire.Stage{Name: "train", Status: wire.Running}}}
		}
	}
	ended := func(j *wire.JobView) {
		j.Result = map[string]json.RawMessage{
			"test":           json.RawMessage(`{"auc":0.75,"accuracy":0.7,"f1":0.8,"log_loss":0.5,"calibration_error":0.01,"answers":1234}`),
			"baselines":      json.RawMessage(`{"skill_mean":{"auc":0.6},"logistic":{"auc":0.7}}`),
			"weights_sha256": json.RawMessage(`"abc"`), "answers_per_second": json.RawMessage(`1000.4`),
		}
	}
	events := write(t, "e.csv", "h\n1\n")
	f, url := newFake(t, map[string][]any{
		"POST /v1/jobs": {wire.SubmitReply{ID: "j"}},
		"GET /v1/jobs/j": append(
			repeat[any](job("j", wire.Pending, func(j *wire.JobView) { j.Reason = "no worker is free" }), 6),
			job("j", wire.Running, training(5, 0)), job("j", wire.Running, training(10, 0)), job("j", wire.Running, training(10, 0.7)),
			job("j", wire.Running, training(12, 0.7)), job("j", wire.Running, training(20, 0.72)), job("j", wire.Done, ended),
		),
	})
	f.mu.Lock()
	hash := sha(t, events)
	f.answers["PUT /v1/blobs/"+hash] = []any{struct{}{}}
	f.mu.Unlock()
	o := cohort(t, "name: n\ndata: {events: "+events+"}\n", nil, "job", "run", "-", "--addr", url)
	o.expect(t, 0, "uploading e.csv (4 B)")
	if got := f.body("PUT /v1/blobs/" + hash); got != "h\n1\n" {
		t.Errorf("uploaded %q", got)
	}
	if got := f.body("POST /v1/jobs"); !strings.Contains(got, "events: sha256:"+hash) || !strings.Contains(got, "events_name: e.csv") {
		t.Errorf("submitted %q", got)
	}
	follow := `waiting: no worker is free
import done in 2s
train running
epoch 1/2  loss 0.5000  valid AUC 0.7000  54,321 answers/s
epoch 2/2  loss 0.5000  valid AUC 0.7200  54,321 answers/s
`
	if !strings.HasSuffix(o.err, follow) || !strings.Contains(o.err, "  cohort job logs -f --addr "+url+" j\n") {
		t.Errorf("stderr:\n%s", o.err)
	}
	table := `
held-out students, 1,234 answers predicted
MODEL       AUC     ACCURACY  F1      LOG LOSS  CALIBRATION ERROR
DKT         0.7500  0.7000    0.8000  0.5000    0.0100
logistic    0.7000  0.0000    0.0000  0.0000    0.0000
skill mean  0.6000  0.0000    0.0000  0.0000    0.0000

weights  sha256:abc
`
	if !strings.HasPrefix(o.out, table) {
		t.Errorf("stdout:\n%s", o.out)
	}
}

func TestAJobThatFailsIsCode8WithItsReason(t *testing.T) {
	t.Parallel()
	for _, status := range []wire.Status{wire.Failed, wire.Stopped} {
		_, url := newFake(t, map[string][]any{
			"GET /v1/jobs/j": {job("j", status, func(j *wire.JobView) { j.Reason = "e.csv row 3: no" })},
		})
		o := cohort(t, "", nil, "job", "wait", "j", "-o", "json", "--addr", url)
		o.expect(t, 8, "job j "+string(status)+": e.csv row 3: no")
		var last wire.JobView
		if err := json.Unmarshal([]byte(o.out), &last); err != nil || last.Status != status {
			t.Errorf("stdout %q: %v", o.out, err)
		}
	}
}

func TestWaitTimesOutWith124(t *testing.T) {
	t.Parallel()
	_, url := newFake(t, map[string][]any{"GET /v1/jobs/j": {job("j", wire.Running)}})
	cohort(t, "", nil, "job", "wait", "j", "--timeout", "300ms", "--addr", url).expect(t, 124, "job j has not ended after 300ms")
}

func TestAnAbsentCoordinatorIsWaitedFor(t *testing.T) {
	t.Parallel()
	_, url := newFake(t, map[string][]any{"GET /v1/jobs/j": append(
		repeat[any](&wire.Error{Code: wire.CodeNoLeader, Message: "no leader"}, 30), job("j", wire.Done))})
	o := cohort(t, "", nil, "job", "wait", "j", "--addr", url)
	o.expect(t, 0, "no coordinator answers; what trains goes on, waiting")
}

func repeat[T any](v T, n int) []T {
	list := make([]T, n)
	for k := range list {
		list[k] = v
	}
	return list
}

// A stage that is tried again says so once each time, and waits for nothing.
func TestAStageTriedAgainIsToldOnce(t *testing.T) {
	t.Parallel()
	const outage = "failed 1 of 8 times, tried again after a pause: no broker answers"
	stage := func(status wire.Status, reason string) func(*wire.JobView) {
		return func(j *wire.JobView) {
			j.Stages = []wire.StageView{{Stage: wire.Stage{Name: "extract", Status: status, Reason: reason}}}
		}
	}
	_, url := newFake(t, map[string][]any{"GET /v1/jobs/j": append(
		repeat[any](job("j", wire.Running, stage(wire.Pending, outage)), 6),
		job("j", wire.Running, stage(wire.Running, "")), job("j", wire.Done, stage(wire.Done, "")))})
	o := cohort(t, "", nil, "job", "wait", "j", "--addr", url)
	o.expect(t, 0, "extract "+outage+"\n")
	if strings.Count(o.err, outage) != 1 || strings.Contains(o.err, "waiting:") {
		t.Errorf("stderr: %s", o.err)
	}
}

func TestCtrlCLeavesTheJobRunning(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	f, url := newFake(t, map[string][]any{
		"POST /v1/jobs": {wire.SubmitReply{ID: "j"}}, "GET /v1/jobs/j": {job("j", wire.Running)},
	})
	go func() {
		defer cancel()
		for ctx.Err() == nil && !f.asked("GET /v1/jobs/j") {
			<-time.After(10 * time.Millisecond)
		}
	}()
	spec := "name: n\ndata: {events: 'dataset:" + strings.Repeat("0", 64) + "'}\n"
	o := cohortIn(ctx, spec, nil, "job", "run", "-", "--addr", url)
	o.expect(t, 130, "job j goes on without you; come back with\n  cohort job wait --addr "+url+" j\n")
}

func TestDetachPrintsTheID(t *testing.T) {
	t.Parallel()
	_, url := newFake(t, map[string][]any{"POST /v1/jobs": {wire.SubmitReply{ID: "j"}}})
	spec := "name: n\nkind: graph\nstages: [{name: a, kind: noop}]\n"
	for flags, want := range map[string]string{"": "j\n", "-o json": `{"id":"j","index":0}` + "\n"} {
		o := cohort(t, spec, nil, append([]string{"-detach", "job", "run", "-", "--addr", url, "-q"}, strings.Fields(flags)...)...)
		if o.code != 0 || o.out != want || o.err != "" {
			t.Errorf("got %+v", o)
		}
	}
}

func TestPlanSaysByItsCodeWhetherThereIsSomethingToDo(t *testing.T) {
	t.Parallel()
	text := "name: n\nkind: graph\nstages: [{name: a, kind: noop}]\n"
	spec, err := wire.ParseSpec("", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	full, err := spec.Text()
	if err != nil {
		t.Fatal(err)
	}
	same := fmt.Sprintf("%x", sha256.Sum256([]byte(full)))
	planned := func(a wire.Action) wire.PlanReply {
		return wire.PlanReply{Stages: []wire.PlannedStage{{Stage: wire.Stage{Name: "a", Kind: "noop", Run: "batch", Tasks: 1}, Action: a}}}
	}
	plan := planned(wire.ActionRun)
	for _, c := range []struct {
		name   string
		answer any
		job    wire.Job
		code   int
	}{
		{"done", plan, wire.Job{ID: "j", Status: wire.Done, SpecHash: same}, 0},
		{"unchanged", planned(wire.ActionReuse), wire.Job{}, 0},
		{"asks", planned(wire.ActionAsk), wire.Job{}, 1},
		{"failed", plan, wire.Job{ID: "j", Status: wire.Failed, SpecHash: same}, 1},
		{"another", plan, wire.Job{ID: "j", Status: wire.Done, SpecHash: "x"}, 1},
		{"refused", &wire.Error{Code: wire.CodeInvalid, Message: "no"}, wire.Job{}, 255},
	} {
		_, url := newFake(t, map[string][]any{"POST /v1/jobs/plan": {c.answer}, "GET /v1/jobs": {[]wire.JobView{{Job: c.job}}}})
		if o := cohort(t, text, nil, "job", "plan", "-", "--addr", url); o.code != c.code {
			t.Errorf("%s: %+v", c.name, o)
		}
	}
	cohort(t, "nam: x\n", nil, "job", "plan", "-").expect(t, 255, "did you mean")
	cohort(t, "", nil, "job", "plan").expect(t, 255, "needs FILE")
	cohort(t, text, nil, "job", "plan", "-", "--addr", "127.0.0.1:1").expect(t, 255, "no coordinator answers")
}

func TestLogsFollowToTheEnd(t *testing.T) {
	t.Parallel()
	page := func(next uint64, lines ...string) wire.LogsReply {
		r := wire.LogsReply{Next: next}
		for _, l := range lines {
			r.Lines = append(r.Lines, wire.LogLine{Task: "j/a/0", Text: l})
		}
		return r
	}
	answers := func() map[string][]any {
		return map[string][]any{
			"GET /v1/jobs/j/logs": {page(2, "one"), page(2), page(3, "two"), page(3), page(4, "three"), page(4)},
			"GET /v1/jobs/j":      {job("j", wire.Running), job("j", wire.Done)},
		}
	}
	_, url := newFake(t, answers())
	if o := cohort(t, "", nil, "job", "logs", "j", "--addr", url); o.out != "j/a/0  one\n" {
		t.Errorf("got %+v", o)
	}
	_, url = newFake(t, answers())
	if o := cohort(t, "", nil, "job", "logs", "-f", "j", "--addr", url); o.out != "j/a/0  one\nj/a/0  two\nj/a/0  three\n" {
		t.Errorf("got %+v", o)
	}
	_, url = newFake(t, answers())
	if o := cohort(t, "", nil, "job", "logs", "j", "-o", "json", "--addr", url); !strings.Contains(o.out, `"text":"one"`) {
		t.Errorf("got %+v", o)
	}
}

func TestStopAndDrain(t *testing.T) {
	t.Parallel()
	f, url := newFake(t, map[string][]any{
		"POST /v1/jobs/j/stop": {wire.SubmitReply{ID: "j"}}, "POST /v1/nodes/w/drain": {wire.SubmitReply{}}, "POST /v1/nodes/w/undrain": {wire.SubmitReply{}},
	})
	cohort(t, "", []string{"USER=ann"}, "job", "stop", "j", "--addr", url, "--check-index", "9").expect(t, 0, "")
	if got, want := f.body("POST /v1/jobs/j/stop"), `{"reason":"stopped by ann","check_index":9}`; got != want {
		t.Errorf("sent %s, want %s", got, want)
	}
	for _, verb := range []string{"drain", "undrain"} {
		if o := cohort(t, "", nil, "node", verb, "w", "--addr", url); o.code != 0 || !strings.Contains(o.out, verb) {
			t.Errorf("got %+v", o)
		}
	}
}

func TestSimulateWritesTheSameFileTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := cohort(t, "", nil, "data", "simulate", "--students", "5", "--skills", "3", "--answers", "4", "--seed", "9")
	if first.code != 0 || !strings.HasPrefix(first.out, "order_id,user_id,problem_id,skill_id,skill_name,correct\n1,1,") {
		t.Fatalf("got %+v", first)
	}
	path := filepath.Join(dir, "x.csv")
	cohort(t, "", nil, "data", "simulate", path, "--students", "5", "--skills", "3", "--answers", "4", "--seed", "9", "-o", "json").expect(t, 0, "learners")
	text, err := os.ReadFile(path)
	if err != nil || string(text) != first.out {
		t.Errorf("file and stdout differ: %v", err)
	}
	cohort(t, "", nil, "data", "simulate", path+".gz", "--students", "5").expect(t, 0, "")
	cohort(t, "", nil, "data", "simulate", filepath.Join(path, "below")).expect(t, 1, "not a directory")
	cohort(t, "", nil, "data", "simulate", "--students", "0").expect(t, 2, "students is 0")
}

func TestDoctorWithoutACluster(t *testing.T) {
	t.Parallel()
	_, url := newFake(t, map[string][]any{"GET /v1/status": {wire.StatusReply{Leader: "c1"}}, "GET /v1/nodes": {[]wire.NodeView{}}})
	o := cohort(t, "", nil, "doctor", "--addr", url, "--data-dir", filepath.Join(t.TempDir(), "new"))
	if o.code != 0 || !strings.Contains(o.out, "leader c1, 0 workers") {
		t.Errorf("got %+v", o)
	}
	cohort(t, "", nil, "doctor", "--addr", url, "--data-dir", filepath.Join(write(t, "f", ""), "x")).expect(t, 1, "data folder")
}
