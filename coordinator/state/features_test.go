package state_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// made runs a one-stage job whose result is a feature set.
func (l *log) made(job, name, id string) {
	l.t.Helper()
	l.submit(job, batch("features"))
	token := l.place(false, on(job+"/features/0", "a"))
	l.must(wire.CmdTaskResult, wire.TaskResult{
		Task: job + "/features/0", Token: token, Features: &wire.FeatureSet{ID: id, Name: name, Students: 7, Job: "a lie"},
	})
}

func TestFeatureSetsAreFoundByIDAndPipeline(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 2)
	if sets := l.s.Read().FeatureSets(nil); len(sets) != 0 {
		t.Errorf("%d sets before the first", len(sets))
	}
	l.made("j1", "weekly", "x")
	l.made("j2", "weekly", "y")
	l.made("j3", "daily", "z")
	l.made("j4", "daily", "x")
	l.made("j5", "weekly", "x") // made again: the newest again
	var got [][3]string
	for _, f := range l.s.Read().FeatureSets(nil) {
		got = append(got, [3]string{f.Name, f.ID, f.Job})
	}
	want := [][3]string{{"daily", "x", "j4"}, {"daily", "z", "j3"}, {"weekly", "x", "j5"}, {"weekly", "y", "j2"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	again, ok := l.s.Read().FeatureSet(nil, "weekly")
	if !ok || again.ID != "x" || again.Students != 7 || again.Created == 0 || again.CreateIndex >= again.ModifyIndex {
		t.Errorf("the newest of weekly is %+v", again)
	}
	if f, ok := l.s.Read().FeatureSet(nil, "y"); !ok || f.Name != "weekly" {
		t.Errorf("y is %+v", f)
	}
	if f, ok := l.s.Read().FeatureSet(nil, "week"); ok {
		t.Errorf("week is %+v", f)
	}
	var b bytes.Buffer
	if _, err := l.s.Read().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	restored := state.New()
	if err := restored.Restore(&b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(l.s.Read().FeatureSets(nil), restored.Read().FeatureSets(nil)); d != "" || restored.Read().Hash() != l.s.Read().Hash() {
		t.Errorf("restored otherwise: %s", d)
	}
}

func TestAFailedAttemptPublishesNoFeatures(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 2)
	l.submit("j", batch("features"))
	token := l.place(false, on("j/features/0", "a"))
	set := &wire.FeatureSet{ID: "x", Name: "n"}
	l.apply(wire.CmdTaskResult, wire.TaskResult{Task: "j/features/0", Token: token - 1, Features: set})
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j/features/0", Token: token, Error: "no", Cause: wire.CauseFatal, Features: set})
	if sets := l.s.Read().FeatureSets(nil); len(sets) != 0 {
		t.Errorf("published %+v", sets[0])
	}
}
