package cli

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

// searching is a job whose study of 100 trials has come to some of them.
func searching(status wire.Status, done, failed, running int) wire.JobView {
	best := 0.75124
	s := stageOf("tune", status)
	s.Kind, s.Settings, s.Started, s.Ended = wire.StageTune, json.RawMessage(`{"tune":{"trials":100}}`), 1000, 64000
	s.Parts = map[wire.Status]int{wire.Done: done, wire.Failed: failed, wire.Running: running}
	if done > 0 {
		s.Best = &best
	}
	return view(s)
}

func TestAStudyIsOneLineThatMoves(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	p := newPlain(&b)
	p.show(searching(wire.Pending, 0, 0, 0))
	p.show(searching(wire.Running, 0, 0, 2))
	p.told["tune"] = time.Now().Add(time.Hour) // for a machine that takes long
	for n := range 90 {
		p.show(searching(wire.Running, n, 1, 2)) // too soon for another line
	}
	p.told["tune"] = time.Now().Add(-countEvery)
	p.show(searching(wire.Running, 95, 2, 2))
	p.show(searching(wire.Done, 98, 2, 0))
	p.show(searching(wire.Done, 98, 2, 0))
	want := `tune 0/100 trials, 2 running
tune 97/100 trials, 2 running, 2 failed, best 0.7512
tune done in 1m03s, 100/100 trials, 2 failed, best 0.7512
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestAStudyIsOneBar(t *testing.T) {
	t.Parallel()
	var s screen
	b := newBars(&s, false)
	b.show(searching(wire.Running, 40, 2, 3))
	want := "42/100 trials, 3 running, 2 failed, best 0.7512"
	for deadline := time.Now().Add(time.Minute); !strings.Contains(s.String(), want); {
		if time.Now().After(deadline) {
			t.Fatalf("the screen lacks %q: %s", want, s.String())
		}
		<-time.After(5 * time.Millisecond)
	}
	b.end()
	if got := partsDone(searching(wire.Running, 40, 2, 3).Stages[0]); got != 0.42 {
		t.Errorf("%g of the bar is full", got)
	}
}

func TestFoldsAreCounted(t *testing.T) {
	t.Parallel()
	s := stageOf("cross-validate", wire.Running)
	s.Kind, s.Settings, s.Parts = wire.StageCross, json.RawMessage(`{"folds":5}`), map[wire.Status]int{wire.Done: 3, wire.Running: 1, wire.Pending: 1}
	if got := partsLine(s); got != "3/5 folds, 1 running" {
		t.Error(got)
	}
	if got := partsLine(stageOf("train", wire.Running)); got != "" {
		t.Error(got)
	}
}

func TestChosenSettingsAreOneLine(t *testing.T) {
	t.Parallel()
	got := chosen(map[string]json.RawMessage{
		"train.lr": json.RawMessage("0.0123456789"), "model.hidden": json.RawMessage("64"), "model.embed": json.RawMessage(`"direct"`), "train.lazy": json.RawMessage("true"),
	})
	if want := "model.embed=direct model.hidden=64 train.lazy=true train.lr=0.01235"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
