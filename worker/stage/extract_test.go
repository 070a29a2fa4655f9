package stage

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// lakeRun is an extraction of a folder: last is the plan of the one before, base
// its extraction. The plan that the stage commits is answered.
func (b *bench) lakeRun(s wire.ExtractSettings, base, last, held string) (r wire.TaskResult, plan string, err error) {
	b.t.Helper()
	b.env.Commit = func(_ context.Context, made string) (string, bool, error) {
		plan = made
		return made, made == last, nil
	}
	text, err := json.Marshal(s)
	if err != nil {
		b.t.Fatal(err)
	}
	r, err = Run(b.t.Context(), b.env, wire.Assignment{
		Task: wire.Task{ID: "job/extract/0", Attempt: 1}, At: 1_769_904_000_000, Last: last,
		Stage: wire.Stage{Job: "job", Name: "extract", Kind: wire.StageExtract, Settings: text, Plan: held, Inputs: map[string]string{"base": base}},
	})
	return r, plan, err
}

func TestAnExtractionReadsItsPlanAndNothingElse(t *testing.T) {
	t.Setenv("SCHOOL_KEY", "one")
	b := newBench(t)
	dir := t.TempDir()
	day := func(name, rows string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("user,problem,skill,correct,time\n"+rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := wire.ExtractSettings{ImportSettings: importSettings(), Source: wire.SourceSpec{Kind: "lake", Lake: wire.LakeSpec{URL: dir}}}
	s.FoldFile, s.FoldStudent, s.FoldColumn, s.MaskKey = "", "", "", "env:SCHOOL_KEY"
	day("a.csv", "ann,p1,s1,1,1\nann,p2,s2,maybe,2\n")
	first, plan, err := b.lakeRun(s, "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	day("b.csv", "bob,p1,s1,1,3\n")
	// A second attempt reads the plan of the first, not what is there now.
	again, made, err := b.lakeRun(s, "", "", plan)
	if err != nil || made != "" || again.Outputs["extraction"] != first.Outputs["extraction"] {
		t.Errorf("the second attempt made %v and plan %q: %v", again.Outputs, made, err)
	}
	second, next, err := b.lakeRun(s, first.Outputs["extraction"], plan, "")
	if err != nil || next == plan {
		t.Fatalf("plan %q, %v", next, err)
	}
	e, err := lake.ReadExtraction(t.Context(), b.env.Blobs, second.Outputs["extraction"])
	if err != nil || e.Rows != 3 || e.Kept != 2 || e.Rejected != 1 || len(e.Rejects) != 1 || e.Base != first.Outputs["extraction"] {
		t.Errorf("%+v, %v", e, err)
	}
	full, _, err := b.lakeRun(s, "", "", "")
	if err != nil || full.Outputs["dataset"] != second.Outputs["dataset"] || full.Outputs["dataset"] == first.Outputs["dataset"] {
		t.Errorf("in full %v, by increments %v: %v", full.Outputs, second.Outputs, err)
	}
	if _, same, err := b.lakeRun(s, second.Outputs["extraction"], next, ""); !errors.Is(err, ErrReused) || same != next {
		t.Errorf("with nothing new: plan %q, %v", same, err)
	}
	t.Setenv("SCHOOL_KEY", "two")
	day("c.csv", "cy,p1,s1,1,4\n")
	var fault *source.InputError
	if _, _, err := b.lakeRun(s, second.Outputs["extraction"], next, ""); !errors.As(err, &fault) || !strings.Contains(err.Error(), "mask key env:SCHOOL_KEY") {
		t.Errorf("another key: %v", err)
	}
}
