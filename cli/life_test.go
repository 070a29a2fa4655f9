package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// promotion is what the last stage of a pipeline says.
func promotion(t *testing.T, j wire.JobView) (promoted bool, version int, why string) {
	t.Helper()
	for key, into := range map[string]any{"promoted": &promoted, "version": &version, "why": &why} {
		if err := json.Unmarshal(j.Result[key], into); err != nil {
			t.Fatalf("%s of %v: %v", key, j.Result, err)
		}
	}
	return promoted, version, why
}

// A model with a name goes into production once, stays there while there is no
// better one, and what is not sound is no normal end.
func TestAPipelinesModelGoesIntoProduction(t *testing.T) {
	t.Parallel()
	url := startCluster(t, 1).URL()
	events := simulated(t, simulate.Config{Students: 60, Skills: 5, Answers: 12, Seed: 3})
	job := write(t, "retrain.yaml", pipelineOf(fmt.Sprintf("data: {events: %q}", events),
		"register: {model: dkt, promote: true}", "gates: {auc: 0.2, accuracy: 0.2, improvement: 0, fold_spread: 0.9}"))
	run := func(code int, part string, set ...string) wire.JobView {
		t.Helper()
		o := cohort(t, "", nil, append([]string{"job", "run", job, "-o", "json", "--addr", url}, set...)...)
		o.expect(t, code, part)
		return final(t, o)
	}
	first := run(0, "register (evaluate, features) ─ promote")
	if promoted, version, why := promotion(t, first); !promoted || version != 1 || !strings.Contains(why, first.ID) {
		t.Errorf("the first: %v, %d, %s", promoted, version, why)
	}
	var found wire.Evaluation
	if err := json.Unmarshal(first.Result["evaluation"], &found); err != nil || found.Baseline != 0 || found.Quality != wire.QualityPassed || len(found.Segments) != 2 {
		t.Errorf("%+v, %v", found, err)
	}
	again := run(0, "register (evaluate, features) ─ promote")
	if promoted, version, _ := promotion(t, again); !promoted || version != 1 || reused(again) != "extract validate features shard train" {
		t.Errorf("nothing new: %v, version %d, reused %s", promoted, version, reused(again))
	}
	if outputOf(again, "register", "manifest") != outputOf(first, "register", "manifest") {
		t.Error("the same model has another manifest")
	}
	other := run(0, "register (evaluate, features) ─ promote", "--set", "train.seed=7", "--set", "gates.improvement=0.9")
	if promoted, version, why := promotion(t, other); promoted || version != 2 || !strings.Contains(why, "against version 1") {
		t.Errorf("no better: %v, %d, %s", promoted, version, why)
	}
	worse := run(3, "AUC", "--set", "train.seed=8", "--set", "gates.auc=0.99")
	if worse.Status != wire.Failed || !strings.Contains(worse.Reason, "stage promote failed") || !strings.Contains(worse.Reason, "below 0.99") {
		t.Errorf("%s: %s", worse.Status, worse.Reason)
	}
	scrape(t, url+"/metrics",
		`cohort_model_version{model="dkt",stage="production"} 1`, `cohort_evaluation_gate_passed{gate="accuracy",model="dkt"} 1`,
		`cohort_evaluation_gate_passed{gate="auc",model="dkt"} 0`, `cohort_evaluation_auc{model="dkt",of="baseline"} 0.`)
	shown := cohort(t, "", nil, "model", "list", "--addr", url)
	shown.expect(t, 0, "")
	if !strings.Contains(shown.out, "dkt") {
		t.Errorf("%+v", shown)
	}
}
