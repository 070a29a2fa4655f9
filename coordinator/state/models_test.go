package state_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

const rasch = "rasch"

// signer signs as a coordinator does.
func signer() (ed25519.PrivateKey, wire.SigningKey) {
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := private.Public().(ed25519.PublicKey)
	return private, wire.SigningKey{ID: wire.KeyID(public), Public: public, Owner: "c1"}
}

// registry is a log with a worker and a known key.
func registry(t testing.TB) *log {
	t.Helper()
	l := newLog(t)
	l.node("a", "s-a", 8)
	_, key := signer()
	l.must(wire.CmdPutKey, wire.PutKey{Key: key})
	return l
}

func settingsOf(t testing.TB, v any) json.RawMessage {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// lifeOf are the stages that make a version of some weights.
func (l *log) lifeOf(weights string) []wire.Stage {
	evaluate := wire.EvaluateSettings{Name: rasch, Gates: wire.DefaultGates()}
	register := wire.RegisterSettings{Name: rasch, Evaluation: "evaluate"}
	return []wire.Stage{
		{
			Name: "evaluate", Kind: wire.StageEvaluate, Run: wire.Batch, Tasks: 1, Settings: settingsOf(l.t, evaluate),
			Inputs: map[string]string{"weights": weights, "production": "@" + rasch},
		},
		{
			Name: "register", Kind: wire.StageRegister, Run: wire.Batch, Tasks: 1, After: []string{"evaluate"},
			Settings: settingsOf(l.t, register), Inputs: map[string]string{"weights": weights},
		},
	}
}

// found is what an evaluation says of weights that pass all gates.
func (l *log) found(job, weights string) *wire.Evaluation {
	l.t.Helper()
	s, ok := l.s.Read().Stage(nil, job, "evaluate")
	if !ok {
		l.t.Fatalf("no stage of %s", job)
	}
	return &wire.Evaluation{
		Candidate: weights, BaselineWeights: s.Resolved["production"],
		Of: wire.Measures{AUC: 0.8, Accuracy: 0.75}, Gain: 0.02, GainLow: 0.01, GainHigh: 0.03, Quality: wire.QualityPassed,
	}
}

func signed(weights string) *wire.ModelVersion {
	private, key := signer()
	v := &wire.ModelVersion{Model: rasch, Manifest: "manifest of " + weights, Weights: weights, WeightsHash: "n", Engine: "kernels", Key: key.ID}
	v.Signature = ed25519.Sign(private, wire.SignedText(v.Manifest))
	return v
}

// version runs a job that makes a version, its evaluation changed by change.
func (l *log) version(job, weights string, change func(*wire.Evaluation)) int {
	l.t.Helper()
	l.submit(job, l.lifeOf(weights)...)
	return l.ends(job, weights, change)
}

func (l *log) ends(job, weights string, change func(*wire.Evaluation)) int {
	l.t.Helper()
	e := l.found(job, weights)
	change(e)
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: job + "/evaluate/0", Token: l.place(false, on(job+"/evaluate/0", "a")), Evaluation: e})
	l.must(wire.CmdTaskResult, wire.TaskResult{
		Task: job + "/register/0", Token: l.place(false, on(job+"/register/0", "a")), Version: signed(weights), Result: json.RawMessage(`{"x":1}`),
	})
	s, _ := l.s.Read().Stage(nil, job, "register")
	var result struct {
		Model   string
		Version int
		X       int
	}
	if err := json.Unmarshal(s.Result, &result); err != nil || result.Model != rasch || result.X != 1 {
		l.t.Fatalf("result %s: %v", s.Result, err)
	}
	return result.Version
}

func asIs(*wire.Evaluation) {}

func (l *log) model() wire.Model {
	l.t.Helper()
	m, ok := l.s.Read().Model(nil, rasch)
	if !ok {
		l.t.Fatal("no model")
	}
	return *m
}

func to(version int, stage wire.ModelStage) wire.Promote {
	return wire.Promote{Model: rasch, Version: version, Stage: stage}
}

func back(version int) wire.Promote {
	return wire.Promote{Model: rasch, Version: version, Rollback: true}
}

// stands is where the versions stand, as records say.
func (l *log) stands() string {
	l.t.Helper()
	var all []string
	for _, v := range l.s.Read().Versions(nil, rasch) {
		all = append(all, fmt.Sprintf("%d %s", v.Version, v.Stage))
	}
	return strings.Join(all, ", ")
}

func TestAVersionGoesIntoProductionAndBack(t *testing.T) {
	l := registry(t)
	if n := l.version("j1", "w1", asIs); n != 1 {
		t.Fatalf("the first version is %d", n)
	}
	v, _ := l.s.Read().Version(nil, rasch, 1)
	if v.Stage != wire.Development || v.Evaluation != "j1/evaluate" || v.AUC != 0.8 || v.Job != "j1" || v.Created == 0 {
		t.Errorf("registered %+v", v)
	}
	l.must(wire.CmdPromote, to(1, wire.Production))
	l.version("j2", "w2", asIs)
	l.version("j3", "w3", asIs)
	l.must(wire.CmdPromote, to(2, wire.Staging))
	l.must(wire.CmdPromote, to(3, wire.Staging))
	if got, want := l.stands(), "1 production, 2 development, 3 staging"; got != want {
		t.Errorf("stands %s, want %s", got, want)
	}
	l.must(wire.CmdPromote, to(3, wire.Production))
	if m := l.model(); m.Production != 3 || m.Previous != 1 || m.Staging != 0 || m.Versions != 3 {
		t.Errorf("model %+v", m)
	}
	l.must(wire.CmdPromote, back(0))
	if m := l.model(); m.Production != 1 || m.Previous != 0 {
		t.Errorf("after the rollback: %+v", m)
	}
	if out := l.apply(wire.CmdPromote, back(0)); out.Code != wire.CodeConflict || !strings.Contains(out.Error, "nothing to roll back to") {
		t.Errorf("a second rollback: %+v", out)
	}
	if out := l.apply(wire.CmdPromote, back(2)); out.Code != wire.CodeConflict {
		t.Errorf("a rollback to what was never there: %+v", out)
	}
	last := l.s.Read().History(nil, rasch)
	c := last[len(last)-1]
	if c.What != wire.ChangeRolledBack || c.Version != 1 || c.Before != 3 || c.Actor != "test" || c.Time == 0 || c.Index == 0 {
		t.Errorf("the last change is %+v", c)
	}
}

func TestARepeatedMoveIsNone(t *testing.T) {
	l := registry(t)
	l.version("j1", "w1", asIs)
	l.must(wire.CmdPromote, to(1, wire.Production))
	n, before := len(l.s.Read().History(nil, rasch)), l.model()
	l.must(wire.CmdPromote, to(1, wire.Production))
	l.must(wire.CmdPromote, back(1))
	if d := cmp.Diff(before, l.model()); d != "" || len(l.s.Read().History(nil, rasch)) != n {
		t.Errorf("repeated, it changed: %s", d)
	}
}

func TestAWorseVersionIsRefused(t *testing.T) {
	l := registry(t)
	l.version("j1", "w1", asIs)
	l.must(wire.CmdPromote, to(1, wire.Production))
	l.version("j2", "w2", func(e *wire.Evaluation) { e.Gain, e.GainLow = 0.001, -0.001 })
	l.version("j3", "w3", func(e *wire.Evaluation) { e.Of.AUC, e.Quality = 0.6, "12 % of rows are no events" })
	l.version("j4", "w4", asIs) // compared with version 1
	l.version("j5", "w5", asIs)
	l.must(wire.CmdPromote, to(5, wire.Production))
	p := func(n int, change func(*wire.Promote)) wire.Promote {
		c := to(n, wire.Production)
		change(&c)
		return c
	}
	forced := func(admin bool, reason string) func(*wire.Promote) {
		return func(p *wire.Promote) { p.Force, p.Admin, p.Reason = true, admin, reason }
	}
	for name, c := range map[string]struct {
		p    wire.Promote
		code wire.Code
		text string
	}{
		"improvement": {to(2, wire.Production), wire.CodeGate, "AUC is +0.10 % against version 1"},
		"two_gates":   {to(3, wire.Production), wire.CodeGate, "AUC 0.6000 is below 0.75; the data did not pass its checks: 12 % of rows"},
		"moved_on":    {to(4, wire.Production), wire.CodeConflict, "was compared with version 1, but in production is version 5"},
		"model":       {wire.Promote{Model: "none", Version: 1, Stage: wire.Production}, wire.CodeNotFound, `no model "none"`},
		"version":     {to(9, wire.Production), wire.CodeNotFound, "no version 9"},
		"stage":       {to(4, "live"), wire.CodeInvalid, `"live" is unknown`},
		"index":       {p(4, func(p *wire.Promote) { p.CheckIndex = 1 }), wire.CodeConflict, "has changed"},
		"no_admin":    {p(2, forced(false, "because")), wire.CodeDenied, "admin"},
		"no_reason":   {p(2, forced(true, " ")), wire.CodeInvalid, "reason"},
		"out":         {to(5, wire.Archived), wire.CodeConflict, "is in production"},
		"minus":       {to(-1, wire.Production), wire.CodeNotFound, "no version -1"},
	} {
		before := l.s.Read()
		out := l.apply(wire.CmdPromote, c.p)
		if out.Code != c.code || !strings.Contains(out.Error, c.text) || strings.Contains(out.Error, "\n") {
			t.Errorf("%s: %+v", name, out)
		}
		if d := cmp.Diff(before.Versions(nil, rasch), l.s.Read().Versions(nil, rasch)); d != "" {
			t.Errorf("%s changed %s", name, d)
		}
	}
	l.must(wire.CmdPromote, p(3, forced(true, "the exam is tomorrow")))
	history := l.s.Read().History(nil, rasch)
	c := history[len(history)-1]
	if c.Passed != "auc, quality" || c.Reason != "the exam is tomorrow" || l.model().Production != 3 {
		t.Errorf("forced: %+v", c)
	}
}

// What a task says of a model counts only where its stage, token, inputs and
// signature say the same.
func TestOnlyTheFencedStageWrites(t *testing.T) {
	l := registry(t)
	l.version("j1", "w1", asIs)
	l.must(wire.CmdPromote, to(1, wire.Production))
	sham := batch("other") // in all but its kind it could do either
	sham.Settings = settingsOf(t, wire.RegisterSettings{Name: rasch})
	sham.Inputs = map[string]string{"weights": "w2", "production": "@" + rasch}
	l.submit("j2", append(l.lifeOf("w2"), sham)...)
	other := l.place(false, on("j2/other/0", "a"))
	token := l.place(false, on("j2/evaluate/0", "a"))
	evaluation := func(change func(*wire.Evaluation)) wire.TaskResult {
		e := l.found("j2", "w2")
		change(e)
		return wire.TaskResult{Task: "j2/evaluate/0", Token: token, Evaluation: e}
	}
	refused := func(name string, r wire.TaskResult, code wire.Code) {
		t.Helper()
		if out := l.apply(wire.CmdTaskResult, r); out.Code != code || out.Error == "" {
			t.Errorf("%s: %+v", name, out)
		}
		_, one := l.s.Read().Evaluation(nil, "j2/evaluate")
		_, two := l.s.Read().Evaluation(nil, "j2/other")
		if one || two || l.model().Versions != 1 {
			t.Fatalf("%s wrote", name)
		}
	}
	refused("token", wire.TaskResult{Task: "j2/evaluate/0", Token: token - 1, Evaluation: l.found("j2", "w2")}, wire.CodeConflict)
	refused("kind", wire.TaskResult{Task: "j2/other/0", Token: other, Evaluation: l.found("j2", "w2")}, wire.CodeInvalid)
	refused("version of another kind", wire.TaskResult{Task: "j2/other/0", Token: other, Version: signed("w2")}, wire.CodeInvalid)
	refused("candidate", evaluation(func(e *wire.Evaluation) { e.Candidate = "w3" }), wire.CodeInvalid)
	refused("baseline", evaluation(func(e *wire.Evaluation) { e.BaselineWeights = "" }), wire.CodeInvalid)
	l.must(wire.CmdTaskResult, evaluation(func(e *wire.Evaluation) {
		e.ID, e.Model, e.Baseline, e.Gates, e.Of.AUC = "lie", "lie", 7, []wire.GateResult{{Name: "auc", Pass: true}}, 0.5
	}))
	e, _ := l.s.Read().Evaluation(nil, "j2/evaluate")
	if e.Model != rasch || e.Baseline != 1 || e.Job != "j2" || len(e.Gates) != 5 || e.Gates[0].Pass || e.Created == 0 {
		t.Errorf("evaluation %+v", e)
	}
	token = l.place(false, on("j2/register/0", "a"))
	for name, change := range map[string]func(*wire.ModelVersion){
		"model":     func(v *wire.ModelVersion) { v.Model = "other" },
		"weights":   func(v *wire.ModelVersion) { v.Weights = "w3" },
		"manifest":  func(v *wire.ModelVersion) { v.Manifest = "" },
		"signed":    func(v *wire.ModelVersion) { v.Manifest = "another" },
		"signature": func(v *wire.ModelVersion) { v.Signature = v.Signature[:10] },
		"key":       func(v *wire.ModelVersion) { v.Key = "none" },
	} {
		v := signed("w2")
		change(v)
		if out := l.apply(wire.CmdTaskResult, wire.TaskResult{Task: "j2/register/0", Token: token, Version: v}); out.Code != wire.CodeInvalid {
			t.Errorf("%s: %+v", name, out)
		}
	}
	v := signed("w2")
	v.Version, v.Stage, v.AUC, v.Evaluation, v.Job, v.CreateIndex = 99, wire.Production, 1, "lie", "lie", 3
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j2/register/0", Token: token, Version: v})
	got, ok := l.s.Read().Version(nil, rasch, 2)
	if !ok || got.Stage != wire.Development || got.AUC != 0.5 || got.Evaluation != "j2/evaluate" || got.Job != "j2" || got.CreateIndex != l.index {
		t.Errorf("version %+v", got)
	}
}

func TestTheSameManifestIsTheSameVersion(t *testing.T) {
	l := registry(t)
	l.version("j1", "w1", func(e *wire.Evaluation) { e.Of.AUC = 0.7 })
	if n := l.version("j2", "w1", asIs); n != 1 || l.model().Versions != 1 {
		t.Errorf("made again, it is version %d of %+v", n, l.model())
	}
	if v, _ := l.s.Read().Version(nil, rasch, 1); v.Evaluation != "j2/evaluate" || v.AUC != 0.8 {
		t.Errorf("its evaluation is %+v", v)
	}
	l.must(wire.CmdPromote, to(1, wire.Production))
}

// An evaluation is of the weights that it names, whatever its job's name.
// Nothing new has come, and the pipeline runs again: its model is the one that is in
// production, and equals itself. What it was promoted by stays with it.
func TestTheVersionInProductionKeepsItsEvaluation(t *testing.T) {
	l := registry(t)
	l.version("j1", "w1", asIs)
	l.must(wire.CmdPromote, to(1, wire.Production))
	n := l.version("j2", "w1", func(e *wire.Evaluation) { e.Of.AUC, e.Gain, e.GainLow = 0.79, 0, 0 })
	if v, _ := l.s.Read().Version(nil, rasch, 1); n != 1 || v.Evaluation != "j1/evaluate" || v.AUC != 0.8 || v.Stage != wire.Production {
		t.Errorf("version %d: %+v", n, v)
	}
}

func TestAnEvaluationOfOtherWeightsCountsForNothing(t *testing.T) {
	l := registry(t)
	stages := l.lifeOf("w1")
	stages[0].Inputs["weights"] = "w9"
	l.submit("j1", stages...)
	e := l.found("j1", "w9")
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j1/evaluate/0", Token: l.place(false, on("j1/evaluate/0", "a")), Evaluation: e})
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "j1/register/0", Token: l.place(false, on("j1/register/0", "a")), Version: signed("w1")})
	if v, _ := l.s.Read().Version(nil, rasch, 1); v.Evaluation != "" || v.AUC != 0 {
		t.Errorf("version 1 has the evaluation %q", v.Evaluation)
	}
	// A job taken up again, with a training that comes to other weights.
	stages = l.lifeOf("t/weights")
	stages[0].After, stages[1].After = []string{"t"}, []string{"t", "evaluate"}
	l.submit("j2", append([]wire.Stage{batch("t")}, stages...)...)
	trained := func(weights string) {
		l.must(wire.CmdTaskResult, wire.TaskResult{
			Task: "j2/t/0", Token: l.place(false, on("j2/t/0", "a")), Outputs: map[string]string{"weights": weights},
		})
	}
	trained("w2")
	l.ends("j2", "w2", asIs)
	l.must(wire.CmdRetryJob, wire.RetryJob{Job: "j2", From: "t"})
	trained("w3")
	l.must(wire.CmdTaskResult, wire.TaskResult{
		Task: "j2/evaluate/0", Token: l.place(false, on("j2/evaluate/0", "a")), Evaluation: l.found("j2", "w3"),
	})
	for n := range 2 {
		if out := l.apply(wire.CmdPromote, to(n+1, wire.Production)); out.Code != wire.CodeGate || !strings.Contains(out.Error, "has no evaluation") {
			t.Errorf("version %d: %+v", n+1, out)
		}
	}
}

func TestTheBaselineIsWhatWasInProduction(t *testing.T) {
	l := registry(t)
	l.version("j1", "w1", asIs)
	l.must(wire.CmdPromote, to(1, wire.Production))
	l.submit("j2", l.lifeOf("w2")...) // ready: version 1 is what it compares with
	s, _ := l.s.Read().Stage(nil, "j2", "evaluate")
	if s.Resolved["production"] != "w1" {
		t.Fatalf("inputs %v", s.Resolved)
	}
	l.version("j3", "w3", asIs)
	l.must(wire.CmdPromote, to(3-1, wire.Production))
	l.ends("j2", "w2", asIs)
	if e, _ := l.s.Read().Evaluation(nil, "j2/evaluate"); e.Baseline != 1 {
		t.Errorf("compared with version %d", e.Baseline)
	}
	if out := l.apply(wire.CmdPromote, to(3, wire.Production)); out.Code != wire.CodeConflict {
		t.Errorf("promoted over a version it was not compared with: %+v", out)
	}
}

// The weights in production are part of what a stage's result depends on.
func TestTheProductionInputIsPartOfTheKey(t *testing.T) {
	l := registry(t)
	keyed := func(job string) wire.Stage {
		l.submit(job, wire.Stage{
			Name: "s", Kind: wire.StageTest, Version: 1, Run: wire.Batch, Tasks: 1, Settings: json.RawMessage("{}"), Line: "s/line",
			Inputs: map[string]string{"weights": "w", "production": "@" + rasch},
		})
		s, _ := l.s.Read().Stage(nil, job, "s")
		return *s
	}
	none := keyed("k1")
	if _, ok := none.Resolved["production"]; ok {
		t.Errorf("without a model: %v", none.Resolved)
	}
	l.must(wire.CmdTaskResult, wire.TaskResult{Task: "k1/s/0", Token: l.place(false, on("k1/s/0", "a"))})
	if again := keyed("k2"); again.Key != none.Key || again.Reused == "" {
		t.Errorf("nothing has changed, and it is %+v", again)
	}
	l.version("j1", "w1", asIs)
	l.must(wire.CmdPromote, to(1, wire.Production))
	one := keyed("k3")
	if one.Key == none.Key || one.Resolved["production"] != "w1" || one.Reused != "" {
		t.Errorf("with version 1: %+v", one)
	}
	plan := state.Planned(l.s.Read(), "k", []wire.Stage{{
		Name: "s", Kind: wire.StageTest, Version: 1, Run: wire.Batch, Tasks: 1, Settings: json.RawMessage("{}"),
		Inputs: map[string]string{"weights": "w", "production": "@" + rasch},
	}})
	if plan[0].Action != wire.ActionRun {
		t.Errorf("planned %+v", plan[0])
	}
}

func TestAliasesNotesAndDeletion(t *testing.T) {
	l := registry(t)
	for n := range 4 {
		l.version(fmt.Sprint("j", n), fmt.Sprint("w", n), asIs)
	}
	l.must(wire.CmdPromote, to(1, wire.Production))
	l.must(wire.CmdPromote, wire.Promote{Model: rasch, Version: 2, Stage: wire.Production, Force: true, Admin: true, Reason: "r"})
	note := "the pilot school's"
	l.must(wire.CmdSetModel, wire.SetModel{Model: rasch, Version: 3, Notes: &note})
	l.must(wire.CmdSetModel, wire.SetModel{Model: rasch, Version: 3, Alias: "pilot"})
	view := l.s.Read()
	for name, want := range map[string]int{"pilot": 3, "production": 2, "latest": 4, "1": 1, "staging": 0, "9": 0, "-1": 0, "none": 0, "": 0} {
		v, ok := view.VersionNamed(nil, rasch, name)
		if ok != (want > 0) || ok && v.Version != want {
			t.Errorf("%q is %+v, want %d", name, v, want)
		}
	}
	if v, _ := view.Version(nil, rasch, 3); v.Notes != note {
		t.Errorf("notes %q", v.Notes)
	}
	refused := func(code wire.Code, n wire.Number, body any, part string) {
		t.Helper()
		if out := l.apply(n, body); out.Code != code || !strings.Contains(out.Error, part) {
			t.Errorf("%+v: %+v", body, out)
		}
	}
	refused(wire.CodeConflict, wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 1}, "rollback goes to")
	refused(wire.CodeConflict, wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 2}, "is in production")
	refused(wire.CodeConflict, wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 3}, "alias pilot")
	refused(wire.CodeNotFound, wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 9}, "no version 9")
	refused(wire.CodeInvalid, wire.CmdSetModel, wire.SetModel{Model: rasch, Version: 3, Alias: "production"}, "has a meaning")
	refused(wire.CodeInvalid, wire.CmdSetModel, wire.SetModel{Model: rasch, Version: 3, Alias: "7"}, "lower-case letter")
	refused(wire.CodeInvalid, wire.CmdSetModel, wire.SetModel{Model: rasch, Version: 3}, "neither")
	refused(wire.CodeNotFound, wire.CmdSetModel, wire.SetModel{Model: rasch, Alias: "other", Drop: true}, "no alias")
	refused(wire.CodeNotFound, wire.CmdSetModel, wire.SetModel{Model: rasch, Version: 8, Alias: "x"}, "no version 8")
	refused(wire.CodeConflict, wire.CmdSetModel, wire.SetModel{Model: rasch, Version: 3, Alias: "x", CheckIndex: 1}, "has changed")
	l.must(wire.CmdSetModel, wire.SetModel{Model: rasch, Alias: "pilot", Drop: true})
	l.must(wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 4})
	l.must(wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: 3})
	if n := l.version("j9", "w9", asIs); n != 5 {
		t.Errorf("the number %d was given again", n)
	}
}

func TestKeysAreCheckedAndKept(t *testing.T) {
	l := registry(t)
	_, key := signer()
	wrong := key
	wrong.ID = "0123456789abcdef"
	short := wire.SigningKey{ID: wire.KeyID([]byte("x")), Public: []byte("x")}
	for name, c := range map[string]struct {
		key  wire.SigningKey
		code wire.Code
	}{"again": {key, wire.CodeConflict}, "id": {wrong, wire.CodeInvalid}, "short": {short, wire.CodeInvalid}} {
		if out := l.apply(wire.CmdPutKey, wire.PutKey{Key: c.key}); out.Code != c.code {
			t.Errorf("%s: %+v", name, out)
		}
	}
	if k, ok := l.s.Read().Key(nil, key.ID); !ok || k.Owner != "c1" || len(l.s.Read().Keys(nil)) != 1 {
		t.Errorf("key %+v", k)
	}
}

// Whatever is asked in whatever order: one version at most is in production, and
// one exactly once there was one; the history tells the same as the records; and
// replay and restore come to the same state.
func TestTheRegistryIsConsistent(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		l := registry(t)
		ever := false
		steps := rapid.IntRange(1, 25).Draw(rt, "steps")
		for k := range steps {
			l.step(rt, k)
			ever = l.consistent(rt, ever)
		}
		cut := rapid.IntRange(0, len(l.entries)).Draw(rt, "snapshot-after")
		again := state.New()
		for k, env := range l.entries {
			if k == cut {
				var snap bytes.Buffer
				if _, err := again.Read().WriteTo(&snap); err != nil {
					rt.Fatal(err)
				}
				again = state.New()
				if err := again.Restore(&snap); err != nil {
					rt.Fatal(err)
				}
			}
			again.Apply(uint64(11+k), env)
		}
		if again.Read().Hash() != l.s.Read().Hash() {
			rt.Fatal("replayed and restored, the state differs")
		}
	})
}

func (l *log) step(rt *rapid.T, k int) {
	n := rapid.IntRange(0, 5).Draw(rt, "version")
	stage := rapid.SampledFrom([]wire.ModelStage{wire.Development, wire.Staging, wire.Production, wire.Production, wire.Archived}).Draw(rt, "stage")
	alias := rapid.SampledFrom([]string{"x", "y"}).Draw(rt, "alias")
	switch rapid.IntRange(0, 8).Draw(rt, "what") {
	case 0, 1, 2:
		good := rapid.Bool().Draw(rt, "good")
		l.version(fmt.Sprint("j", k), fmt.Sprint("w", rapid.IntRange(0, 5).Draw(rt, "weights")), func(e *wire.Evaluation) {
			if !good {
				e.GainLow = -1
			}
		})
	case 3:
		l.apply(wire.CmdPromote, to(n, stage))
	case 4:
		l.apply(wire.CmdPromote, wire.Promote{Model: rasch, Version: n, Stage: stage, Force: true, Admin: true, Reason: "r"})
	case 5:
		l.apply(wire.CmdPromote, back(n))
	case 6:
		l.apply(wire.CmdPromote, back(0))
	case 7:
		l.apply(wire.CmdSetModel, wire.SetModel{Model: rasch, Version: n, Alias: alias, Drop: k%3 == 0})
	case 8:
		l.apply(wire.CmdDeleteVersion, wire.DeleteVersion{Model: rasch, Version: n})
	}
}

func (l *log) consistent(rt *rapid.T, ever bool) bool {
	view := l.s.Read()
	m, ok := view.Model(nil, rasch)
	if !ok {
		return false
	}
	ever = ever || m.Production != 0
	stages, in := map[int]wire.ModelStage{}, map[wire.ModelStage]int{}
	for _, v := range view.Versions(nil, rasch) {
		stages[v.Version] = v.Stage
		in[v.Stage]++
	}
	production, staging := in[wire.Production], in[wire.Staging]
	for alias, n := range m.Aliases {
		if stages[n] == "" {
			rt.Fatalf("alias %s names version %d, which is gone", alias, n)
		}
	}
	stands := wire.Replay(view.History(nil, rasch))
	switch {
	case production > 1 || staging > 1 || ever != (production == 1):
		rt.Fatalf("%d versions are in production, %d in staging", production, staging)
	case production == 1 && stages[m.Production] != wire.Production || staging == 1 && stages[m.Staging] != wire.Staging || staging == 0 && m.Staging != 0:
		rt.Fatalf("the model says %+v, its versions %v", m, stages)
	case m.Previous != 0 && stages[m.Previous] == "":
		rt.Fatalf("a rollback goes to version %d, which is gone", m.Previous)
	case stands.Production() != m.Production || stands.Previous() != m.Previous || stands.Staging() != m.Staging:
		rt.Fatalf("the history says %+v, the model %+v", stands, m)
	}
	if d := cmp.Diff(stages, stands.Stages); d != "" {
		rt.Fatalf("the history tells other stages: %s", d)
	}
	return ever
}

// modelBodies are commands of the registry, on a model that may not be there.
func modelBodies(t *rapid.T) map[wire.Number]any {
	_, key := signer()
	n := rapid.IntRange(0, 2).Draw(t, "version")
	return map[wire.Number]any{
		wire.CmdPutKey:        wire.PutKey{Key: key},
		wire.CmdPromote:       to(n, wire.Production),
		wire.CmdSetModel:      wire.SetModel{Model: rasch, Version: n, Alias: "x"},
		wire.CmdDeleteVersion: wire.DeleteVersion{Model: rasch, Version: n},
	}
}
