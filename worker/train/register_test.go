package train

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

func TestAVersionSaysWhatItIsMadeOf(t *testing.T) {
	t.Parallel()
	r := newRound(t, 1, newSchool(80))
	s := defaults()
	results, errs := r.run(t.Context(), s)
	if errs[0] != nil {
		t.Fatal(errs[0])
	}
	weights := results[0].Outputs["weights"]
	register := func(job, weights, best string) (wire.TaskResult, error) {
		a := r.assignment(0, wire.RegisterSettings{TrainSettings: s, Name: "dkt", MultiSkill: "combine", JobSpec: "spec", Evaluation: "evaluate"})
		a.Stage.Job, a.Stage.Kind = job, wire.StageRegister
		a.Stage.Inputs = map[string]string{
			"weights": weights, "dataset": "d", "shards": "s", "extraction": "e", "features": "f", "folds": "o", "evaluation": "of a run",
		}
		if best != "" {
			a.Stage.Inputs["best"] = best
		}
		env := r.env(0)
		env.Version = "v1.2.3"
		return Register(t.Context(), env, a)
	}
	first, err := register("monday", weights, "")
	if err != nil {
		t.Fatal(err)
	}
	text, err := lake.Read(t.Context(), r.blobs, first.Outputs["manifest"])
	if err != nil {
		t.Fatal(err)
	}
	var got wire.ModelManifest
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	want := wire.ModelManifest{
		FormatVersion: 1, Model: "dkt", Weights: weights, WeightsHash: decode(t, results[0]).Weights, Engine: "kernels",
		Skills: []string{"skill0", "skill1", "skill2", "skill3", "skill4"}, Window: s.Window, MultiSkill: "combine", Spec: s.Model, Train: s.Train,
		Split: s.Split, Extraction: "e", Dataset: "d", Shards: "s", Features: "f", Folds: "o", JobSpec: "spec", Binary: "v1.2.3",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	v := wire.ModelVersion{
		Model: "dkt", Manifest: first.Outputs["manifest"], Weights: weights, WeightsHash: want.WeightsHash, Engine: "kernels",
		Evaluation: "monday/evaluate", Job: "monday",
	}
	if d := cmp.Diff(&v, first.Version); d != "" {
		t.Error(d)
	}
	if second, err := register("tuesday", weights, ""); err != nil || second.Outputs["manifest"] != v.Manifest || second.Version.Evaluation != "tuesday/evaluate" {
		t.Errorf("the same model from another run: %+v, %v", second.Version, err)
	}
	tuned, err := register("monday", weights, r.put(map[string]any{"model.engine": "graph", "train.lr": 0.5}))
	if err != nil || tuned.Version.Engine != "graph" || tuned.Version.Manifest == v.Manifest {
		t.Errorf("with tuned settings %+v, %v", tuned.Version, err)
	}
	if text, err = lake.Read(t.Context(), r.blobs, tuned.Outputs["manifest"]); err != nil || !strings.Contains(string(text), `"lr":0.5`) {
		t.Errorf("%s, %v", text, err)
	}
	for name, hash := range map[string]string{"absent": strings.Repeat("0", 64), "broken": r.put("x")} {
		if _, err := register("monday", hash, ""); err == nil || !strings.Contains(err.Error(), "weights") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
