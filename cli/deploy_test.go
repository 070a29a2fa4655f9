package cli_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

// canaryOf is a deployment in which version 2 has a part of the traffic.
func canaryOf(percent int) wire.DeploymentView {
	routes := []wire.Route{{Version: 1, Percent: 100 - percent}, {Version: 2, Percent: percent}}
	d := wire.DeploymentView{Deployment: wire.Deployment{
		Model: "rasch", Status: wire.Shifting, Reason: "canary: a step", Routes: routes, Next: 2, Auto: true,
		Spec: wire.DefaultDeploy(), Meta: wire.Meta{ModifyIndex: 42},
	}}
	d.Versions = []wire.DeployedVersion{
		{Version: 2, Percent: percent, Ready: 1, Wanted: 2, Reason: "lost its worker (lease)", Live: &wire.LiveStats{Requests: 200, Errors: 1, P99MS: 3.14, Predicted: 83, Right: 80, Answers: 120}},
		{Version: 1, Percent: 100 - percent, Ready: 2, Wanted: 2},
	}
	return d
}

// ended is one in which a version has all of the traffic.
func endedOn(version int, status wire.DeploymentStatus, reason string) wire.DeploymentView {
	d := canaryOf(50)
	d.Status, d.Reason, d.Next, d.Routes = status, reason, 0, []wire.Route{{Version: version, Percent: 100}}
	return d
}

const deployment = "GET /v1/deployments/rasch"

func versionTwo() wire.VersionView {
	return wire.VersionView{ModelVersion: wire.ModelVersion{Model: "rasch", Version: 2}}
}

func TestADeploymentIsShown(t *testing.T) {
	t.Parallel()
	_, url := newFake(t, map[string][]any{
		deployment:            {canaryOf(10)},
		"GET /v1/deployments": {[]wire.DeploymentView{canaryOf(10)}},
	})
	run := func(args ...string) outcome { return cohort(t, "", nil, append(args, "--addr", url)...) }
	want := `rasch  shifting  canary: a step
VERSION  TRAFFIC  READY  REQUESTS  ERRORS  P99     CALIBRATION   NOTE
rasch@2  10 %     1/2    200       0.50 %  3.1 ms  0.025 of 120  on its way: lost its worker (lease)
rasch@1  90 %     2/2    -         -       -       -             -
`
	if d := cmp.Diff(want, run("deploy", "status", "rasch").out); d != "" {
		t.Error(d)
	}
	want = `MODEL  STATUS    TRAFFIC           ON ITS WAY  MOVED  REASON
rasch  shifting  90 % @1, 10 % @2  2           -      canary: a step
`
	if d := cmp.Diff(want, run("deploy", "list").out); d != "" {
		t.Error(d)
	}
	var v wire.DeploymentView
	if o := run("deploy", "status", "rasch", "-o", "json"); json.Unmarshal([]byte(o.out), &v) != nil || v.Next != 2 || len(v.Versions) != 2 {
		t.Errorf("got %+v", o)
	}
	if o := run("deploy", "list", "-q"); o.out != "rasch\n" {
		t.Errorf("got %+v", o)
	}
	run("deploy", "status", "none").expect(t, 4, "none")
}

func TestAStartIsFollowedUntilItIsLive(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		last wire.DeploymentView
		code int
		say  string
	}{
		"live":        {endedOn(2, wire.Live, "all of it"), 0, "shifting: 50 % @1, 50 % @2; 1 of 2 replicas ready; lost its worker (lease)"},
		"rolled back": {endedOn(1, wire.RolledBack, "version 2: its p99 is above"), 8, "version 2 does not answer: version 2: its p99 is above"},
	} {
		f, url := newFake(t, map[string][]any{
			deployment:                              {canaryOf(10), canaryOf(10), canaryOf(50), c.last},
			"GET /v1/models/rasch/versions/staging": {versionTwo()},
			"POST /v1/deployments/rasch/start":      {wire.Outcome{ID: "rasch", Index: 7}},
		})
		o := cohort(t, "", nil, "deploy", "start", "rasch", "--replicas", "3", "--strategy", "canary", "--canary", "5, 20", "--hold", "90s",
			"--p99", "20ms", "--error-rate", "0.1", "--calibration", "0", "--for", "10s", "--check-index", "42", "--addr", url)
		o.expect(t, c.code, c.say)
		if !strings.Contains(o.out, "rasch@2  50 %") {
			t.Errorf("%s: %s", name, o.out)
		}
		var q wire.DeployRequest
		if err := json.Unmarshal([]byte(f.body("POST /v1/deployments/rasch/start")), &q); err != nil {
			t.Fatal(err)
		}
		want := wire.DeployRequest{Version: 2, Auto: true, CheckIndex: 42, Spec: wire.DeploySpec{
			Replicas: 3, Strategy: "canary", Canary: []int{5, 20}, Hold: "1m30s", ErrorRate: 0.1, P99MS: 20, For: "10s",
		}}
		if d := cmp.Diff(want, q); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestAStartByHandEndsWithItsReplicas(t *testing.T) {
	t.Parallel()
	starting := canaryOf(0)
	starting.Status, starting.Auto, starting.Routes = wire.Starting, false, nil
	ready := starting
	ready.Versions = []wire.DeployedVersion{{Version: 2, Ready: 2, Wanted: 2}}
	_, url := newFake(t, map[string][]any{
		deployment:                        {&wire.Error{Code: wire.CodeNotFound, Message: "none"}, starting, ready},
		"GET /v1/models/rasch/versions/2": {versionTwo()},
		"POST /v1/deployments/rasch/start": {
			&wire.Error{Code: wire.CodeGate, Message: "does not pass its gates"},
			&wire.Error{Code: wire.CodeConflict, Message: "version 3 is on its way"},
			wire.Outcome{ID: "rasch", Index: 7},
		},
	})
	run := func(args ...string) outcome { return cohort(t, "", nil, append(args, "--addr", url)...) }
	run("deploy", "start", "rasch@2", "-d").expect(t, 3, "does not pass its gates")
	run("deploy", "start", "rasch@2", "-d").expect(t, 5, "version 3 is on its way")
	run("deploy", "start", "rasch@2", "--manual").expect(t, 0, "2 of 2 replicas ready")
	if o := run("deploy", "start", "rasch@2", "-d"); o.out != "rasch@2 starts\n" {
		t.Errorf("got %+v", o)
	}
}

func TestTrafficIsMovedByHand(t *testing.T) {
	t.Parallel()
	f, url := newFake(t, map[string][]any{
		deployment:                            {canaryOf(10)},
		"POST /v1/deployments/rasch/promote":  {wire.Outcome{ID: "rasch", Index: 7}},
		"POST /v1/deployments/rasch/traffic":  {wire.Outcome{ID: "rasch", Index: 7}},
		"POST /v1/deployments/rasch/rollback": {wire.Outcome{ID: "rasch", Index: 7}},
		"POST /v1/deployments/rasch/stop":     {wire.Outcome{ID: "rasch", Index: 7}},
		"GET /v1/models/rasch/versions/2":     {versionTwo()},
		"GET /v1/deployments/calm":            {endedOn(1, wire.Live, "")},
	})
	run := func(args ...string) outcome { return cohort(t, "", nil, append(args, "--addr", url)...) }
	for _, c := range []struct {
		args       []string
		verb, body string
		out        string
	}{
		{[]string{"promote", "rasch"}, "promote", `{"check_index":42}`, "rasch@2 has 100 % of the traffic\n"},
		{[]string{"promote", "rasch", "--percent", "30"}, "traffic", `{"routes":[{"version":1,"percent":70},{"version":2,"percent":30}],"check_index":42}`, "rasch@2 has 30 % of the traffic\n"},
		{[]string{"rollback", "rasch", "--reason", "no", "--check-index", "7"}, "rollback", `{"reason":"no","check_index":7}`, "rasch: 90 % @1, 10 % @2\n"},
		{[]string{"stop", "rasch@2", "--reason", "no"}, "stop", `{"version":2,"reason":"no"}`, "rasch@2 stopped\n"},
	} {
		o := run(append([]string{"deploy"}, c.args...)...)
		o.expect(t, 0, "")
		if body := f.body("POST /v1/deployments/rasch/" + c.verb); body != c.body || o.out != c.out {
			t.Errorf("%v: sent %s, said %q", c.args, body, o.out)
		}
	}
	run("deploy", "promote", "calm", "--percent", "30").expect(t, 5, "no version on its way")
}

func TestWrongDeployFlags(t *testing.T) {
	t.Parallel()
	_, url := newFake(t, map[string][]any{
		deployment:                        {canaryOf(10)},
		"GET /v1/models/rasch/versions/2": {versionTwo()},
	})
	for say, args := range map[string][]string{
		`--error-rate "much": want a number such as 0.02`:               {"start", "rasch@2", "--error-rate", "much"},
		`--canary "a,b": want per cent`:                                 {"start", "rasch@2", "--canary", "a,b"},
		"deploy.canary is [50 10]; want rising":                         {"start", "rasch@2", "--canary", "50,10"},
		`deploy.strategy is "big-bang"; want blue-green or canary`:      {"start", "rasch@2", "--strategy", "big-bang"},
		"deploy.replicas is 0; want 1 to 100":                           {"start", "rasch@2", "--replicas", "0"},
		"deploy.calibration is 3; want 1 at most":                       {"start", "rasch@2", "--calibration", "3"},
		"deploy.error_rate is -1; want 0, which is off, or more":        {"start", "rasch@2", "--error-rate=-1"},
		"deploy.error_rate is NaN":                                      {"start", "rasch@2", "--error-rate", "NaN"},
		`deploy.for "-1s" is no duration`:                               {"start", "rasch@2", "--for=-1s"},
		"--force needs --reason":                                        {"start", "rasch@2", "--force"},
		`"rasch@" names no model`:                                       {"start", "rasch@"},
		"--percent 101: want 1 to 100":                                  {"promote", "rasch", "--percent", "101"},
		"cohort deploy promote needs MODEL":                             {"promote"},
		`--replicas "-1": want a whole number, 0 or more`:               {"start", "rasch", "--replicas=-1"},
		`unknown command "cohort deploy begin"; known: list, status, s`: {"begin"},
	} {
		o := cohort(t, "", nil, append(append([]string{"deploy"}, args...), "--addr", url)...)
		o.expect(t, 2, say)
		o.oneLine(t)
	}
}
