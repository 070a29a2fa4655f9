package schedule_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/schedule"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

const rasch = "rasch"

// traffic is a cluster whose leader rolls deployments out, second by second.
type traffic struct {
	*cluster
	begin  int64
	key    ed25519.PrivateKey
	public wire.SigningKey
	live   map[int]wire.LiveStats
	health schedule.Health
	stuck  map[int]bool // versions whose replicas never get ready
	seen   string
	story  []string
}

func newTraffic(t rapid.TB, versions int) *traffic {
	t.Helper()
	h := &traffic{cluster: leveled(t, noon), begin: noon, live: map[int]wire.LiveStats{}, stuck: map[int]bool{}}
	h.key = ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := h.key.Public().(ed25519.PublicKey)
	h.public = wire.SigningKey{ID: wire.KeyID(public), Public: public, Owner: "c1"}
	h.must(wire.CmdPutKey, wire.PutKey{Key: h.public})
	for _, n := range []string{"n1", "n2"} {
		h.node(n, 4)
	}
	for k := range versions {
		h.version(k + 1)
	}
	return h
}

// version registers a version that is better than what is in production now.
func (h *traffic) version(n int) {
	h.t.Helper()
	h.worse(n, 0.8)
}

// worse registers a version of an AUC.
func (h *traffic) worse(n int, auc float64) {
	h.t.Helper()
	job, weights := fmt.Sprint("train", n), fmt.Sprint("w", n)
	evaluate, _ := json.Marshal(wire.EvaluateSettings{Name: rasch, Gates: wire.DefaultGates()})
	register, _ := json.Marshal(wire.RegisterSettings{Name: rasch, Evaluation: "evaluate"})
	h.submit(job, 0,
		wire.Stage{Name: "evaluate", Kind: wire.StageEvaluate, Run: wire.Batch, Tasks: 1, Settings: evaluate, Inputs: map[string]string{"weights": weights, "production": "@" + rasch}},
		wire.Stage{Name: "register", Kind: wire.StageRegister, Run: wire.Batch, Tasks: 1, Settings: register, After: []string{"evaluate"}, Inputs: map[string]string{"weights": weights}})
	s, _ := h.s.Read().Stage(nil, job, "evaluate")
	e := &wire.Evaluation{
		Candidate: weights, BaselineWeights: s.Resolved["production"], Quality: wire.QualityPassed,
		Of: wire.Measures{AUC: auc, Accuracy: 0.75}, Gain: 0.02, GainLow: 0.01, GainHigh: 0.03,
	}
	v := &wire.ModelVersion{Model: rasch, Manifest: "m" + weights, Weights: weights, Key: h.public.ID}
	v.Signature = ed25519.Sign(h.key, wire.SignedText(v.Manifest))
	for stage, result := range map[string]wire.TaskResult{"evaluate": {Evaluation: e}} {
		h.finishes(job, stage, result)
	}
	h.finishes(job, "register", wire.TaskResult{Version: v})
}

func (h *traffic) finishes(job, stage string, r wire.TaskResult) {
	h.t.Helper()
	r.Task = state.TaskID(job, stage, 0)
	h.must(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{{Task: r.Task, Node: "n1", Session: "s"}}})
	r.Token = h.index
	h.must(wire.CmdTaskResult, r)
}

func (h *traffic) start(version int, spec wire.DeploySpec) wire.Outcome {
	h.t.Helper()
	v, ok := h.s.Read().Version(nil, rasch, version)
	if !ok {
		h.t.Fatalf("no version %d", version)
	}
	job, stages, err := schedule.Serve(v, h.public.Public, spec, fmt.Sprintf("serve%d-%d", version, h.index))
	if err != nil {
		h.t.Fatal(err)
	}
	return h.apply(wire.CmdStartDeployment, wire.StartDeployment{
		Model: rasch, Version: version, Spec: spec, Auto: true, Job: job, Stages: stages,
	})
}

func (h *traffic) deployment() *wire.Deployment {
	d, ok := h.s.Read().Deployment(nil, rasch)
	if !ok {
		return &wire.Deployment{}
	}
	return d
}

// ready has replicas that run say where, but for those that never do.
func (h *traffic) ready() {
	for version, job := range h.deployment().Jobs {
		for _, k := range h.s.Read().Tasks(nil, job, state.ServeStage) {
			if k.Status == wire.Running && k.Addr == "" && !h.stuck[version] {
				h.must(wire.CmdTaskReady, wire.TaskReady{Task: k.ID, Token: k.Token, Addr: k.Node + ":" + k.ID})
			}
		}
	}
}

// roll is one turn of the leader's loop. Its decisions are never refused, nor
// route to where nobody serves.
func (h *traffic) roll() (next int64) {
	h.t.Helper()
	for range 10 {
		var decisions []schedule.Decision
		live := func(string) map[int]wire.LiveStats { return h.live }
		decisions, next, h.health = schedule.Rollout(h.s.Read(), h.now, live, h.health)
		if len(decisions) == 0 {
			return next
		}
		for _, d := range decisions {
			h.must(d.Number, d.Body)
			for _, r := range h.deployment().Routes {
				if d.Number == wire.CmdMoveTraffic && len(h.s.Read().Replicas(rasch)[r.Version]) == 0 {
					h.t.Fatalf("%+v moves traffic to version %d, which serves nowhere", d.Body, r.Version)
				}
			}
		}
		h.tell()
	}
	h.t.Fatal("the rollout does not come to rest")
	return 0
}

// tell adds what has changed to the story.
func (h *traffic) tell() {
	d := h.deployment()
	parts := make([]string, 0, len(d.Routes))
	for _, r := range d.Routes {
		parts = append(parts, fmt.Sprintf("%d%% v%d", r.Percent, r.Version))
	}
	now := fmt.Sprintf("%s | %s | %d jobs | %s", d.Status, strings.Join(parts, " "), len(d.Jobs), d.Reason)
	if now != h.seen {
		h.story = append(h.story, fmt.Sprint(time.Duration(h.now-h.begin)*time.Millisecond, " | ", now))
		h.seen = now
	}
}

// pass lets time pass, a second a step.
func (h *traffic) pass(d time.Duration) {
	h.t.Helper()
	for end := h.now + d.Milliseconds(); h.now < end; h.now += 1000 {
		h.decide()
		h.roll()
		h.tell()
		h.ready()
	}
}

func (h *traffic) expect(story string) {
	h.t.Helper()
	if d := cmp.Diff(strings.Split(strings.TrimSpace(story), "\n"), h.story); d != "" {
		h.t.Error(d)
	}
}

func specOf(strategy string) wire.DeploySpec {
	s := wire.DefaultDeploy()
	s.Strategy = strategy
	return s
}

func broken(version int) wire.LiveStats {
	return wire.LiveStats{Version: version, Requests: 100, Errors: 10, P99MS: 20}
}

func healthy(version int) wire.LiveStats {
	return wire.LiveStats{Version: version, Requests: 100, P99MS: 20, Answers: 100, Right: 60, Predicted: 61}
}

func TestABlueGreenRollout(t *testing.T) {
	h := newTraffic(t, 1)
	h.start(1, specOf("blue-green"))
	h.pass(time.Minute)
	h.version(2)
	h.start(2, specOf("blue-green"))
	h.live[2] = healthy(2)
	h.pass(2 * time.Hour)
	h.expect(`
0s | starting |  | 1 jobs | waits for replicas of version 1
1s | live | 100% v1 | 1 jobs | blue-green: version 1 has all of the traffic
1m0s | starting | 100% v1 | 2 jobs | waits for replicas of version 2
1m1s | live | 100% v2 | 2 jobs | blue-green: version 2 has all of the traffic
1h1m1s | live | 100% v2 | 1 jobs | blue-green: version 2 has all of the traffic`)
}

func TestACanaryGoesStepByStep(t *testing.T) {
	h := newTraffic(t, 1)
	h.start(1, specOf("canary"))
	h.pass(time.Minute)
	h.version(2)
	h.start(2, specOf("canary"))
	h.live[2] = healthy(2)
	h.pass(6 * time.Minute)
	h.live[2] = broken(2) // for less long than it takes: no step meanwhile
	h.pass(20 * time.Second)
	h.live[2] = healthy(2)
	h.pass(10 * time.Minute)
	h.expect(`
0s | starting |  | 1 jobs | waits for replicas of version 1
1s | live | 100% v1 | 1 jobs | canary: version 1 has all of the traffic
1m0s | starting | 100% v1 | 2 jobs | waits for replicas of version 2
1m1s | shifting | 90% v1 10% v2 | 2 jobs | canary: 10 % for version 2
6m1s | shifting | 50% v1 50% v2 | 2 jobs | canary: 50 % for version 2
11m1s | live | 100% v2 | 2 jobs | canary: version 2 has all of the traffic`)
}

func TestABrokenBoundRollsBack(t *testing.T) {
	for name, c := range map[string]struct {
		stats wire.LiveStats
		say   string
	}{
		"errors":      {broken(2), "its error rate 0.1 is above 0.02"},
		"latency":     {wire.LiveStats{Requests: 10, P99MS: 300}, "its p99 in ms 300 is above 250"},
		"calibration": {wire.LiveStats{Answers: 100, Right: 40, Predicted: 60}, "its calibration error 0.2 is above 0.15"},
	} {
		for _, strategy := range []string{"canary", "blue-green"} {
			h := newTraffic(t, 1)
			h.start(1, specOf(strategy))
			h.pass(time.Minute)
			h.version(2)
			h.start(2, specOf(strategy))
			h.live[2] = healthy(2)
			h.pass(time.Minute)
			h.story, h.live[2] = nil, c.stats
			h.pass(2 * time.Minute)
			h.expect(fmt.Sprintf(`
2m30s | rolled back | 100%% v1 | 2 jobs | version 2: %s for 30s
3m30s | rolled back | 100%% v1 | 1 jobs | version 2: %s for 30s`, c.say, c.say))
			m, _ := h.s.Read().Model(nil, rasch)
			if m.Production != 1 || t.Failed() {
				t.Errorf("%s, %s: version %d is in production", name, strategy, m.Production)
			}
		}
	}
}

func TestLittleEvidenceRollsNothingBack(t *testing.T) {
	for name, stats := range map[string]wire.LiveStats{
		"few requests": {Requests: 9, Errors: 9, P99MS: 9999},
		"few answers":  {Answers: 99, Right: 0, Predicted: 99},
		"at the bound": {Requests: 100, Errors: 2, P99MS: 250, Answers: 100, Right: 0, Predicted: 15},
	} {
		h := newTraffic(t, 1)
		h.start(1, specOf("blue-green"))
		h.pass(time.Minute)
		h.version(2)
		h.start(2, specOf("blue-green"))
		h.live[2] = stats
		h.pass(5 * time.Minute)
		if d := h.deployment(); d.Status != wire.Live || d.Routes[0].Version != 2 {
			t.Errorf("%s: %+v", name, d)
		}
	}
}

func TestAPersonsCommandInBetweenWins(t *testing.T) {
	h := newTraffic(t, 1)
	h.start(1, specOf("blue-green"))
	h.pass(time.Minute)
	h.version(2)
	h.start(2, specOf("blue-green"))
	h.pass(time.Minute)
	h.live[2] = broken(2)
	h.pass(30 * time.Second)
	decisions, _, _ := schedule.Rollout(h.s.Read(), h.now, func(string) map[int]wire.LiveStats { return h.live }, h.health)
	if len(decisions) != 1 || decisions[0].Number != wire.CmdMoveTraffic {
		t.Fatalf("decided %+v", decisions)
	}
	h.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Routes: []wire.Route{{Version: 1, Percent: 100}}, Force: true, Admin: true, Reason: "by hand"})
	if out := h.apply(decisions[0].Number, decisions[0].Body); out.Code != wire.CodeConflict {
		t.Errorf("the leader's decision goes over a person's: %+v", out)
	}
}

func TestReplicasThatNeverGetReadyAreGivenUp(t *testing.T) {
	h := newTraffic(t, 1)
	h.start(1, specOf("blue-green"))
	h.pass(time.Minute)
	h.version(2)
	h.stuck[2] = true
	h.start(2, specOf("blue-green"))
	h.pass(15 * time.Minute)
	h.start(2, specOf("blue-green"))
	h.pass(time.Second)
	fail := func(cause wire.Cause) {
		h.t.Helper()
		k := h.s.Read().Tasks(nil, h.deployment().Jobs[2], state.ServeStage)[0]
		h.must(wire.CmdTaskResult, wire.TaskResult{Task: k.ID, Token: k.Token, Error: "boom", Cause: cause})
		h.pass(20 * time.Second)
	}
	fail(wire.CauseTask)
	fail(wire.CauseNode)
	fail(wire.CauseTask)
	if h.deployment().Next != 2 {
		t.Error("given up too early")
	}
	fail(wire.CauseTask)
	h.start(2, specOf("blue-green"))
	h.pass(time.Second)
	fail(wire.CauseFatal)
	for k, line := range h.story { // job ids hold an index
		before, after, ok := strings.Cut(line, "replica serve2-")
		if _, rest, cut := strings.Cut(after, "/"); ok && cut {
			h.story[k] = before + "replica serve2/" + rest
		}
	}
	h.expect(`
0s | starting |  | 1 jobs | waits for replicas of version 1
1s | live | 100% v1 | 1 jobs | blue-green: version 1 has all of the traffic
1m0s | starting | 100% v1 | 2 jobs | waits for replicas of version 2
11m0s | live | 100% v1 | 1 jobs | version 2: 0 of 2 replicas ready after 10 minutes
16m0s | starting | 100% v1 | 2 jobs | waits for replicas of version 2
17m1s | live | 100% v1 | 1 jobs | version 2: replica serve2/serve/0 failed 3 times: boom
17m21s | starting | 100% v1 | 2 jobs | waits for replicas of version 2
17m22s | live | 100% v1 | 1 jobs | version 2: replica serve2/serve/0 failed 1 times: boom`)
}

// A person may promote another version over the registry while a canary runs:
// what the candidate was compared with is then not in production any more.
func TestACanaryWhoseBaselineHasMovedEnds(t *testing.T) {
	h := newTraffic(t, 1)
	h.start(1, specOf("canary"))
	h.pass(time.Minute)
	h.version(2)
	h.version(3)
	h.start(2, specOf("canary"))
	h.pass(time.Minute)
	h.must(wire.CmdPromote, wire.Promote{Model: rasch, Version: 3, Stage: wire.Production})
	h.story = nil
	h.pass(15 * time.Minute)
	h.expect(`
6m1s | shifting | 50% v1 50% v2 | 2 jobs | canary: 50 % for version 2
11m1s | rolled back | 100% v1 | 2 jobs | version 2 does not take the traffic: version 2 of model rasch was compared with version 1, but in production is version 3: evaluate it again
12m1s | rolled back | 100% v1 | 1 jobs | version 2 does not take the traffic: version 2 of model rasch was compared with version 1, but in production is version 3: evaluate it again`)
}

func TestReplicasKeepApartAndNeedNoCore(t *testing.T) {
	h := newTraffic(t, 1)
	h.node("n3", 1)
	h.submit("busy", 0, stage("s", wire.Batch, 9)) // all cores there are
	h.decide()
	h.start(1, func() wire.DeploySpec { s := specOf("blue-green"); s.Replicas = 5; return s }())
	h.decide()
	on := map[string]int{}
	for _, k := range h.s.Read().Tasks(nil, h.deployment().Jobs[1], state.ServeStage) {
		on[k.Node]++
	}
	if d := cmp.Diff(map[string]int{"n1": 2, "n2": 2, "n3": 1}, on); d != "" {
		t.Error(d)
	}
}

// Whatever people, machines and time do: routes deal out all of the traffic, the
// leader's decisions hold (roll), and in the end one version is live.
func TestAnySequenceEndsWithOneVersionLive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newTraffic(rt, 3)
		spec := specOf(rapid.SampledFrom([]string{"blue-green", "canary"}).Draw(rt, "strategy"))
		spec.Hold, spec.For = "20s", "5s"
		h.start(1, spec)
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			version := rapid.IntRange(1, 3).Draw(rt, "version")
			switch rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0, 1:
				h.start(version, spec)
			case 2:
				h.live[version] = rapid.SampledFrom([]wire.LiveStats{broken(version), healthy(version), {}}).Draw(rt, "stats")
			case 3:
				node := rapid.SampledFrom([]string{"n1", "n2"}).Draw(rt, "node")
				h.apply(wire.CmdNodeStatus, wire.SetNodeStatus{Node: node, Status: wire.NodeDown})
				h.pass(3 * time.Second)
				h.node(node, 4)
			case 4:
				routes := []wire.Route{{Version: version, Percent: rapid.IntRange(1, 100).Draw(rt, "percent")}}
				routes = append(routes, wire.Route{Version: 1 + version%3, Percent: 100 - routes[0].Percent})
				h.apply(wire.CmdMoveTraffic, wire.MoveTraffic{
					Model: rasch, Routes: routes, Rollback: rapid.Bool().Draw(rt, "back"), Force: true, Admin: true, Reason: "r",
				})
			case 5:
				h.apply(wire.CmdStopDeployment, wire.StopDeployment{Model: rasch, Version: version})
			case 6:
				h.stuck[version] = rapid.Bool().Draw(rt, "stuck")
			}
			h.pass(time.Duration(rapid.IntRange(1, 40).Draw(rt, "seconds")) * time.Second)
			sum := 0
			for _, r := range h.deployment().Routes {
				sum += r.Percent
			}
			if len(h.deployment().Routes) > 0 && sum != 100 {
				rt.Fatalf("routes of %+v", h.deployment())
			}
		}
		clear(h.live)
		clear(h.stuck)
		h.pass(2 * time.Minute)
		if d := h.deployment(); d.Next != 0 && !d.Auto { // a person's split waits for that person
			h.must(wire.CmdMoveTraffic, wire.MoveTraffic{Model: rasch, Rollback: true})
		}
		for end := h.now + 3*time.Hour.Milliseconds(); h.now < end; { // from one thing to do to the next
			h.pass(2 * time.Second)
			if next := h.roll(); next > h.now {
				h.now = min(next, end)
			} else {
				h.now = end
			}
		}
		h.pass(2 * time.Second)
		d := h.deployment()
		if d.Status == wire.Ended && len(d.Jobs) == 0 {
			return
		}
		if d.Status != wire.Live && d.Status != wire.RolledBack || len(d.Routes) != 1 || len(d.Jobs) != 1 || len(h.s.Read().Replicas(rasch)) != 1 {
			rt.Fatalf("in the end: %+v, %v", d, h.s.Read().Replicas(rasch))
		}
	})
}
