package cli_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

func alertsOf(t *testing.T, url string) (all []wire.AlertView) {
	t.Helper()
	o := cohort(t, "", nil, "alert", "list", "-o", "json", "--addr", url)
	if err := json.Unmarshal([]byte(o.out), &all); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	return all
}

// A cluster without workers fires; a webhook is told; a person takes care of it.
func TestAnIncidentFromRuleToReceiverToAcknowledged(t *testing.T) {
	t.Parallel()
	told := make(chan string, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		told <- string(text)
	}))
	t.Cleanup(hook.Close)
	dir, http := t.TempDir(), freePort(t)
	background(t, "coordinator", "--config", write(t, "c.yaml", "id: c\ndata_dir: "+dir+"/c\nhttp: "+http+
		"\nraft: 127.0.0.1:0\ngossip: "+freePort(t)+"\nstream: "+freePort(t)+"\nalerts:\n  receivers: [{name: hook, kind: webhook, url: '"+hook.URL+
		"'}]\n  rules: [{name: idle, when: no-workers, for: 1s}]\n"))
	run := func(args ...string) outcome {
		t.Helper()
		return cohort(t, "", []string{"USER=ann"}, append(args, "--addr", http)...)
	}
	until(t, "the coordinator", func() bool { return run("alert", "list").code == 0 })
	until(t, "an incident", func() bool { return len(alertsOf(t, http)) > 0 })
	a := alertsOf(t, http)[0]
	var message struct {
		Kind, Receiver string
		Alert          wire.Alert
	}
	select {
	case text := <-told:
		if err := json.Unmarshal([]byte(text), &message); err != nil || message.Kind != "firing" || message.Receiver != "hook" || message.Alert.ID != a.ID {
			t.Errorf("told %s: %v", text, err)
		}
	case <-time.After(time.Minute):
		t.Fatal("nobody was told")
	}
	if o := run("alert", "list", "-q"); o.out != a.ID+"\n" {
		t.Errorf("got %+v", o)
	}
	if o := run("alert", "list"); !strings.Contains(o.out, "idle  firing  1") || !strings.Contains(o.out, "no worker takes tasks") {
		t.Errorf("got %+v", o)
	}
	if o := run("alert", "ack", a.ID, "--note", "on it"); o.out != a.ID+" acknowledged\n" {
		t.Errorf("got %+v", o)
	}
	run("alert", "ack", a.ID, "--note", "on it").expect(t, 5, "acknowledged by ann already")
	run("alert", "ack", "al-0").expect(t, 4, "no alert al-0")
	run("alert", "show", "al-0").expect(t, 4, `no alert "al-0"`)
	until(t, "the notice is kept", func() bool { return alertsOf(t, http)[0].Notified["hook"] != 0 })
	for _, part := range []string{"acknowledged", "ann", "on it", "told hook  ", "cohort node undrain NODE"} {
		if o := run("alert", "show", a.ID); !strings.Contains(o.out, part) {
			t.Errorf("show does not say %q: %s", part, o.out)
		}
	}
	o := run("alert", "silence", "idle", "--for", "2h", "--reason", "moving house")
	o.expect(t, 0, "silent for 2h00m")
	id := strings.TrimSpace(o.out)
	if o := run("alert", "silences"); !strings.Contains(o.out, id+"  idle  -       ") || !strings.Contains(o.out, "ann  moving house") {
		t.Errorf("got %s", o.out)
	}
	if got := alertsOf(t, http)[0]; got.Silence != id || got.By != "ann" {
		t.Errorf("got %+v", got)
	}
	if o := run("alert", "silence", "--end", id); o.out != id+" ended\n" {
		t.Errorf("got %+v", o)
	}
	if o := run("alert", "silences", "-o", "json"); o.out != "[]\n" {
		t.Errorf("got %+v", o)
	}
	if o := run("alert", "silences", "--all", "-q"); o.out != id+"\n" {
		t.Errorf("got %+v", o)
	}
	run("alert", "silence", "--label", "colour=red", "--for", "1h", "--reason", "x").expect(t, 1, `label "colour" is unknown`)
	run("alert", "silence", "--all", "--for", "1000h", "--reason", "x").expect(t, 1, "up to 720 hours")
	scrape(t, "http://"+http+"/metrics", `cohort_alerts{rule="idle",status="acknowledged"} 1`, "cohort_raft_leader 1")
}

func scrape(t *testing.T, url string, parts ...string) {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // tests
	text, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, r.StatusCode, err)
	}
	for _, part := range parts {
		if !strings.Contains(string(text), part) {
			t.Errorf("%s does not say %s", url, part)
		}
	}
}

func TestWrongAlertsAreNamed(t *testing.T) {
	t.Parallel()
	hook := "receivers: [{name: h, kind: webhook, url: 'http://x'}]"
	for name, c := range map[string]struct{ text, want string }{
		"kind":           {"receivers: [{name: h, kind: webhok, url: 'http://x'}]", `alerts.receivers[0].kind "webhok" is unknown; did you mean "webhook"?`},
		"no_url":         {"receivers: [{name: h, kind: webhook}]", "alerts.receivers[0] has no url"},
		"bad_url":        {"receivers: [{name: h, kind: webhook, url: 'hunter2.example.org'}]", "alerts.receivers[0].url is no http or https URL"},
		"url_password":   {"receivers: [{name: h, kind: webhook, url: 'http://joe:hunter2@x'}]", "name the URL by reference"},
		"slack_secret":   {"receivers: [{name: h, kind: slack, url: 'https://hooks/hunter2'}]", "alerts.receivers[0].url is a secret"},
		"no_name":        {"receivers: [{kind: webhook, url: 'http://x'}]", "alerts.receivers[0] has no name"},
		"twice":          {"receivers: [{name: h, kind: webhook, url: 'http://x'}, {name: h, kind: webhook, url: 'http://x'}]", `alerts.receivers[1].name "h" is taken`},
		"server":         {"receivers: [{name: h, kind: email, server: x, from: a@x, to: [a@x]}]", `alerts.receivers[0].server "x" is not HOST:PORT`},
		"address":        {"receivers: [{name: h, kind: email, server: 'x:1', from: a@x, to: [nobody]}]", `alerts.receivers[0].to[0] "nobody" is no mail address`},
		"nobody":         {"receivers: [{name: h, kind: email, server: 'x:1', from: a@x}]", "who gets the mail?"},
		"password":       {"receivers: [{name: h, kind: email, server: 'x:1', from: a@x, to: [a@x], user: u, password: hunter2}]", "alerts.receivers[0].password is a secret"},
		"clear_password": {"receivers: [{name: h, kind: email, server: 'x:1', from: a@x, to: [a@x], user: u, password: 'env:P', insecure: true}]", "in the clear"},
		"mixed":          {"receivers: [{name: h, kind: webhook, url: 'http://x', from: a@x}]", "alerts.receivers[0].from does not go with kind webhook"},
		"timeout":        {"receivers: [{name: h, kind: webhook, url: 'http://x', timeout: soon}]", `alerts.receivers[0].timeout "soon" is no duration`},
		"no_secret":      {"receivers: [{name: h, kind: slack, url: 'env:COHORT_TEST_NOT_SET'}]", "alerts.receivers[0].url: env:COHORT_TEST_NOT_SET is empty"},
		"when":           {hook + "\n  rules: [{name: r, when: job-faild}]", `alerts.rules[0].when "job-faild" is unknown; did you mean "job-failed"?`},
		"for":            {hook + "\n  rules: [{name: r, when: drift, for: -2m}]", `alerts.rules[0].for "-2m" is no duration above zero`},
		"group":          {hook + "\n  rules: [{name: r, when: drift, group: [jobs]}]", `alerts.rules[0].group[0] "jobs" is unknown`},
		"to":             {hook + "\n  rules: [{name: r, when: drift, to: [i]}]", `alerts.rules[0].to[0] "i" is no receiver`},
		"nobody_told":    {"rules: [{name: r, when: drift}]", "nobody would be told"},
		"unknown_key":    {"receivers: [{name: h, kind: webhook, uri: 'http://x'}]", `unknown key "uri" in alerts.receivers[0]; did you mean "url"?`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "alerts:\n  " + c.text + "\n"
			o := cohort(t, "", nil, "dev", "--data-dir", t.TempDir(), "--http", "127.0.0.1:0", "--alerts", write(t, "a.yaml", text))
			o.expect(t, 1, c.want)
			o = cohort(t, "", nil, "coordinator", "--config", write(t, "c.yaml", "id: c\ndata_dir: "+t.TempDir()+"/c\nhttp: 127.0.0.1:0\nraft: 127.0.0.1:0\n"+text))
			o.expect(t, 1, c.want)
			if strings.Contains(o.err, "hunter2") {
				t.Errorf("a secret is told: %s", o.err)
			}
		})
	}
	url := "127.0.0.1:1"
	for want, args := range map[string][]string{
		"--reason is missing":     {"silence", "r", "--for", "2h"},
		"--for is missing":        {"silence", "r", "--reason", "x"},
		"what is silenced?":       {"silence", "--for", "2h", "--reason", "x"},
		"--all goes with no RULE": {"silence", "r", "--all", "--for", "2h", "--reason", "x"},
		`--for "2 days"`:          {"silence", "r", "--for", "2 days", "--reason", "x"},
		`--label "job" is not`:    {"silence", "--label", "job", "--for", "2h", "--reason", "x"},
		"--end ends a silence":    {"silence", "r", "--end", "s"},
	} {
		cohort(t, "", nil, append(append([]string{"alert"}, args...), "--addr", url)...).expect(t, 2, want)
	}
}
