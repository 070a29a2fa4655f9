package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// demonstrated is the end of a demo as JSON.
type demonstrated struct {
	wire.JobView
	URL     string
	Serving int
	Asked   []struct {
		Curl   string
		Answer json.RawMessage
	}
}

// learners are few, and enough for a model that is better than nothing.
func learners(t *testing.T) string {
	return simulated(t, simulate.Config{Students: 150, Skills: 4, Answers: 20, Seed: 3})
}

// loose are gates that a model of a few steps passes.
const loose = " --epochs 2 --set gates.auc=0.3 --set gates.improvement=0 --set gates.fold_spread=0.5"

// The whole pipeline, and then a model that answers. A second demo in the same
// folder trains nothing, and answers the same.
func TestTheDemoEndsWithAModelThatAnswers(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	line := "demo --events " + learners(t) + loose + " --set tune.trials=2 --set cross_validate.folds=2 --data-dir " + dir
	first := cohort(t, "", nil, strings.Fields(line+" -o json")...)
	first.expect(t, 0, "gates    AUC at least 0.3, folds within 50 %, sound data")
	until(t, "the first demo has ended", func() bool { return free(dir) })
	var d demonstrated
	if err := json.Unmarshal([]byte(first.out), &d); err != nil || strings.Count(first.out, "\n") != 1 {
		t.Fatalf("stdout %q: %v", first.out, err)
	}
	if d.Status != wire.Done || d.Serving != 1 || len(d.Asked) != 2 || d.Result["tune"] == nil || d.Result["cross"] == nil {
		t.Fatalf("%+v", d)
	}
	var scored struct{ Predictions []map[string]float64 }
	if err := json.Unmarshal(d.Asked[0].Answer, &scored); err != nil || len(scored.Predictions) != 1 || len(scored.Predictions[0]) != 2 {
		t.Errorf("%s: %v", d.Asked[0].Answer, err)
	}
	var taken wire.AttemptsReply
	if err := json.Unmarshal(d.Asked[1].Answer, &taken); err != nil || taken.Accepted != 1 || len(taken.P) != 4 || taken.Next == nil || taken.Model.Version != 1 {
		t.Errorf("%s: %v", d.Asked[1].Answer, err)
	}
	again := cohort(t, "", nil, strings.Fields(line)...)
	until(t, "the second demo has ended", func() bool { return free(dir) })
	again.expect(t, 0, "train unchanged since "+d.ID+"/train")
	for _, part := range []string{strings.Replace(string(d.Asked[0].Answer), ":", ": ", 1)[:20], "in production", "@1, whose weights are in production\n"} {
		if !strings.Contains(again.out, part) {
			t.Errorf("the second demo does not print %q: %s", part, again.out)
		}
	}
	if shown := regexp.MustCompile(`(?m)^curl http://127\.0\.0\.1:\d+/v1/students/ada/attempts .*\n\{"student":"ada","accepted":1,`); !shown.MatchString(again.out) {
		t.Errorf("no attempt is shown: %s", again.out)
	}
}

// With --stay the demo serves what it has printed, and ends well when it is ended.
func TestTheDemoServesUntilItIsEnded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := background(t, strings.Fields("demo --stay --events "+learners(t)+loose+" --data-dir "+dir)...)
	until(t, "the demo serves", func() bool { return strings.Contains(d.err.String(), "Ctrl-C ends it.") })
	curl := regexp.MustCompile(`curl (\S+/invocations) -H '(.*): (.*)' -d '(.*)'\n(.*)\n`).FindStringSubmatch(d.out.String())
	if curl == nil {
		t.Fatalf("no request is shown: %s", d.out.String())
	}
	q, err := http.NewRequestWithContext(t.Context(), http.MethodPost, curl[1], strings.NewReader(curl[4]))
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set(curl[2], curl[3])
	asker := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := asker.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // tests
	if answer, err := io.ReadAll(r.Body); err != nil || strings.TrimSpace(string(answer)) != curl[5] {
		t.Errorf("printed %s, got %s: %v", curl[5], answer, err)
	}
	d.stop(t).expect(t, 0, "")
	until(t, "what the command left behind has ended", func() bool { return free(dir) })
}

// What a gate refuses is not served: with an exit code of its own where the model is
// not sound, and well where it is only no better than what is there.
func TestTheDemoServesNothingThatAGateRefuses(t *testing.T) {
	long(t)
	t.Parallel()
	dir := t.TempDir()
	line := "demo --epochs 1 --events " + learners(t) + " --data-dir " + dir
	o := cohort(t, "", nil, strings.Fields(line+" --set gates.auc=0.99")...)
	until(t, "the demo has ended", func() bool { return free(dir) })
	o.expect(t, 3, "is below 0.99")
	if strings.Contains(o.out, "curl") || !strings.Contains(o.out, "skill mean") {
		t.Errorf("stdout %s", o.out)
	}
	o = cohort(t, "", nil, strings.Fields(line+" --set gates.improvement=0.9")...)
	o.expect(t, 0, "nothing answers")
	if strings.Contains(o.out, "curl") || !strings.Contains(o.out, "is not promoted: ") {
		t.Errorf("stdout %s", o.out)
	}
	until(t, "the demo has ended", func() bool { return free(dir) })
	cohort(t, "", nil, strings.Fields(line+" --once --stay")...).expect(t, 2, "exclude each other")
	cohort(t, "", nil, strings.Fields(line+" --set gates.auk=1")...).expect(t, 2, `unknown key "auk" in gates; did you mean "auc"?`)
	cohort(t, "", nil, strings.Fields(line+" --http 0.0.0.0:0")...).expect(t, 1, "can be reached by others")
}
