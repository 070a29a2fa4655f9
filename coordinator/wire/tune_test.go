package wire_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

const study = `name: a
kind: pipeline
data: {events: e.csv}
tune:
  trials: 20
  rungs: [3, 9]
  space:
    model.hidden: [16, 32.0, 64]
    model.embed: [direct, 8]
    model.dropout: {low: 0, high: 0.5}
    train.lr: {low: 1e-5, high: 0.01, log: true}
    train.batch: {low: 8, high: 64, step: 8}
    train.lazy: [true, false]
cross_validate: {folds: 5}
`

func TestAStudyGetsDefaultsAndReadsBackTheSame(t *testing.T) {
	t.Parallel()
	spec, err := wire.ParseSpec("job.yaml", []byte(study))
	if err != nil {
		t.Fatal(err)
	}
	if got := spec.Tune; got.Sampler != "tpe" || got.Startup != 5 || got.Lag != 2 || got.Reduction != 3 || got.Trials != 20 {
		t.Errorf("defaults: %+v", got)
	}
	if d := cmp.Diff([]any{16, 32, 64}, spec.Tune.Space["model.hidden"].Values); d != "" {
		t.Error(d)
	}
	if !spec.Tune.Space["train.batch"].Int || spec.Tune.Space["model.dropout"].Int {
		t.Errorf("whole: %+v", spec.Tune.Space)
	}
	text, err := spec.Text()
	if err != nil {
		t.Fatal(err)
	}
	again, err := wire.ParseSpec("again", []byte(text))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if d := cmp.Diff(spec, again); d != "" {
		t.Error(d)
	}
	off, err := wire.ParseSpec("job.yaml", []byte(study), "tune.trials=0", "tune.space={train.lr: [0.1]}")
	if err != nil || off.Tune.Trials != 0 || len(off.Tune.Space) != 1 {
		t.Errorf("%+v, %v", off.Tune, err)
	}
}

func TestAListOfTooManyPairsIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	var list strings.Builder
	for k := 1; k <= 200; k++ {
		fmt.Fprintf(&list, "%d, ", k)
	}
	text := "name: a\nkind: pipeline\ndata: {events: e.csv}\ntune:\n  trials: 3\n  space:\n"
	for _, name := range []string{"model.hidden", "model.embed", "train.batch"} {
		text += "    " + name + ": [" + list.String() + "]\n"
	}
	_, err := wire.ParseSpec("job.yaml", []byte(text))
	if err == nil || err.Error() != "job.yaml:6: tune.space lists too many values to hold each to the others: give ranges (low, high) instead" {
		t.Errorf("got %v", err)
	}
}

func TestChosenSettingsAreLaidOverThoseOfATraining(t *testing.T) {
	t.Parallel()
	s := wire.TrainSettings{Window: 9, Model: wire.ModelSpec{Hidden: 4, Embed: 7, Cell: "lstm"}, Train: wire.TrainSpec{LR: 0.1, Batch: 3}}
	got, err := s.Overlay(map[string]json.RawMessage{
		"model.hidden": json.RawMessage("64"), "model.embed": json.RawMessage(`"direct"`), "train.lr": json.RawMessage("0.002"), "train.lazy": json.RawMessage("true"),
	})
	want := wire.TrainSettings{Window: 9, Model: wire.ModelSpec{Hidden: 64, Embed: wire.Direct, Cell: "lstm"}, Train: wire.TrainSpec{LR: 0.002, Batch: 3, Lazy: true}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Error(d, err)
	}
	if same, err := s.Overlay(nil); err != nil || cmp.Diff(s, same) != "" {
		t.Errorf("%+v, %v", same, err)
	}
	for path, value := range map[string]string{
		"model.hidden": "64.5", "train.lr": `"a"`, "train.epochs": "3", "lr": "1", "model.inputs": `["elapsed"]`, "train.batch": "null", "train.LR": "1",
	} {
		if _, err := s.Overlay(map[string]json.RawMessage{path: json.RawMessage(value)}); err == nil {
			t.Errorf("%s %s was taken", path, value)
		}
	}
}
