package wire_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

func good() wire.Evaluation {
	return wire.Evaluation{
		Of: wire.Measures{AUC: 0.75, Accuracy: 0.7}, Gain: 0.01, GainLow: 0.001, GainHigh: 0.02,
		Folds: []float64{0.7, 0.8}, Spread: 0.05, Quality: wire.QualityPassed,
	}
}

func TestGates(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*wire.GatesSpec, *wire.Evaluation)
		failed string
		text   string // a part of one gate's text
	}{
		"at the bounds":     {func(*wire.GatesSpec, *wire.Evaluation) {}, "", "AUC 0.7500 is at least 0.75"},
		"against nothing":   {func(*wire.GatesSpec, *wire.Evaluation) {}, "", "AUC is +1.00 % against the per-skill mean (95 %: +0.10 to +2.00 %)"},
		"auc":               {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Of.AUC = 0.7499 }, "auc", "AUC 0.7499 is below 0.75"},
		"accuracy":          {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Of.Accuracy = 0.6 }, "accuracy", "accuracy 0.6000 is below 0.7"},
		"gain":              {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Gain, e.Baseline = 0.009, 3 }, "improvement", "AUC is +0.90 % against version 3"},
		"gain by chance":    {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.GainLow = 0 }, "improvement", "it may be chance"},
		"worse":             {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Gain, e.GainLow = -0.02, -0.03 }, "improvement", "-2.00 %"},
		"spread":            {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Spread = 0.051 }, "fold_spread", "spreads by 5.10 % over 2 folds, want at most 5 %"},
		"no folds":          {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Folds, e.Spread = nil, 9 }, "", "does not apply"},
		"quality":           {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Quality = "too old" }, "quality", "did not pass its checks: too old"},
		"quality unknown":   {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Quality = "" }, "quality", "nothing is known"},
		"two":               {func(_ *wire.GatesSpec, e *wire.Evaluation) { e.Of = wire.Measures{} }, "auc, accuracy", "below"},
		"off":               {func(g *wire.GatesSpec, e *wire.Evaluation) { *g, *e = wire.GatesSpec{}, wire.Evaluation{} }, "", ""},
		"one is off":        {func(g *wire.GatesSpec, e *wire.Evaluation) { g.AUC, e.Of.AUC = 0, 0.1 }, "", ""},
		"the others remain": {func(g *wire.GatesSpec, e *wire.Evaluation) { g.AUC, e.Of = 0, wire.Measures{} }, "accuracy", ""},
	} {
		g, e := wire.DefaultGates(), good()
		c.change(&g, &e)
		results := wire.CheckGates(g, e)
		names, texts := wire.FailedGates(results)
		var all []string
		for _, r := range results {
			all = append(all, r.Text)
		}
		if names != c.failed || !strings.Contains(strings.Join(all, "\n"), c.text) {
			t.Errorf("%s: failed %q, texts %q", name, names, all)
		}
		if strings.Contains(texts, "\n") || (names == "") != (texts == "") {
			t.Errorf("%s: texts %q", name, texts)
		}
	}
}

func TestReplayTellsWhereVersionsStood(t *testing.T) {
	changes := []wire.ModelChange{
		{Version: 1, What: wire.ChangeRegistered, To: wire.Development},
		{Version: 2, What: wire.ChangeRegistered, To: wire.Development},
		{Version: 1, What: wire.ChangePromoted, To: wire.Production},
		{Version: 2, What: wire.ChangePromoted, To: wire.Staging},
		{Version: 2, What: wire.ChangeNote},
		{Version: 2, What: wire.ChangePromoted, To: wire.Production},
		{Version: 3, What: wire.ChangeRegistered, To: wire.Development},
		{Version: 3, What: wire.ChangePromoted, To: wire.Production},
		{Version: 1, What: wire.ChangeRolledBack, To: wire.Production},
		{Version: 2, What: wire.ChangeDeleted},
	}
	for n, want := range map[int]wire.Standing{
		0:  {Stages: map[int]wire.ModelStage{}},
		4:  {Stages: map[int]wire.ModelStage{1: wire.Production, 2: wire.Staging}, Past: []int{1}},
		6:  {Stages: map[int]wire.ModelStage{1: wire.Archived, 2: wire.Production}, Past: []int{1, 2}},
		8:  {Stages: map[int]wire.ModelStage{1: wire.Archived, 2: wire.Archived, 3: wire.Production}, Past: []int{1, 2, 3}},
		10: {Stages: map[int]wire.ModelStage{1: wire.Production, 3: wire.Archived}, Past: []int{1}},
	} {
		got := wire.Replay(changes[:n])
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("after %d changes: %s", n, d)
		}
	}
	s := wire.Replay(changes[:8])
	if s.Production() != 3 || s.Previous() != 2 || s.Staging() != 0 {
		t.Errorf("%+v", s)
	}
}
