package cli_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cohort/bench/chaos"
	"cohort/cli"
	"cohort/cli/local"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
	"cohort/worker/supervise"
)

func TestMain(m *testing.M) {
	if supervise.Asked(os.Args) { // a worker of this process runs a command
		// os.Exit would have a test binary write of its coverage into the command's output.
		syscall.Exit(cli.Main(context.Background(), os.Args, nil, nil, nil, nil))
	}
	goleak.VerifyTestMain(m,
		goleak.IgnoreTopFunction("github.com/hashicorp/raft.(*deferError).Error"), // of a command that raft's end overtook
		goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// long keeps a test out of short runs.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("it takes long: go test without -short runs it, and make cover does")
	}
}

// startCluster is a cluster for one test, whose exec stages may run some programs.
func startCluster(t *testing.T, workers int, exec ...string) *local.Cluster {
	t.Helper()
	c, err := local.Start(t.Context(), local.Config{
		Workers: workers, DataDir: t.TempDir(), Exec: exec, Version: "test", Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := c.Ready(ctx); err != nil {
		t.Fatal(err)
	}
	return c
}

// simulated writes a small event log.
func simulated(t *testing.T, c simulate.Config) string {
	t.Helper()
	var b bytes.Buffer
	if _, err := simulate.WriteCSV(&b, c); err != nil {
		t.Fatal(err)
	}
	return write(t, "events.csv", b.String())
}

// jobOf is a job file over events that trains a tiny model.
func jobOf(events string, more ...string) string {
	return fmt.Sprintf(`name: tiny
data: {events: %q}
split: {test: 0.3, valid: 0.3, seed: 1}
model: {embed: 8, hidden: 8, dropout: 0.1}
train: {workers: 1, batch: 8, epochs: 2}
%s`, events, strings.Join(more, "\n"))
}

// final reads the last line of a JSON run.
func final(t *testing.T, o outcome) (j wire.JobView) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(o.out), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &j); err != nil {
		t.Fatalf("code %d, stdout %q, stderr %q: %v", o.code, o.out, o.err, err)
	}
	return j
}

func hashOf(t *testing.T, j wire.JobView) (hash string) {
	t.Helper()
	if err := json.Unmarshal(j.Result["weights_sha256"], &hash); err != nil || len(hash) != 64 {
		t.Fatalf("weights_sha256 of %v: %v", j.Result, err)
	}
	return hash
}

func TestAJobRunsFromFileToResult(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 2).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	o := cohort(t, jobOf(events), nil, "job", "run", "-", "-o", "json", "--addr", url)
	o.expect(t, 0, "useful commands")
	done := final(t, o)
	if done.Status != wire.Done || done.ID == "" || done.Epoch != 2 {
		t.Errorf("got %+v", done)
	}
	for _, key := range []string{"valid", "test", "weights_sha256", "answers_per_second", "baselines"} {
		if done.Result[key] == nil {
			t.Errorf("result has no %s: %s", key, o.out)
		}
	}
	var test map[string]float64
	if err := json.Unmarshal(done.Result["test"], &test); err != nil {
		t.Error(err)
	}
	for _, key := range []string{"auc", "accuracy", "f1", "log_loss"} {
		if test[key] <= 0 {
			t.Errorf("result.test has no %s: %v", key, test)
		}
	}
	for line, part := range map[string]string{
		"job status " + done.ID:              "held-out students",
		"job status -o json " + done.ID:      `"weights_sha256":"` + hashOf(t, done),
		"job list -q":                        done.ID,
		"job logs " + done.ID:                "epoch done",
		"job wait " + done.ID:                "sha256:" + hashOf(t, done),
		"node list":                          "w2",
		"node status w1 -o json":             `"status":"ready"`,
		"data list":                          "tiny",
		"job stop nothing-here --reason why": "",
	} {
		o := cohort(t, "", nil, append(strings.Fields(line), "--addr", url)...)
		if !strings.Contains(o.out, part) {
			t.Errorf("%s lacks %q: %+v", line, part, o)
		}
	}
	job := write(t, "job.yaml", jobOf(events))
	cohort(t, "", nil, "job", "plan", job, "--addr", url).expect(t, 0, "nothing to do: job "+done.ID)
	cohort(t, "", nil, "job", "plan", job, "--addr", url, "--set", "train.epochs=3").expect(t, 1, "")
	fromDataset(t, url, done)
}

// fromDataset trains again on the dataset that a first job imported: the same hash.
func fromDataset(t *testing.T, url string, first wire.JobView) {
	t.Helper()
	id := strings.TrimSpace(cohort(t, "", nil, "data", "list", "-q", "--addr", url).out)
	if o := cohort(t, "", nil, "data", "show", id, "--addr", url); o.code != 0 || !strings.Contains(o.out, "students") {
		t.Errorf("got %+v", o)
	}
	o := cohort(t, jobOf("dataset:"+id), nil, "job", "run", "-", "-o", "json", "--addr", url, "--set", "train.workers=2", "--set", "data.shards=64")
	if got, want := hashOf(t, final(t, o)), hashOf(t, first); got != want {
		t.Errorf("2 workers and 64 shards give %s, 1 worker and 16 gave %s", got, want)
	}
}

func TestImportMakesADataset(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	events := simulated(t, simulate.Config{Students: 5, Skills: 2, Answers: 4, Seed: 3})
	cohort(t, "", nil, "data", "import", events, "--name", "five", "--addr", url).expect(t, 0, "import done")
	if o := cohort(t, "", nil, "data", "list", "--addr", url); !strings.Contains(o.out, "five") {
		t.Errorf("got %+v", o)
	}
	cohort(t, "", nil, "data", "import", events, "--skill", "ability", "--addr", url).expect(t, 8, "ability")
}

// The second run has other workers and shards, and gives the same weights.
func TestDemoOnEventsTwiceInOneFolder(t *testing.T) {
	long(t)
	t.Parallel()
	events := simulated(t, simulate.Config{Students: 50, Skills: 3, Answers: 8, Seed: 3})
	var folds strings.Builder
	folds.WriteString("user_id,fold\n")
	for s := range 50 {
		fmt.Fprintf(&folds, "%d,%d\n", s+1, s%5+1)
	}
	dir, split := filepath.Join(t.TempDir(), "data"), write(t, "folds.csv", folds.String())
	demo := func(flags string) outcome {
		return cohort(t, "", nil, append(strings.Fields(flags), "demo", "--events", events, "--split", split+":fold", "--fold", "5", "--epochs", "1", "--data-dir", dir)...)
	}
	o := demo("--workers 2")
	o.expect(t, 0, "train done")
	if !strings.Contains(o.out, "skill mean") {
		t.Errorf("no table: %s", o.out)
	}
	_, first, _ := strings.Cut(o.out, "sha256:")
	o = demo("--workers 1 --shards 3 -o json")
	o.expect(t, 0, "")
	done := final(t, o)
	if !strings.HasPrefix(first, hashOf(t, done)) {
		t.Errorf("first %s, then %s", first, hashOf(t, done))
	}
	if !strings.Contains(done.Spec, "test: 5") || !strings.Contains(done.Spec, "valid: 1") {
		t.Errorf("spec %s", done.Spec)
	}
}

func TestCtrlCEndsTheDemoInTime(t *testing.T) {
	t.Parallel()
	events := simulated(t, simulate.Config{Students: 400, Skills: 5, Answers: 30, Seed: 3})
	dir := t.TempDir()
	for _, after := range []time.Duration{0, 100 * time.Millisecond, time.Second} {
		ctx, cancel := context.WithCancel(t.Context())
		stopped := make(chan time.Time, 1)
		time.AfterFunc(after, func() {
			stopped <- time.Now()
			cancel()
		})
		o := cohortIn(ctx, "", nil, "demo", "--events", events, "--epochs", "100000", "--data-dir", dir)
		if took := time.Since(<-stopped); took > time.Minute {
			t.Errorf("took %v after %v", took, after)
		}
		o.expect(t, 130, "")
		cancel()
		until(t, "what the command left behind has ended", func() bool { return free(dir) })
	}
	cohort(t, "", nil, "demo", "--events", events, "--epochs", "1", "--data-dir", dir).expect(t, 0, "")
}

// free is whether no cluster of this process has the folder: one whose end
// takes longer than its grace goes on beside the test, where a process would end.
func free(dir string) bool {
	lock, err := local.Lock(dir)
	return err == nil && lock.Close() == nil
}

// running is a command in the background.
type running struct {
	out, err shared
	cancel   context.CancelFunc
	code     chan int
}

// background runs a command until the test ends it.
func background(t *testing.T, args ...string) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{cancel: cancel, code: make(chan int, 1)}
	go func() {
		r.code <- cli.Main(ctx, append([]string{"cohort"}, args...), strings.NewReader(""), &r.out, &r.err, nil)
	}()
	t.Cleanup(func() {
		if r.stop(t); t.Failed() {
			t.Logf("cohort %s: %s", strings.Join(args, " "), r.err.String())
		}
	})
	return r
}

// stop ends the command as Ctrl-C does.
func (r *running) stop(t *testing.T) outcome {
	t.Helper()
	r.cancel()
	select {
	case code := <-r.code:
		r.code <- code
		return outcome{code, r.out.String(), r.err.String()}
	case <-time.After(time.Minute):
		t.Error("the command does not end")
		return outcome{}
	}
}

// until polls until f is content.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		if time.Now().After(deadline) {
			t.Fatal("not in time: " + what)
		}
		<-tick.C
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	ports, err := chaos.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	return ports[0]
}

// A coordinator and two workers from three configuration files do what one
// process does.
func TestThreeNodesFromThreeFiles(t *testing.T) {
	t.Parallel()
	dir, http := t.TempDir(), freePort(t)
	coordinator := fmt.Sprintf("id: c1\ndata_dir: %s/c1\nhttp: %s\nraft: %s\ngossip: %s\nstream: %s\n", dir, http, freePort(t), freePort(t), freePort(t))
	c := write(t, "c.yaml", coordinator)
	running := background(t, "coordinator", "--config", c)
	for _, id := range []string{"w1", "w2"} {
		background(t, "worker", "--config", write(t, "w.yaml", fmt.Sprintf("id: %s\ndata_dir: %s/%s\ncoordinators: [%s]\ncores: 1\n", id, dir, id, http)))
	}
	nodes := func() bool {
		return cohort(t, "", nil, "node", "list", "-q", "--addr", http).out == "w1\nw2\n"
	}
	until(t, "two workers", nodes)
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	o := cohort(t, jobOf(events), nil, "job", "run", "-", "-o", "json", "--addr", http, "--set", "train.workers=2")
	o.expect(t, 0, "")
	first := hashOf(t, final(t, o))
	if o := running.stop(t); o.code != 0 {
		t.Errorf("got %+v", o)
	}
	background(t, "coordinator", "--config", c)
	until(t, "the coordinator again", func() bool {
		return cohort(t, "", nil, "job", "status", final(t, o).ID, "--addr", http).code == 0
	})
	o = cohort(t, jobOf(events), nil, "job", "run", "-", "-o", "json", "--addr", http)
	o.expect(t, 0, "")
	if again := hashOf(t, final(t, o)); again != first {
		t.Errorf("hash %s, then %s", first, again)
	}
}

func TestDevServesUntilItIsStopped(t *testing.T) {
	t.Parallel()
	http := freePort(t)
	dev := background(t, "dev", "--workers", "1", "--data-dir", t.TempDir(), "--http", http, "-o", "json")
	until(t, "dev", func() bool { return strings.Contains(dev.err.String(), "Ctrl-C ends it") })
	if o := cohort(t, "", nil, "node", "list", "-q", "--addr", http); o.out != "w1\n" {
		t.Errorf("got %+v", o)
	}
	o := dev.stop(t)
	if o.code != 0 || !strings.Contains(o.out, `"addr":"http://`+http+`"`) || !strings.Contains(o.err, "cohort job run --addr http://"+http) {
		t.Errorf("got %+v", o)
	}
}

func zipped(t *testing.T, text string, cut int) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return write(t, "e.csv.gz", b.String()[:b.Len()-cut])
}

const header = "order_id,user_id,problem_id,skill_id,correct\n"

// Wrong event files: a failed job whose reason names file and row, and the
// cluster works on.
func TestWrongEventsAreNamed(t *testing.T) {
	long(t)
	t.Parallel()
	url := startCluster(t, 1).URL()
	row := func(order, user int, rest string) string { return fmt.Sprintf("%d,%d,%s\n", order, user, rest) }
	right, oneSkill := header, header
	for k := range 200 {
		right += row(k, k%20, "1,1,1")
		oneSkill += row(k, k%20, fmt.Sprintf("1,1,%d", k/20%2))
	}
	good := simulated(t, simulate.Config{Students: 40, Skills: 3, Answers: 8, Seed: 5})
	fold := func(text string) string {
		return "split: {file: " + write(t, "f.csv", text) + ", column: fold, test: 1, valid: 2}"
	}
	for _, c := range []struct {
		name, file string
		code       int
		part       string
		more       []string
	}{
		{name: "empty-file", file: write(t, "e.csv", ""), code: 8, part: "e.csv"},
		{name: "header-only", file: write(t, "e.csv", header), code: 8, part: "e.csv"},
		{name: "missing-column", file: write(t, "e.csv", strings.Replace(header, "skill_id", "skil", 1)+"1,1,1,1,1\n"), code: 8, part: "skill_id"},
		{name: "text-in-correct", file: write(t, "e.csv", header+"1,1,1,1,1\n2,1,1,1,yes\n"), code: 8, part: "row 3"},
		{name: "text-in-time", file: write(t, "e.csv", header+"soon,1,1,1,1\n"), code: 8, part: "order_id"},
		{name: "no-student", file: write(t, "e.csv", header+"1,,1,1,1\n"), code: 8, part: "user_id"},
		{name: "too-few-cells", file: write(t, "e.csv", header+"1,1\n"), code: 8, part: "row 2"},
		{name: "open-quote", file: write(t, "e.csv", header+"1,\"1,1,1,1\n"), code: 8, part: "e.csv"},
		{name: "nul-bytes", file: write(t, "e.csv", header+"1,1\x00,1,1,1\n"), code: 8, part: "NUL byte"},
		{name: "long-line", file: write(t, "e.csv", header+"1,1,1,1,1"+strings.Repeat("9", 10<<20)+"\n"), code: 8, part: "e.csv"},
		{name: "truncated-gzip", file: zipped(t, header+strings.Repeat("1,1,1,1,1\n", 100), 12), code: 8, part: "e.csv.gz"},
		{name: "no-gzip-inside", file: write(t, "e.csv.gz", header), code: 8, part: "e.csv.gz"},
		{name: "binary", file: write(t, "e.csv", "\x7fELF\x02\x01\x01\x00\x00"), code: 8, part: "e.csv"},
		{name: "all-right", file: write(t, "e.csv", right), code: 8, part: ""},
		{name: "one-skill", file: write(t, "e.csv", oneSkill), code: 0},
		{name: "students-with-one-answer", file: write(t, "e.csv", header+"1,1,1,1,1\n1,2,1,1,1\n1,3,1,1,0\n1,4,1,1,0\n1,5,1,1,0\n1,6,1,1,0\n"), code: 8, part: ""},
		{name: "one-student", file: write(t, "e.csv", header+"1,1,1,1,1\n2,1,1,1,0\n3,1,1,1,1\n"), code: 8, part: ""},
		{name: "fold-file-without-column", file: good, code: 8, part: "fold", more: []string{fold("user_id,f\n1,1\n")}},
		{name: "fold-without-students", file: good, code: 8, part: "", more: []string{fold("user_id,fold\n1,1\n2,2\n")}},
		{name: "fold-is-text", file: good, code: 8, part: "f.csv", more: []string{fold("user_id,fold\n1,one\n")}},
		{name: "mask-key-not-set", file: good, code: 8, part: "NOBODY_SET_THIS", more: []string{"mask: {key: env:NOBODY_SET_THIS}"}},
		{name: "mask-file-missing", file: good, code: 8, part: "/no/such/key", more: []string{"mask: {key: 'file:/no/such/key'}"}},
	} {
		text := jobOf(c.file, c.more...)
		if strings.Contains(text, "split: {file") {
			text = strings.Replace(text, "split: {test: 0.3, valid: 0.3, seed: 1}\n", "", 1)
		}
		o := cohort(t, text, nil, "job", "run", "-", "-q", "--addr", url)
		t.Logf("%s: %d %s", c.name, o.code, o.err)
		o.expect(t, c.code, c.part)
		if c.code != 0 {
			o.oneLine(t)
		}
	}
	cohort(t, jobOf(good), nil, "job", "run", "-", "-q", "--addr", url).expect(t, 0, "")
}

// Other wrong inputs: each a line that says what to do, and its exit code.
func TestWrongCallsAreNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cluster := startCluster(t, 1)
	url, taken := cluster.URL(), strings.TrimPrefix(cluster.URL(), "http://")
	lock, err := local.Lock(filepath.Join(dir, "held"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close() //nolint:errcheck // tests
	file := write(t, "a-file", "")
	events := simulated(t, simulate.Config{Students: 5, Skills: 2, Answers: 4, Seed: 3})
	node := func(text string) string { return write(t, "node.yaml", text) }
	for _, c := range []struct {
		name string
		args []string
		code int
		part string
	}{
		{"unknown-job", []string{"job", "status", "nobody"}, 4, "nobody"},
		{"unknown-job-logs", []string{"job", "logs", "nobody"}, 4, "nobody"},
		{"unknown-job-wait", []string{"job", "wait", "nobody"}, 4, "nobody"},
		{"unknown-job-stop", []string{"job", "stop", "nobody"}, 4, "nobody"},
		{"unknown-node", []string{"node", "status", "w77"}, 4, "w77"},
		{"unknown-node-drain", []string{"node", "drain", "w77"}, 4, "w77"},
		{"unknown-dataset", []string{"data", "show", "d77"}, 4, "d77"},
		{"odd-id", []string{"job", "status", "../../x y"}, 4, "x y"},
		{"no-job-file", []string{"job", "run", filepath.Join(dir, "no.yaml")}, 4, "no.yaml"},
		{"job-file-is-a-folder", []string{"job", "run", dir}, 1, dir},
		{"no-events-file", []string{"job", "run", node("name: a\ndata: {events: gone.csv}\n")}, 4, "gone.csv"},
		{"events-is-a-folder", []string{"job", "run", node("name: a\ndata: {events: " + dir + "}\n")}, 1, "is not a file"},
		{"dataset-unknown", []string{"job", "run", node("name: a\ndata: {events: 'dataset:" + strings.Repeat("0", 64) + "'}\n")}, 4, "dataset"},
		{"import-of-nothing", []string{"data", "import", filepath.Join(dir, "no.csv")}, 4, "no.csv"},
		{"wrong-set", []string{"job", "run", node("name: a\ndata: {events: " + events + "}\n"), "--set", "train.batch=-1"}, 2, "train.batch is -1"},
		{"bad-address", []string{"job", "list", "--addr", "ftp://x"}, 2, "ftp://x"},
		{"port-in-use", []string{"dev", "--data-dir", filepath.Join(dir, "d1"), "--http", taken}, 5, taken},
		{"not-loopback", []string{"dev", "--data-dir", filepath.Join(dir, "d2"), "--http", "0.0.0.0:0"}, 1, "can be reached by others"},
		{"no-port", []string{"dev", "--data-dir", filepath.Join(dir, "d3"), "--http", "localhost"}, 1, "want HOST:PORT"},
		{"zero-workers", []string{"dev", "--data-dir", filepath.Join(dir, "d4"), "--workers", "0"}, 1, "workers is 0"},
		{"folder-below-a-file", []string{"dev", "--data-dir", filepath.Join(file, "x"), "--http", "127.0.0.1:0"}, 1, file},
		{"unwritable-folder", []string{"dev", "--data-dir", "/proc/cohort", "--http", "127.0.0.1:0"}, 1, "/proc/cohort"},
		{"folder-held", []string{"dev", "--data-dir", filepath.Join(dir, "held"), "--http", "127.0.0.1:0"}, 5, "held by process"},
		{"demo-folder-held", []string{"demo", "--events", events, "--data-dir", filepath.Join(dir, "held")}, 5, "held by process"},
		{"demo-no-events", []string{"demo", "--events", filepath.Join(dir, "no.csv")}, 4, "no.csv"},
		{"demo-split-alone", []string{"demo", "--split", "a:b"}, 2, "--split needs --events"},
		{"demo-split-form", []string{"demo", "--events", events, "--split", "folds.csv"}, 2, "want FILE:COLUMN"},
		{"demo-fold-6", []string{"demo", "--events", events, "--split", "f.csv:c", "--fold", "6"}, 2, "want 1 to 5"},
		{"demo-epochs-0", []string{"demo", "--events", events, "--epochs", "0"}, 2, "train.epochs is 0"},
		{"demo-kernels", []string{"demo", "--kernels", "avx3"}, 2, "did you mean avx2?"},
		{"demo-shards", []string{"demo", "--shards", "5000"}, 2, "data.shards is 5000"},
		{"demo-split-file-gone", []string{"demo", "--events", events, "--split", "gone.csv:c"}, 4, "gone.csv"},
		{"no-config", []string{"coordinator"}, 2, "--config is missing"},
		{"config-gone", []string{"worker", "--config", filepath.Join(dir, "no.yaml")}, 4, "no.yaml"},
		{"config-unknown-key", []string{"worker", "--config", node("id: w\ndatadir: x\n")}, 1, `did you mean "data_dir"?`},
		{"config-lacks-a-key", []string{"coordinator", "--config", node("id: c\n")}, 1, "data_dir is missing"},
		{"worker-not-loopback", []string{"worker", "--config", node("id: w\ndata_dir: " + dir + "/w\ncoordinators: [x]\nlisten: 0.0.0.0:0\n")}, 1, "insecure: true"},
		{"coordinator-port-in-use", []string{"coordinator", "--config", node("id: c\ndata_dir: " + dir + "/c\nhttp: 127.0.0.1:0\nraft: 127.0.0.1:0\ngossip: 127.0.0.1:0\nstream: " + taken + "\n")}, 5, "stream " + taken},
		{"log-level", []string{"dev", "--log", "loud"}, 2, "known: debug"},
	} {
		args := c.args
		if args[0] == "job" || args[0] == "node" || args[0] == "data" {
			args = append([]string{"--addr", url}, args...)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		o := cohortIn(ctx, "", nil, append([]string{"-q"}, args...)...)
		cancel()
		t.Logf("%s: %d %s", c.name, o.code, o.err)
		o.expect(t, c.code, c.part)
		o.oneLine(t)
	}
	// Nothing of this left a job behind.
	if o := cohort(t, "", nil, "job", "list", "-q", "--addr", url); o.out != "" {
		t.Errorf("jobs are left: %s", o.out)
	}
}

// A job that asks for more workers than there are waits, and says for what.
func TestAJobWithoutWorkersWaits(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	events := simulated(t, simulate.Config{Students: 40, Skills: 3, Answers: 8, Seed: 5})
	id := strings.TrimSpace(cohort(t, jobOf(events), nil, "job", "run", "-", "--detach", "-q", "--addr", url, "--set", "train.workers=500").out)
	wait := background(t, "job", "wait", id, "--addr", url)
	until(t, "the reason", func() bool { return strings.Contains(wait.err.String(), "waiting: train waits for ") })
	wait.stop(t).expect(t, 130, "")
	cohort(t, "", nil, "job", "stop", id, "--addr", url).expect(t, 0, "")
	cohort(t, "", nil, "job", "wait", id, "--addr", url).expect(t, 8, "stopped")
}

// A full disk ends a simulated file with an error and no file.
func TestAFullDiskLeavesNoFile(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("no /dev/full here: Linux has it, and CI is Linux")
	}
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close() //nolint:errcheck // tests
	var errs bytes.Buffer
	code := cli.Main(t.Context(), []string{"cohort", "data", "simulate"}, strings.NewReader(""), full, &errs, nil)
	if code != 1 || !strings.Contains(errs.String(), "no space left on device") || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("code %d, %q", code, errs.String())
	}
}
