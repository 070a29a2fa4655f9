//go:build linux

package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// life are gates, registrations and deployments that can't be.
func (w *wrongs) life(t *testing.T) []wrongInput {
	t.Helper()
	const data = "data: {events: right.csv}\n"
	of := func(more string) string { return pipelineWith(data + more) }
	named := func(more string) string { return of("register: {model: dkt, promote: true}\n" + more) }
	real := func(more string) string {
		return pipelineWith(w.named(t, "life.csv", w.text(keep)) + "register: {model: dkt, promote: true}\n" + more)
	}
	return []wrongInput{
		{"gates_without_name", of("gates: {auc: 0.7}\n"), 1, "gates needs register.model: a model that has no name is not promoted"},
		{"gate_in_per_cent", named("gates: {auc: 75}\n"), 1, "gates.auc is 75; want 0 (off) or more and below 1"},
		{"gate_nan", named("gates: {improvement: .nan}\n"), 1, `gates.improvement: want a number, got ".nan"`},
		{"gate_misspelt", named("gates: {auk: 0.7}\n"), 1, `unknown key "auk" in gates; did you mean "auc"?`},
		{"no_gate_left", named("gates: {auc: 0, accuracy: 0, improvement: 0, fold_spread: 0, quality: false}\n"), 1, "gates are all off"},
		{"gate_not_passed", real("gates: {auc: 0.99, improvement: 0}\n"), 3, "below 0.99"},
		{"register_without_name", of("register: {promote: true}\n"), 1, "register.model is missing: under which name is the model registered?"},
		{"register_a_path", of("register: {model: ../dkt}\n"), 1, `register.model "../dkt"`},
		{"register_of_a_train_job", data + "register: {model: dkt}\n", 1, "register is for kind pipeline"},
		{"deploy_without_promote", of("register: {model: dkt}\ndeploy: {replicas: 1}\n"), 1, "deploy needs register.promote: true"},
		{"deploy_nothing", named("deploy: {replicas: 0}\n"), 1, "deploy.replicas is 0; want 1 to 100"},
		{"deploy_big_bang", named("deploy: {strategy: bigbang}\n"), 1, `deploy.strategy is "bigbang"; want blue-green or canary`},
		{"deploy_falling", named("deploy: {strategy: canary, canary: [50, 10]}\n"), 1, "deploy.canary is [50 10]; want rising per cent from 1 to 99"},
		{"deploy_no_time", named("deploy: {for: soon}\n"), 1, `deploy.for "soon" is no duration`},
	}
}

// ask is a wrong request over HTTP and what it is answered with.
type ask struct {
	name, path, kind, body string
	status                 int
	want                   string // of the one line of the answer
}

// Whatever is asked wrongly of a cluster that serves a model is answered in one
// line that names the field, tells no student, and leaves what is served as it was.
func TestWrongRequestsOfAServedModelAreNamed(t *testing.T) {
	t.Parallel()
	c, _, v := shelfCluster(t, 1)
	url := c.URL()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	const right = `{"inputs": [[1, 2, 3]]}`
	status, text := post(t, url+"/invocations", "application/json", right)
	t.Logf("| before a deployment | %d | %s |", status, text)
	if status != http.StatusNotFound {
		t.Errorf("before a deployment: %d %s", status, text)
	}
	cohort(t, "", nil, "deploy", "start", "dkt", "--replicas", "1", "-q", "--addr", url).expect(t, 0, "")
	var before string
	until(t, "the gateway", func() bool {
		status, before = post(t, url+"/invocations", "application/json", right)
		return status == http.StatusOK
	})
	if status, text := post(t, url+attemptsOf("ann"), "application/json", `{"id": "a1", "skill": "2", "correct": true}`); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	for _, a := range append(invocations(), attempts()...) {
		status, text := post(t, url+a.path, a.kind, a.body)
		t.Logf("| %s | %d | %s |", a.name, status, text)
		if status != a.status || !strings.Contains(text, a.want) {
			t.Errorf("%s: %d %s; want %d and %q", a.name, status, text, a.status, a.want)
		}
		if strings.Contains(text, "\n") || strings.Contains(text, hidden) {
			t.Errorf("%s: %q", a.name, text)
		}
	}
	for _, l := range modelLines(v.Job) {
		o := cohort(t, "", nil, append(strings.Fields(l.line), "--addr", url)...)
		t.Logf("| %s | %d | %s |", l.line, o.code, strings.TrimSpace(o.err))
		o.expect(t, l.code, l.want)
		o.oneLine(t)
	}
	if status, after := post(t, url+"/invocations", "application/json", right); status != http.StatusOK || after != before {
		t.Errorf("after all of them: %d %s, before %s", status, after, before)
	}
	if v := productionOf(t, url, "dkt"); v.Version != 1 {
		t.Errorf("in production is %+v", v.ModelVersion)
	}
}

func post(t *testing.T, url, kind, body string) (status int, text string) {
	t.Helper()
	r, err := http.Post(url, kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // tests
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var fault struct{ Message, Error, Why string }
	if json.Unmarshal(b, &fault) == nil {
		if line := fault.Message + fault.Error + fault.Why; line != "" {
			return r.StatusCode, line
		}
	}
	return r.StatusCode, strings.TrimSpace(string(b))
}

func attemptsOf(student string) string { return "/v1/students/" + student + "/attempts" }

func invocations() []ask {
	const at, as = "/invocations", "application/json"
	return []ask{
		{"invocations_empty", at, as, "", 400, "the request is no JSON object"},
		{"invocations_no_json", at, as, `{"inputs": [[1, 2`, 400, "the request is no JSON: unexpected end"},
		{"invocations_bare_list", at, as, `[[1, 2, 3]]`, 400, "the request is no JSON object"},
		{"invocations_two_forms", at, as, `{"inputs": [[1]], "instances": [[1]]}`, 400, "the request has both inputs and instances"},
		{"invocations_no_form", at, as, `{"params": {}}`, 400, "the request has none of inputs"},
		{"invocations_flat", at, as, `{"inputs": [1, 2, 3]}`, 400, "inputs[0] is 1, want a list of interaction codes"},
		{"invocations_nan", at, as, `{"inputs": [[1, NaN]]}`, 400, "the request is no JSON: invalid character 'N'"},
		{"invocations_code_too_high", at, as, `{"inputs": [[1], [2, 10]]}`, 400, "inputs[1][1]: code 10 is not from 0 to 9"},
		{"invocations_half_a_code", at, as, `{"inputs": [[1.5]]}`, 400, "inputs[0][0] is 1.5, want an interaction code"},
		{"invocations_no_column", at, as, `{"dataframe_split": {"columns": ["student", "skill"], "data": [["x", "2"]]}}`, 400, `dataframe_split.columns: column "correct" is missing`},
		{"invocations_short_row", at, as, `{"dataframe_split": {"columns": ["student", "skill", "correct"], "data": [["x", "2", 1], ["x", "2"]]}}`, 400, "dataframe_split.data[1] has 2 values, there are 3 columns"},
		{"invocations_unknown_skill", at, as, `{"dataframe_records": [{"student": "` + hidden + `", "skill": "algebra", "correct": 1}]}`, 400, `dataframe_records[0], column skill: skill "algebra"`},
		{"invocations_csv_not_right_or_wrong", at, "text/csv", "student,skill,correct\n" + hidden + ",2,maybe\n", 400, "row 2 of the CSV, column correct is maybe"},
		{"invocations_parameter", at, as, `{"inputs": [[1]], "params": {"top": 3}}`, 400, "params.top is unknown"},
		{"invocations_text", at, "text/plain", `{"inputs": [[1]]}`, 415, "only supports the content types text/csv and application/json"},
		{"invocations_latin1", at, "application/json; charset=latin1", `{"inputs": [[1]]}`, 415, "no parameter but charset=utf-8"},
		{"invocations_huge", at, as, `{"inputs": [[` + strings.Repeat("1,", 17<<20) + `1]]}`, 413, "is longer than 33554432 bytes"},
		{"invocations_of_no_model", at + "?model=rasch", as, `{"inputs": [[1]]}`, 404, `rasch`},
	}
}

func attempts() []ask {
	const as = "application/json"
	at := attemptsOf(hidden)
	return []ask{
		{"attempt_empty", at, as, "", 400, "the body is no JSON object: want an attempt"},
		{"attempt_no_id", at, as, `{"skill": "2", "correct": true}`, 400, "id is missing: an attempt sent again under its id counts once"},
		{"attempt_no_skill", at, as, `{"id": "1", "correct": true}`, 400, "skill is missing"},
		{"attempt_no_answer", at, as, `{"attempts": [{"id": "1", "skill": "2", "correct": true}, {"id": "2", "skill": "2"}]}`, 400, "attempts[1].correct is missing: true or false"},
		{"attempt_number_for_truth", at, as, `{"id": "1", "skill": "2", "correct": 1}`, 400, "correct is a number, want true or false"},
		{"attempt_nan", at, as, `{"id": "1", "skill": "2", "correct": true, "elapsed_ms": NaN}`, 400, "the body is no JSON object"},
		{"attempt_misspelt", at, as, `{"id": "1", "skil": "2", "correct": true}`, 400, "skil is unknown; known: id, item, skill, correct"},
		{"attempt_time", at, as, `{"id": "1", "skill": "2", "correct": true, "time_us": -1}`, 400, "time_us is -1, no time in microseconds since 1970"},
		{"attempt_of_another", at, as, `{"id": "1", "student": "bob", "skill": "2", "correct": true}`, 400, "student is another than the path's"},
		{"attempt_id_of_another", attemptsOf("ann"), as, `{"id": "a1", "skill": "3", "correct": true}`, 409, `attempts[0].id was given to another attempt before, of skill "2" and correct true`},
		{"attempt_id_twice", attemptsOf("ben"), as, `{"attempts": [{"id": "b1", "skill": "2", "correct": true}, {"id": "b1", "skill": "2", "correct": false}]}`, 409, "attempts[1].id was given to another attempt before"},
		{"attempt_unknown_skill", attemptsOf("cy"), as, `{"id": "c1", "skill": "algebra", "correct": true}`, 200, `the model does not know skill "algebra": the attempt is kept, and changes no prediction`},
		{"attempt_huge", at, as, `{"id": "` + strings.Repeat("x", 5<<20) + `"}`, 400, "the body can't be read, or is longer than 4194304 bytes"},
	}
}

// modelLines are command lines about a model, its versions and its traffic.
func modelLines(job string) []struct {
	line string
	code int
	want string
} {
	return []struct {
		line string
		code int
		want string
	}{
		{"model show rasch", 4, `no model "rasch"`},
		{"model show dkt@7", 4, `no version of model dkt that is called "7"`},
		{"model show dkt@pilot", 4, `no version of model dkt that is called "pilot"`},
		{"model history dkt --at monday", 2, `"monday"`},
		{"model diff dkt@1 dkt@2", 4, `"2"`},
		{"model promote dkt@1 --stage live", 2, `--stage "live" is unknown`},
		{"model promote dkt@1 --check-index 3", 5, "has changed"},
		{"model promote dkt@1 --force --reason exam", 6, "admin"},
		{"model rollback dkt", 5, "nothing to roll back to"},
		{"model delete dkt@1", 5, "version 1 of model dkt is in production"},
		{"model alias dkt@1 latest", 1, `alias "latest" has a meaning already`},
		{"model export dkt --format pickle", 2, `--format "pickle" is unknown`},
		{"model verify dkt@0", 4, `"0"`},
		{"model reproduce", 2, "needs MODEL"},
		{"model reproduce rasch", 4, `no model "rasch"`},
		{"model reproduce dkt@9", 4, `no version of model dkt that is called "9"`},
		{"model reproduce dkt@", 2, `"dkt@" names no model`},
		{"model reproduse dkt", 2, `did you mean "cohort model reproduce"?`},
		{"deploy start dkt@9", 4, `"9"`},
		{"deploy start rasch", 4, `no model "rasch"`},
		{"deploy promote dkt", 5, "no version on its way"},
		{"deploy rollback dkt", 5, "nothing to roll back to"},
		{"deploy status rasch", 4, `no deployment of model "rasch"`},
		{"tune show " + job, 4, "has no study"},
		{"tune extend " + job + " --trials 9", 4, "has no study"},
		{"alert ack nothing", 4, "nothing"},
		{"alert silence r --for never --reason x", 2, `--for "never"`},
		{fmt.Sprintf("tune extend %s --trials -1", job), 2, "--trials"},
	}
}
