package schedule_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// cluster is a store with a fake leader: no Raft, no clock.
type cluster struct {
	t     rapid.TB
	s     *state.Store
	index uint64
	now   int64
}

func newCluster(t rapid.TB) *cluster { return &cluster{t: t, s: state.New(), now: 1000} }

func (c *cluster) apply(n wire.Number, body any) wire.Outcome {
	c.t.Helper()
	env, err := state.Envelope(n, body, "test", "")
	if err != nil {
		c.t.Fatal(err)
	}
	c.index++
	env.Time = c.now
	return c.s.Apply(c.index, env)
}

func (c *cluster) node(id string, cores int) {
	c.t.Helper()
	c.apply(wire.CmdRegisterNode, wire.RegisterNode{Node: wire.Node{
		ID: id, Session: "s", Resources: wire.Resources{Cores: cores, MemoryMB: 1 << 20},
	}})
}

func (c *cluster) submit(id string, priority int, stages ...wire.Stage) {
	c.t.Helper()
	if out := c.apply(wire.CmdSubmitJob, wire.SubmitJob{Job: wire.Job{ID: id, Priority: priority}, Stages: stages}); out.Code != wire.OK {
		c.t.Fatal(out.Error)
	}
}

// decide applies what the schedule says until it says nothing more, and
// returns the number of commands.
func (c *cluster) decide() int {
	c.t.Helper()
	for n := 0; ; n++ {
		decisions, _ := schedule.Decide(c.s.Read(), c.now)
		if len(decisions) == 0 {
			return n
		}
		for _, d := range decisions {
			if out := c.apply(d.Number, d.Body); out.Code != wire.OK {
				c.t.Fatalf("a decision was refused: %s", out.Error)
			}
		}
	}
}

func (c *cluster) running() []*wire.Task {
	var all []*wire.Task
	for _, n := range c.s.Read().Nodes(nil) {
		all = append(all, c.s.Read().TasksOf(nil, n.ID)...)
	}
	return all
}

// finish ends every running task that is no service.
func (c *cluster) finish() {
	for _, k := range c.running() {
		if s, _ := c.s.Read().Stage(nil, k.Job, k.Stage); s.Run != wire.Service {
			c.apply(wire.CmdTaskResult, wire.TaskResult{Task: k.ID, Token: k.Token})
		}
	}
}

func stage(name string, run wire.RunKind, tasks int, after ...string) wire.Stage {
	return wire.Stage{Name: name, Kind: wire.StageNoop, Run: run, Tasks: tasks, After: after, Resources: wire.Resources{Cores: 1}}
}

func TestADiamondOfFiftyStagesAndAService(t *testing.T) {
	spec := wire.Spec{Name: "diamond", Kind: "graph"}
	spec.Stages = append(spec.Stages, wire.GraphNode{Name: "top", Kind: wire.StageNoop}, wire.GraphNode{Name: "svc", Kind: wire.StageIdle})
	bottom := wire.GraphNode{Name: "bottom", Kind: wire.StageNoop}
	for k := range 48 {
		name := fmt.Sprintf("mid%02d", k)
		spec.Stages = append(spec.Stages, wire.GraphNode{Name: name, Kind: wire.StageNoop, After: []string{"top"}})
		bottom.After = append(bottom.After, name)
	}
	spec.Stages = append([]wire.GraphNode{bottom}, spec.Stages...) // order in the file is free
	stages, err := schedule.Expand(spec, schedule.Run{})
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t)
	c.node("a", 3)
	c.node("b", 2)
	c.submit("j", 0, stages...)
	for step := 0; ; step++ {
		c.decide()
		if len(c.running()) > 5 {
			t.Fatalf("%d tasks on 5 cores", len(c.running()))
		}
		s, _ := c.s.Read().Stage(nil, "j", "bottom")
		if s.Status == wire.Done {
			break
		}
		if step > 60 {
			t.Fatal("the diamond does not end")
		}
		c.finish()
	}
	j, _ := c.s.Read().Job(nil, "j")
	svc, _ := c.s.Read().Stage(nil, "j", "svc")
	if j.Status != wire.Running || svc.Status != wire.Running {
		t.Errorf("the job is %s, its service %s: want both running", j.Status, svc.Status)
	}
	c.apply(wire.CmdStopJob, wire.StopJob{Job: "j"})
	if len(c.running()) != 0 {
		t.Error("something runs on after the stop")
	}
}

func TestAGangIsPlacedWholeOrNotAtAll(t *testing.T) {
	c := newCluster(t)
	c.node("a", 2)
	c.submit("j", 0, stage("train", wire.Gang, 3))
	c.decide()
	if n := len(c.running()); n != 0 {
		t.Fatalf("%d members of 3 run on 2 cores", n)
	}
	c.node("b", 3)
	c.decide()
	granted := map[string]int{}
	for _, k := range c.running() {
		granted[k.Node] += k.Granted.Cores
	}
	if d := cmp.Diff(map[string]int{"a": 2, "b": 3}, granted); d != "" {
		t.Errorf("the gang should have all cores: %s", d)
	}
}

func TestPriorityThenAge(t *testing.T) {
	c := newCluster(t)
	c.submit("old", 0, stage("s", wire.Batch, 1))
	c.submit("older-but-low", -1, stage("s", wire.Batch, 1))
	c.submit("high", 5, stage("s", wire.Batch, 1))
	c.node("a", 1)
	var order []string
	for range 3 {
		c.decide()
		order = append(order, c.running()[0].Job)
		c.finish()
	}
	if d := cmp.Diff([]string{"high", "old", "older-but-low"}, order); d != "" {
		t.Error(d)
	}
}

func TestAPauseIsWaitedFor(t *testing.T) {
	c := newCluster(t)
	c.node("a", 1)
	s := stage("s", wire.Batch, 1)
	s.Retries = 3
	c.submit("j", 0, s)
	c.decide()
	k := c.running()[0]
	c.apply(wire.CmdTaskResult, wire.TaskResult{Task: k.ID, Token: k.Token, Error: "x", Cause: wire.CauseTask})
	if n := c.decide(); n != 0 {
		t.Fatal("placed during its pause")
	}
	_, next := schedule.Decide(c.s.Read(), c.now)
	if next <= c.now {
		t.Fatalf("next is %d, now %d", next, c.now)
	}
	c.now = next
	c.decide()
	if len(c.running()) != 1 {
		t.Error("not placed after its pause")
	}
}

// No node is ever given more than it has, none that is not ready is given
// anything, and equal states give equal decisions.
func TestCapacityIsNeverExceeded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		for k := range rapid.IntRange(1, 4).Draw(t, "nodes") {
			c.node(fmt.Sprint("n", k), rapid.IntRange(1, 5).Draw(t, "cores"))
		}
		for k := range rapid.IntRange(1, 12).Draw(t, "steps") {
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0, 1:
				run := rapid.SampledFrom([]wire.RunKind{wire.Batch, wire.Gang, wire.Service}).Draw(t, "run")
				s := stage("s", run, rapid.IntRange(1, 6).Draw(t, "tasks"))
				s.Resources.Cores = rapid.IntRange(1, 3).Draw(t, "need")
				c.submit(fmt.Sprint("j", k), rapid.IntRange(-1, 1).Draw(t, "priority"), s)
			case 2:
				c.finish()
			case 3:
				c.apply(wire.CmdNodeStatus, wire.SetNodeStatus{
					Node: "n0", Status: rapid.SampledFrom([]wire.NodeStatus{wire.NodeDown, wire.NodeDraining, wire.NodeReady}).Draw(t, "status"),
				})
			case 4:
				c.now += 500
			}
			first, _ := schedule.Decide(c.s.Read(), c.now)
			again, _ := schedule.Decide(c.s.Read(), c.now)
			if d := cmp.Diff(first, again); d != "" {
				t.Fatal("two decisions on one state: " + d)
			}
			c.decide()
			c.check(t)
		}
	})
}

func (c *cluster) check(t *rapid.T) {
	v := c.s.Read()
	for _, n := range v.Nodes(nil) {
		tasks := v.TasksOf(nil, n.ID)
		if free := state.Free(n, tasks); free.Cores < 0 || free.MemoryMB < 0 {
			t.Fatalf("node %s is over-booked: %+v", n.ID, free)
		}
		if n.Status == wire.NodeDown && len(tasks) > 0 {
			t.Fatalf("node %s is down and runs %d tasks", n.ID, len(tasks))
		}
	}
	for _, j := range v.Jobs(nil, 0) {
		for _, s := range v.Stages(nil, j.ID) {
			held := 0
			for _, k := range v.Tasks(nil, j.ID, s.Name) {
				if k.Status == wire.Running {
					held++
				}
			}
			if s.Run == wire.Gang && held != 0 && held != s.Tasks {
				t.Fatalf("%d of %d members run", held, s.Tasks)
			}
		}
	}
}

func trainSpec() wire.Spec {
	return wire.Spec{
		Name: "n", Kind: "train", Mask: wire.MaskSpec{Key: "env:K"},
		Data:  wire.DataSpec{Events: "sha256:e", EventsName: "e.csv", MultiSkill: "combine", Window: 200, Shards: 16},
		Split: wire.SplitSpec{File: "sha256:f", FileName: "f.csv", Student: "user", Column: "fold", Test: 1, Valid: 2},
		Train: wire.TrainSpec{Workers: 3},
	}
}

func TestATrainJobBecomesFourStages(t *testing.T) {
	stages, err := schedule.Expand(trainSpec(), schedule.Run{})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		name  string
		run   wire.RunKind
		tasks int
		in    map[string]string
	}
	want := []row{
		{"import", wire.Batch, 1, map[string]string{"events": "e", "folds": "f"}},
		{"shard", wire.Batch, 1, map[string]string{"dataset": "import/dataset"}},
		{"train", wire.Gang, 3, map[string]string{"shards": "shard/shards", "folds": "import/folds"}},
		{"test", wire.Batch, 1, map[string]string{"shards": "shard/shards", "folds": "import/folds", "weights": "train/weights"}},
	}
	var got []row
	for k, s := range stages {
		got = append(got, row{s.Name, s.Run, s.Tasks, s.Inputs})
		if k > 0 && (len(s.After) != 1 || s.After[0] != stages[k-1].Name) {
			t.Errorf("stage %s comes after %v", s.Name, s.After)
		}
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Error(d)
	}
	var in wire.ImportSettings
	if err := json.Unmarshal(stages[0].Settings, &in); err != nil || in.MaskKey != "env:K" || in.File != "e.csv" || in.FoldColumn != "fold" {
		t.Errorf("import settings %+v, %v", in, err)
	}
}

// Where the model takes more than skill and correctness, shards depend on who trains.
func TestFurtherInputsMakeShardsOfASplit(t *testing.T) {
	for _, kind := range []string{"train", "pipeline"} {
		for _, inputs := range [][]string{nil, {"difficulty"}} {
			spec := trainSpec()
			spec.Kind, spec.Model.Inputs = kind, inputs
			stages, err := schedule.Expand(spec, schedule.Run{})
			if err != nil {
				t.Fatal(err)
			}
			at := slices.IndexFunc(stages, func(s wire.Stage) bool { return s.Name == "shard" })
			var s wire.ShardSettings
			if err := json.Unmarshal(stages[at].Settings, &s); err != nil {
				t.Fatal(err)
			}
			_, folds := stages[at].Inputs["folds"]
			if want := inputs != nil; (s.Split != nil) != want || folds != want || len(s.Inputs) != len(inputs) || want && s.Split.Test != spec.Split.Test {
				t.Errorf("%s, inputs %v: settings %s of %v", kind, inputs, stages[at].Settings, stages[at].Inputs)
			}
		}
	}
}

func TestAStoredDatasetSkipsTheImport(t *testing.T) {
	spec := trainSpec()
	spec.Data.Events, spec.Split = "dataset:d", wire.SplitSpec{Test: 0.2, Valid: 0.2}
	stages, err := schedule.Expand(spec, schedule.Run{})
	if err != nil {
		t.Fatal(err)
	}
	if len(stages) != 3 || stages[0].Inputs["dataset"] != "d" || len(stages[0].After) != 0 {
		t.Errorf("stages %+v", stages)
	}
	spec.Split.File = "sha256:f"
	if _, err := schedule.Expand(spec, schedule.Run{}); err == nil {
		t.Error("a fold file with a stored dataset was taken")
	}
	spec.Kind = "import"
	if stages, err := schedule.Expand(spec, schedule.Run{}); err != nil || len(stages) != 1 {
		t.Errorf("import: %v, %v", stages, err)
	}
}

func TestBadGraphsAreNamed(t *testing.T) {
	node := func(name string, after ...string) wire.GraphNode {
		return wire.GraphNode{Name: name, Kind: wire.StageNoop, After: after}
	}
	for want, nodes := range map[string][]wire.GraphNode{
		"twice":   {node("a"), node("a")},
		"no stag": {node("a", "b")},
		"circle":  {node("x"), node("a", "b"), node("b", "a")},
		"empty":   {},
	} {
		if _, err := schedule.Expand(wire.Spec{Kind: "graph", Stages: nodes}, schedule.Run{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	if _, err := schedule.Expand(wire.Spec{Kind: "poem"}, schedule.Run{}); err == nil {
		t.Error("an unknown kind was taken")
	}
}

// BenchmarkTransitions counts task transitions (assigned, done) a second with
// 100,000 finished jobs in the state.
func BenchmarkTransitions(b *testing.B) {
	c := newCluster(b)
	c.node("a", 64)
	for k := range 100_000 {
		id := fmt.Sprint("old", k)
		c.submit(id, 0, stage("s", wire.Batch, 1))
		c.apply(wire.CmdStopJob, wire.StopJob{Job: id})
	}
	n := 0
	for b.Loop() {
		c.submit(fmt.Sprint("j", n), 0, stage("s", wire.Batch, 64))
		c.decide()
		c.finish()
		n++
	}
	b.ReportMetric(float64(128*n)/b.Elapsed().Seconds(), "transitions/s")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkList is a page of 200 of 100,000 jobs.
func BenchmarkList(b *testing.B) {
	c := newCluster(b)
	for k := range 100_000 {
		c.submit(fmt.Sprint("old", k), 0, stage("s", wire.Batch, 1))
	}
	for b.Loop() {
		v := c.s.Read()
		for _, j := range v.Jobs(nil, 200) {
			state.JobView(v, nil, j, 0)
		}
	}
}
