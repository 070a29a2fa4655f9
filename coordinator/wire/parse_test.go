package wire_test

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"cohort/coordinator/wire"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const small = `name: a
kind: train
data: {events: e.csv}
`

func parse(t *testing.T, text string, set ...string) wire.Spec {
	t.Helper()
	s, err := wire.ParseSpec("job.yaml", []byte(text), set...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAJobFileGetsDefaults(t *testing.T) {
	t.Parallel()
	want := wire.DefaultSpec()
	want.Name, want.Data.Events = "a", "e.csv"
	if diff := cmp.Diff(want, parse(t, small)); diff != "" {
		t.Error(diff)
	}
}

func TestEveryFieldIsRead(t *testing.T) {
	t.Parallel()
	got := parse(t, `name: mofacts
kind: train
priority: 3
data:
  events: stats.csv.gz
  columns:
    student: Anon.Student.Id
    item: Problem.Name
    skill: KC..Default.
    correct: {column: Outcome, right: CORRECT, wrong: INCORRECT, drop: [STUDY]}
    time: CF..Response.Time.
    id: Row
  multi_skill: repeat
  window: 100
  shards: 4
mask: {key: env:KEY}
split: {file: f.csv, student: who, column: fold, test: 1, valid: 2}
model: {cell: lstm, embed: 10, hidden: 20, layers: 2, dropout: 0}
train: {workers: 3, batch: 8, accumulate: 2, epochs: 5, optimizer: adamw, lr: 1e-2, weight_decay: 0.1,
  schedule: cosine, min_lr: 0.001, cycle: 2, cycle_mult: 3, clip: 1, patience: 0, min_delta: 0, seed: 7,
  precision: fp32, kernels: portable}
`)
	want := wire.Spec{
		Name: "mofacts", Kind: "train", Priority: 3,
		Data: wire.DataSpec{
			Events: "stats.csv.gz", MultiSkill: "repeat", Window: 100, Shards: 4,
			Columns: wire.Columns{
				Student: "Anon.Student.Id", Item: "Problem.Name", Skill: "KC..Default.", Time: "CF..Response.Time.", ID: "Row",
				Correct: wire.Correct{Column: "Outcome", Right: "CORRECT", Wrong: "INCORRECT", Drop: []string{"STUDY"}},
			},
		},
		Mask:     wire.MaskSpec{Key: "env:KEY"},
		Split:    wire.SplitSpec{File: "f.csv", Student: "who", Column: "fold", Test: 1, Valid: 2, Seed: 1},
		Validate: wire.DefaultValidate(),
		Model:    wire.ModelSpec{Cell: "lstm", Embed: 10, Hidden: 20, Layers: 2},
		Train: wire.TrainSpec{
			Workers: 3, Batch: 8, Accumulate: 2, Epochs: 5, Optimizer: "adamw", LR: 0.01, WeightDecay: 0.1,
			Schedule: "cosine", MinLR: 0.001, Cycle: 2, CycleMult: 3, Clip: 1, Seed: 7, Precision: "fp32", Kernels: "portable",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEmbedMayBeDirect(t *testing.T) {
	t.Parallel()
	s := parse(t, small+"model: {embed: direct}\n")
	if s.Model.Embed != wire.Direct {
		t.Fatalf("embed is %v", s.Model.Embed)
	}
	text, err := s.Text()
	if err != nil || !strings.Contains(text, "embed: direct\n") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, m := range []wire.ModelSpec{s.Model, {Embed: 7}} {
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back wire.ModelSpec
		if err := json.Unmarshal(b, &back); err != nil || !cmp.Equal(back, m) {
			t.Errorf("%s reads back as %+v: %v", b, back, err)
		}
	}
	_, err = wire.ParseSpec("job.yaml", []byte(small+"model: {embed: folded}\n"))
	if want := "model.embed: want a whole number or direct"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	var e wire.Embed
	if err := json.Unmarshal([]byte(`"folded"`), &e); err == nil {
		t.Error("an embedding of folded was taken")
	}
}

func TestCorrectMayBeAName(t *testing.T) {
	t.Parallel()
	s := parse(t, "name: a\ndata: {events: e, columns: {student: s, item: i, skill: k, correct: ok, time: t}}\n")
	if diff := cmp.Diff(wire.Correct{Column: "ok"}, s.Data.Columns.Correct); diff != "" {
		t.Error(diff)
	}
}

func TestTheFoldFilesStudentDefaultsToTheEvents(t *testing.T) {
	t.Parallel()
	s := parse(t, small+"split: {file: f, column: c, test: 0, valid: 3}\n")
	if s.Split.Student != "user_id" {
		t.Errorf("student is %q", s.Split.Student)
	}
}

func TestTextReadsBackTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		spec := wire.DefaultSpec()
		spec.Name = rapid.StringMatching(`[a-zA-Z0-9][a-z0-9._-]{0,20}`).Draw(t, "name")
		spec.Data.Events = rapid.StringMatching(`[a-z/. :#'"]{1,20}x`).Draw(t, "events")
		spec.Data.Window = rapid.IntRange(2, 500).Draw(t, "window")
		spec.Data.Columns.Correct.Drop = rapid.SliceOfN(rapid.StringMatching(`[A-Z~ ]{0,5}`), 1, 3).Draw(t, "drop")
		spec.Train.LR = rapid.Float64Range(1e-9, 10).Draw(t, "lr")
		spec.Train.Seed = rapid.Uint32().Draw(t, "seed")
		spec.Train.Patience = rapid.IntRange(0, 100).Draw(t, "patience")
		text, err := spec.Text()
		if err != nil {
			t.Fatal(err)
		}
		got, err := wire.ParseSpec("text", []byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if diff := cmp.Diff(spec, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSetLaysValuesOverTheFile(t *testing.T) {
	t.Parallel()
	s := parse(t, small+"train: {epochs: 9, seed: 3}\nmodel:\n", "train.epochs=2", "model.hidden=8", "split.test=0.3", "name=b-c", "data.columns.correct=ok")
	if s.Train.Epochs != 2 || s.Train.Seed != 3 || s.Model.Hidden != 8 || s.Split.Test != 0.3 || s.Name != "b-c" {
		t.Errorf("got %+v", s)
	}
}

func TestAWrongSetNamesItself(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, set, want string }{
		{"no-value", "train.epochs", "--set train.epochs: want key=value, such as train.epochs=2"},
		{"bad-value", "train.epochs=many", `--set train.epochs=many: train.epochs: want a whole number, got "many"`},
		{"out-of-range", "train.workers=0", "--set train.workers=0: train.workers is 0; want 1 to 1024"},
		{"unknown-key", "train.epoch=1", `--set train.epoch=1: unknown key "epoch" in train; did you mean "epochs"?`},
		{"unknown-section", "trian.epochs=1", `--set trian.epochs=1: unknown key "trian" at the top level; did you mean "train"?`},
		{"not-yaml", "train.epochs=[", "--set train.epochs=[: value is not YAML: yaml: line 1: did not find expected node content"},
		{"below-a-value", "name.x=1", "--set name.x=1: name: want text, got keys and values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.ParseSpec("job.yaml", []byte(small), c.set)
			var spec *wire.SpecError
			if !errors.As(err, &spec) || !spec.Faults[0].Set {
				t.Fatalf("got %v", err)
			}
			if got, _, _ := strings.Cut(err.Error(), "\n"); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestGraphsGetDefaults(t *testing.T) {
	t.Parallel()
	s := parse(t, "name: g\nkind: graph\nstages: [{name: a, kind: noop}, {name: b, kind: idle, after: [a], tasks: 3}]\n")
	want := []wire.GraphNode{
		{Name: "a", Kind: wire.StageNoop, Run: wire.Batch, Tasks: 1},
		{Name: "b", Kind: wire.StageIdle, Run: wire.Service, After: []string{"a"}, Tasks: 3},
	}
	if diff := cmp.Diff(want, s.Stages); diff != "" {
		t.Error(diff)
	}
}

func TestParseStrictKeepsWhatIsAbsent(t *testing.T) {
	t.Parallel()
	v := struct {
		A string   `yaml:"a"`
		B bool     `yaml:"b"`
		C []string `yaml:"c"`
	}{A: "kept"}
	if err := wire.ParseStrict("f.yaml", []byte("b: true\nc: [x, y]\n"), &v); err != nil {
		t.Fatal(err)
	}
	if v.A != "kept" || !v.B || len(v.C) != 2 {
		t.Errorf("got %+v", v)
	}
	err := wire.ParseStrict("f.yaml", []byte("\nb: 3\nd: 1\n"), &v)
	want := "f.yaml:2: b: want true or false, got \"3\"\nf.yaml:3: unknown key \"d\" at the top level; known: a, b, c"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"epochs", "batch", "lr", "patience", "optimizer"}
	for word, want := range map[string]string{
		"epoch": "epochs", "bacth": "batch", "Lr": "lr", "optimiser": "optimizer", "zebra": "", "": "", "l": "lr", "patiense": "patience",
	} {
		if got := wire.Nearest(word, known); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}

// Faults of job files, and what is said of them: testdata/faults.txt holds
// files and errors; -update is COHORT_UPDATE=1.
func TestFaultsOfAJobFileAreNamed(t *testing.T) {
	t.Parallel()
	const golden = "testdata/faults.txt"
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for block := range strings.SplitSeq(string(text), "=== ") {
		if block == "" {
			continue
		}
		title, rest, _ := strings.Cut(block, "\n")
		file, _, _ := strings.Cut(rest, "--- error\n")
		_, err := wire.ParseSpec("job.yaml", []byte(file))
		if err == nil {
			t.Errorf("%s: no error", title)
			continue
		}
		out.WriteString("=== " + title + "\n" + file + "--- error\n" + err.Error() + "\n")
	}
	if os.Getenv("COHORT_UPDATE") != "" {
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(text), out.String()); diff != "" {
		t.Error(diff)
	}
}

func TestLongAndBinaryFilesAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"long": "name: " + strings.Repeat("a", wire.MaxSpecBytes),
		"nul":  "name: a\x00b\n",
		"gzip": "\x1f\x8b\x08\x00\x00\x00\x00\x00",
	} {
		_, err := wire.ParseSpec("job.yaml", []byte(text))
		if err == nil || strings.Count(err.Error(), "\n") > 0 {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte(small), "train.epochs=2")
	f.Add([]byte("name: &a [*a]\n<<: *a\n"), "a=&x [*x]")
	f.Add([]byte("a: &a {b: *a}"), "")
	f.Add([]byte("name: a\nkind: graph\nstages: [{name: a, kind: noop, after: [a]}]"), "stages=[]")
	f.Fuzz(func(t *testing.T, text []byte, set string) {
		spec, err := wire.ParseSpec("job.yaml", text, set)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		again, err := spec.Text()
		if err != nil {
			t.Fatal(err)
		}
		second, err := wire.ParseSpec("text", []byte(again))
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if diff := cmp.Diff(spec, second); diff != "" {
			t.Error(diff)
		}
	})
}
