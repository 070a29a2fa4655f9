package stage

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt/checkpoint"
	"cohort/kernels"
)

// The positions that were read stand in the record: what has come since is not
// read, and the increments come to the same dataset at once.
func TestRecordedPositionsAreReadAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := t.TempDir()
	day := func(name, rows string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("user,problem,skill,correct,time\n"+rows), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := wire.ExtractSettings{ImportSettings: importSettings(), Source: wire.SourceSpec{Kind: "lake", Lake: wire.LakeSpec{URL: dir}}}
	s.FoldFile, s.FoldStudent, s.FoldColumn = "", "", ""
	day("a.csv", "ann,p1,s1,1,1\nann,p2,s2,maybe,2\n")
	first, plan, err := b.lakeRun(s, "", "", "")
	if err != nil {
		t.Fatal(err)
	}
	day("b.csv", "bob,p1,s1,1,3\n")
	second, _, err := b.lakeRun(s, first.Outputs["extraction"], plan, "")
	if err != nil {
		t.Fatal(err)
	}
	day("c.csv", "cy,p1,s1,1,3\n")
	again := func(recorded string) (wire.TaskResult, *lake.Extraction) {
		t.Helper()
		r, err := b.run(wire.StageExtract, s, map[string]string{"recorded": recorded})
		if err != nil {
			t.Fatal(err)
		}
		e, err := lake.ReadExtraction(t.Context(), b.env.Blobs, r.Outputs["extraction"])
		if err != nil {
			t.Fatal(err)
		}
		return r, e
	}
	for name, was := range map[string]wire.TaskResult{"first": first, "second": second} {
		r, e := again(was.Outputs["extraction"])
		old, err := lake.ReadExtraction(t.Context(), b.env.Blobs, was.Outputs["extraction"])
		if err != nil {
			t.Fatal(err)
		}
		if r.Outputs["dataset"] != was.Outputs["dataset"] || e.Rows != old.Rows || e.Rejected != old.Rejected || e.At != old.At || e.Base != "" {
			t.Errorf("%s: %+v, was %+v", name, e, old)
		}
	}
	if _, err := b.run(wire.StageExtract, s, map[string]string{"recorded": strings.Repeat("0", 64)}); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("without a record: %v", err)
	}
}

func TestWhatWasMadeAgainIsHeldToTheManifest(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dataset := func(text string) string {
		t.Helper()
		s := importSettings()
		s.FoldFile, s.FoldStudent, s.FoldColumn = "", "", ""
		r, err := b.run(wire.StageImport, s, map[string]string{"events": b.put(text)})
		if err != nil {
			t.Fatal(err)
		}
		return r.Outputs["dataset"]
	}
	model := func(first float32) (file, hash string) {
		t.Helper()
		p := kernels.NewParams(kernels.Shape{Skills: 2, Embed: 1, Hidden: 8, Layers: 1})
		p.Data[0] = first
		f, err := checkpoint.Weights(p, []string{"s1", "s2"}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if file, _, err = b.env.Blobs.Put(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		return file, kernels.HashWeights(p)
	}
	file, hash := model(1)
	other, _ := model(2)
	was := dataset(events)
	text, err := json.Marshal(wire.ModelManifest{Model: "dkt", Dataset: was, WeightsHash: hash})
	if err != nil {
		t.Fatal(err)
	}
	manifest := b.put(string(text))
	cy := source.NewMasker([]byte(source.DefaultMaskKey)).Mask("cy")
	for name, c := range map[string]struct{ dataset, weights, want string }{
		"same":    {was, file, ""},
		"data":    {was, "", ""},
		"events":  {dataset(strings.Replace(events, "cy,p1,s1,0,1", "cy,p1,s1,1,1", 1)), "", "model dkt: the events are not those that it learned from: event \"\" at 1000000 µs of the student masked as " + cy},
		"weights": {"", other, "not " + hash},
		"none":    {"", manifest, "read weights"},
		"away":    {strings.Repeat("0", 64), "", "compare datasets"},
	} {
		in := map[string]string{"manifest": manifest, "dataset": c.dataset, "weights": c.weights}
		r, err := b.run(wire.StageCompare, nil, in)
		if c.want == "" {
			var told struct{ Reproduced reproduced }
			if err != nil || json.Unmarshal(r.Result, &told) != nil || told.Reproduced.Dataset != was || c.weights != "" && told.Reproduced.Weights != hash {
				t.Errorf("%s: %s, %v", name, r.Result, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	if _, err := b.run(wire.StageCompare, nil, map[string]string{"manifest": b.put("[")}); err == nil || !strings.Contains(err.Error(), "model manifest") {
		t.Errorf("no manifest: %v", err)
	}
}
