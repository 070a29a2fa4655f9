package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

func after(name string, names ...string) wire.StageView {
	return wire.StageView{Stage: wire.Stage{Name: name, After: names, Status: wire.Pending}}
}

func TestGraphsAreDrawnFromLeftToRight(t *testing.T) {
	t.Parallel()
	for want, stages := range map[string][]wire.StageView{
		"a":         {after("a")},
		"a ─ b ─ c": {after("a"), after("b", "a"), after("c", "b")},
		`extract ─ validate ─┬ features
                    └ shard ─ train ─ evaluate`: {
			after("extract"), after("validate", "extract"), after("features", "validate"), after("shard", "validate"), after("train", "shard"), after("evaluate", "train"),
		},
	} {
		if d := cmp.Diff(strings.Split(want, "\n"), drawGraph(stages)); d != "" {
			t.Error(d)
		}
	}
	got := strings.Join(drawGraph([]wire.StageView{
		after("a"), after("b", "a"), after("x", "b"), after("y", "b"), after("c", "a"), after("d", "b", "c"), after("e", "d"), after("f"),
	}), "\n")
	want := `a ─┬ b ─┬ x
   │    └ y
   └ c ─ d (b, c) ─ e
f`
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestLargeGraphsAreCounted(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	p := newPlain(&b)
	j := view()
	j.LeftOut, j.Counts = 9990, map[wire.Status]int{wire.Done: 4000, wire.Pending: 5998, wire.Running: 2}
	p.show(j)
	p.show(j)
	if want := "stages: 2 running, 5,998 pending, 4,000 done\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
