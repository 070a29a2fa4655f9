package schedule_test

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

// searchSpec is a pipeline with a study and folds.
func searchSpec(trials, lag int, rungs ...int) wire.Spec {
	spec := trainSpec()
	spec.Kind, spec.Train.Workers = "pipeline", 1
	low, high := 0.001, 0.1
	spec.Tune = wire.TuneSpec{
		Trials: trials, Sampler: "tpe", Startup: 3, Lag: lag, Seed: 9, Rungs: rungs, Reduction: 2, Epochs: 9,
		Space: map[string]wire.TuneDomain{"model.hidden": {Values: []any{8, 16, 32}}, "train.lr": {Low: &low, High: &high, Log: true}},
	}
	spec.CrossValidate.Folds = 3
	return spec
}

// endTrial ends a task. Trials come to a value that follows from their settings
// and rung, and some of them fail.
func (c *cluster) endTrial(k *wire.Task) {
	c.t.Helper()
	s, _ := c.s.Read().Stage(nil, k.Job, k.Stage)
	r := wire.TaskResult{Task: k.ID, Token: k.Token, Outputs: map[string]string{}}
	for _, name := range []string{"trial", "state", "weights", "shards", "dataset", "extraction", "best", "test"} {
		r.Outputs[name] = s.Name + "." + name
	}
	if s.Kind == wire.StageTrial {
		var set wire.TrialSettings
		if err := json.Unmarshal(s.Settings, &set); err != nil {
			c.t.Fatal(err)
		}
		h := fnv.New32()
		fmt.Fprint(h, set.Params, set.Rung)
		draw := h.Sum32()
		r.Result, _ = json.Marshal(wire.Trial{Number: set.Number, Rung: set.Rung, Value: 0.5 + float64(draw%1000)/4000, Params: set.Params})
		if draw%7 == 0 {
			r.Error, r.Cause = "the loss is no number", wire.CauseFatal
		}
	}
	if out := c.apply(wire.CmdTaskResult, r); out.Code != wire.OK {
		c.t.Fatal(out.Error)
	}
}

// look lets a leader without memory, or with, propose what studies want.
func (c *cluster) look(last map[string]schedule.Looked) int {
	c.t.Helper()
	decisions := schedule.Trials(c.s.Read(), last)
	for _, d := range decisions {
		if out := c.apply(d.Number, d.Body); out.Code != wire.OK {
			c.t.Fatalf("a decision was refused: %s", out.Error)
		}
	}
	return len(decisions)
}

// search is what a study did: each rung with its settings and end, and what was
// handed to the study.
func (c *cluster) search() string {
	var lines []string
	for _, s := range c.s.Read().Parts(nil, "j", wire.StudyStage) {
		lines = append(lines, fmt.Sprint(s.Name, " ", s.Status, " after ", s.After, " ", string(s.Settings)))
	}
	slices.Sort(lines)
	s, _ := c.s.Read().Stage(nil, "j", wire.StudyStage)
	return strings.Join(append(lines, fmt.Sprint(s.Status, s.Inputs)), "\n")
}

func submitted(t rapid.TB, spec wire.Spec, cores ...int) *cluster {
	t.Helper()
	stages, err := schedule.Expand(spec, schedule.Run{})
	if err != nil {
		t.Fatal(err)
	}
	c := newCluster(t)
	c.apply(wire.CmdFeatureLevel, wire.SetFeatureLevel{Level: wire.FeatureLevel})
	for k, n := range cores {
		c.node(fmt.Sprint("w", k), n)
	}
	c.submit("j", 0, stages...)
	return c
}

// through runs a job to its end; pick says which of the running tasks ends next.
func (c *cluster) through(most int, pick func(running []*wire.Task) (k *wire.Task, lost bool), last func() map[string]schedule.Looked) {
	c.t.Helper()
	for step := 0; ; step++ {
		for c.look(last()) > 0 {
		}
		c.decide()
		c.now += 500
		running := c.running()
		trials := 0
		for _, k := range running {
			if strings.HasPrefix(k.Stage, wire.StudyStage+".") {
				trials++
			}
		}
		if j, _ := c.s.Read().Job(nil, "j"); j.Status.Final() {
			return
		}
		if trials > most {
			c.t.Fatalf("%d trials run at once", trials)
		}
		if step > 2000 {
			c.t.Fatal("the job does not end")
		}
		if len(running) == 0 {
			continue // a pause
		}
		if k, lost := pick(running); lost {
			c.apply(wire.CmdReleaseTasks, wire.ReleaseTasks{Tasks: []wire.TokenOf{{Task: k.ID, Token: k.Token}}, Cause: wire.CauseNode})
		} else {
			c.endTrial(k)
		}
	}
}

// A study is the same on one core and one task after another as on any machines,
// whichever trial ends first, whoever dies, and however often the leader changes.
func TestAStudyIsTheSameWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		trials, lag := rapid.IntRange(1, 9).Draw(rt, "trials"), rapid.IntRange(1, 4).Draw(rt, "lag")
		rungs := rapid.SampledFrom([][]int{nil, {3}, {1, 3}}).Draw(rt, "rungs")
		spec := searchSpec(trials, lag, rungs...)
		alone := submitted(rt, spec, 1)
		memory := map[string]schedule.Looked{}
		alone.through(lag, func(r []*wire.Task) (*wire.Task, bool) { return r[0], false }, func() map[string]schedule.Looked { return memory })
		j, _ := alone.s.Read().Job(nil, "j")
		if j.Status != wire.Done {
			rt.Fatalf("the job is %s: %s", j.Status, j.Reason)
		}
		cores := rapid.SliceOfN(rapid.IntRange(1, 3), 1, 4).Draw(rt, "cores")
		many, losses := submitted(rt, spec, cores...), 0
		other := map[string]schedule.Looked{}
		many.through(lag, func(r []*wire.Task) (*wire.Task, bool) {
			lost := losses < 5 && rapid.IntRange(0, 9).Draw(rt, "lost") == 0
			if lost {
				losses++
			}
			return r[rapid.IntRange(0, len(r)-1).Draw(rt, "next")], lost
		}, func() map[string]schedule.Looked {
			if rapid.Bool().Draw(rt, "new leader") {
				other = map[string]schedule.Looked{}
			}
			return other
		})
		if d := cmp.Diff(strings.Split(alone.search(), "\n"), strings.Split(many.search(), "\n")); d != "" {
			rt.Fatal(d)
		}
	})
}

func TestALongerStudyBeginsAsTheShorterOne(t *testing.T) {
	var searches []string
	for _, trials := range []int{5, 11} {
		c := submitted(t, searchSpec(trials, 2, 3), 2)
		c.through(2, func(r []*wire.Task) (*wire.Task, bool) { return r[0], false }, func() map[string]schedule.Looked { return map[string]schedule.Looked{} })
		searches = append(searches, c.search())
	}
	for n := range 5 {
		rung := ""
		for line := range strings.SplitSeq(searches[0], "\n") {
			if strings.HasPrefix(line, fmt.Sprintf("tune.%d ", n)) {
				rung = line
			}
		}
		if rung == "" || !strings.Contains(searches[1], rung) {
			t.Errorf("trial %d of the longer study is another", n)
		}
	}
}

func TestTrialsShareAMachine(t *testing.T) {
	c := submitted(t, searchSpec(8, 3), 4)
	for step := 0; len(c.s.Read().Parts(nil, "j", wire.StudyStage)) == 0; step++ {
		c.decide()
		for _, k := range c.running() {
			c.endTrial(k)
		}
		c.look(map[string]schedule.Looked{})
		if step > 10 {
			t.Fatal("no trial was started")
		}
	}
	c.decide()
	var seats []string
	for _, k := range c.running() {
		if strings.HasPrefix(k.Stage, "tune.") {
			seats = append(seats, fmt.Sprint(k.Stage, " ", k.Node, " ", k.Granted.Cores))
		}
	}
	if d := cmp.Diff([]string{"tune.0 w0 1", "tune.1 w0 1", "tune.2 w0 1"}, seats); d != "" {
		t.Error(d)
	}
}

func TestTrialsRunAfreshOnlyWithTheWholeJob(t *testing.T) {
	for _, fresh := range []bool{false, true} {
		spec := searchSpec(3, 2)
		spec.Fresh = fresh
		c := submitted(t, spec, 2)
		c.through(2, func(r []*wire.Task) (*wire.Task, bool) { return r[0], false }, func() map[string]schedule.Looked { return map[string]schedule.Looked{} })
		c.must(wire.CmdRetryJob, wire.RetryJob{Job: "j", From: "tune"})
		c.look(map[string]schedule.Looked{})
		for _, s := range c.s.Read().Parts(nil, "j", "tune") {
			if s.Fresh != fresh {
				t.Errorf("of a job that is fresh %v, trial %s is %v", fresh, s.Name, s.Fresh)
			}
		}
	}
}

func TestOlderCoordinatorsAreNotSentCommandsOfStudies(t *testing.T) {
	c := submitted(t, searchSpec(3, 2), 2)
	old := newCluster(t)
	old.submit("j", 0, wire.Stage{Name: "tune", Kind: wire.StageTune, Fan: true, Tasks: 1, Settings: c.settings("tune")})
	if d := schedule.Trials(old.s.Read(), map[string]schedule.Looked{}); len(d) != 0 {
		t.Errorf("%+v", d)
	}
}

func (c *cluster) settings(stage string) json.RawMessage {
	s, _ := c.s.Read().Stage(nil, "j", stage)
	return s.Settings
}

func TestAStudyThatMakesNoSenseEndsByItsOwnStage(t *testing.T) {
	spec := searchSpec(3, 2)
	spec.Tune.Space = nil
	c := submitted(t, spec, 2)
	var s *wire.Stage
	for range 10 {
		c.decide()
		for _, k := range c.running() {
			c.endTrial(k)
		}
		c.look(map[string]schedule.Looked{})
		s, _ = c.s.Read().Stage(nil, "j", "tune")
	}
	if !s.Closed || s.Status != wire.Done || len(s.Inputs) != 0 {
		t.Errorf("%+v", s)
	}
}

// graph is a line for each stage: what it waits for and reads.
func graph(t *testing.T, spec wire.Spec) string {
	t.Helper()
	stages, err := schedule.Expand(spec, schedule.Run{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, s := range stages {
		text, err := json.Marshal(s.Inputs)
		if err != nil {
			t.Fatal(err)
		}
		line := fmt.Sprintf("%s %s after %v %s", s.Name, s.Kind, s.After, text)
		if s.Of != "" {
			line += " of " + s.Of
		}
		if s.Fan {
			line += " fan"
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestAStudyAndFoldsStandBetweenShardsAndTraining(t *testing.T) {
	spec := searchSpec(3, 2)
	spec.CrossValidate.Folds = 2
	want := `extract extract after [] {"events":"` + strings.TrimPrefix(spec.Data.Events, "sha256:") + `","folds":"` + strings.TrimPrefix(spec.Split.File, "sha256:") + `"}
validate validate after [extract] {"extraction":"extract/extraction"}
features features after [validate] {"base":"~features","dataset":"validate/dataset","folds":"extract/folds"}
shard shard after [validate] {"dataset":"validate/dataset"}
tune tune after [shard] null fan
train train after [tune] {"best":"tune/best","folds":"extract/folds","shards":"shard/shards"}
fold-1 train after [tune] {"best":"tune/best","folds":"extract/folds","shards":"shard/shards"} of cross-validate
fold-2 train after [tune] {"best":"tune/best","folds":"extract/folds","shards":"shard/shards"} of cross-validate
evaluate test after [train] {"best":"tune/best","folds":"extract/folds","shards":"shard/shards","weights":"train/weights"}
fold-1.test test after [fold-1] {"best":"tune/best","folds":"extract/folds","shards":"shard/shards","weights":"fold-1/weights"} of cross-validate
fold-2.test test after [fold-2] {"best":"tune/best","folds":"extract/folds","shards":"shard/shards","weights":"fold-2/weights"} of cross-validate
cross-validate cross-validate after [fold-1.test fold-2.test] {"fold-1":"fold-1.test/test","fold-2":"fold-2.test/test"}`
	if d := cmp.Diff(strings.Split(want, "\n"), strings.Split(graph(t, spec), "\n")); d != "" {
		t.Error(d)
	}
	var plain, search wire.TrainSettings
	without := spec
	without.Tune, without.CrossValidate = wire.TuneSpec{}, wire.CrossValidateSpec{}
	for into, s := range map[*wire.TrainSettings]wire.Spec{&plain: without, &search: spec} {
		c := submitted(t, s)
		if err := json.Unmarshal(c.settings("train"), into); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(plain, search); d != "" || strings.Contains(graph(t, without), "tune") {
		t.Errorf("a training beside a study has other settings: %s", d)
	}
	spec.Tune, spec.Model.Inputs = wire.TuneSpec{}, []string{"difficulty"}
	for _, part := range []string{
		`fold-2.shard shard after [validate] {"dataset":"validate/dataset","folds":"extract/folds"} of cross-validate`,
		`fold-2 train after [shard fold-2.shard] {"folds":"extract/folds","shards":"fold-2.shard/shards"} of cross-validate`,
	} {
		if !strings.Contains(graph(t, spec), part) {
			t.Errorf("lacks %s:\n%s", part, graph(t, spec))
		}
	}
	var set wire.ShardSettings
	c := submitted(t, spec)
	if err := json.Unmarshal(c.settings("fold-2.shard"), &set); err != nil || set.Split.Fold != 2 || set.Split.Folds != 2 {
		t.Errorf("%+v, %v", set.Split, err)
	}
}
