package stage

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

// office is a registry that has versions and says one thing.
type office struct {
	versions []wire.ModelVersion
	err      error
	out      wire.Outcome
	promoted []wire.Promote
	started  []wire.DeployRequest
}

func (o *office) Versions(context.Context, string) ([]wire.ModelVersion, error) {
	return o.versions, o.err
}

func (o *office) Promote(_ context.Context, p wire.Promote) (wire.Outcome, error) {
	o.promoted = append(o.promoted, p)
	return o.out, nil
}

func (o *office) StartDeployment(_ context.Context, _ string, q wire.DeployRequest) (wire.Outcome, error) {
	o.started = append(o.started, q)
	return o.out, nil
}

func evaluation(t *testing.T, b *bench, e wire.Evaluation) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"evaluation": e})
	if err != nil {
		t.Fatal(err)
	}
	return b.put(string(text))
}

func TestAPromotionEndsWellWhereOnlyImprovementLacks(t *testing.T) {
	t.Parallel()
	good := wire.Evaluation{Of: wire.Measures{AUC: 0.8, Accuracy: 0.75}, Gain: 0.02, GainLow: 0.01, Quality: wire.QualityPassed}
	level, weak, both := good, good, good
	level.Gain, level.GainLow = 0.001, -0.01
	weak.Of.Accuracy = 0.6
	both.Gain, both.Of.AUC = 0, 0.7
	gate := wire.Outcome{Code: wire.CodeGate, Error: "version 2 of model m does not pass its gates: words"}
	for name, c := range map[string]struct {
		found  wire.Evaluation
		out    wire.Outcome
		result string
		err    string
		gate   bool
	}{
		"passed":      {good, wire.Outcome{}, `{"promoted":true,"version":2,"why":"the gates of job job are passed"}`, "", false},
		"level":       {level, gate, `{"promoted":false,"version":2,"why":"version 2 of model m does not pass its gates: words"}`, "", false},
		"weak":        {weak, gate, "", "gates: words", true},
		"both":        {both, gate, "", "gates: words", true},
		"other_gates": {good, gate, "", "gates: words", true}, // the coordinator knows of more than the report
		"conflict":    {level, wire.Outcome{Code: wire.CodeConflict, Error: "evaluate it again"}, "", "evaluate it again", false},
	} {
		for _, deploy := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := newBench(t)
				o := &office{versions: []wire.ModelVersion{{Version: 1, Manifest: "other"}, {Version: 2, Manifest: "mine"}}, out: c.out}
				b.env.Registry = o
				s := wire.PromoteSettings{Name: "m", Gates: wire.DefaultGates()}
				if deploy {
					d := wire.DefaultDeploy()
					s.Deploy = &d
				}
				r, err := b.run(wire.StagePromote, s, map[string]string{"manifest": "mine", "evaluation": evaluation(t, b, c.found)})
				if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) || string(r.Result) != c.result {
					t.Errorf("result %s, error %v", r.Result, err)
				}
				if _, is := errors.AsType[*GateError](err); is != c.gate {
					t.Errorf("error %T", err)
				}
				if deploy {
					if len(o.promoted) > 0 || len(o.started) != 1 || o.started[0].Version != 2 || !o.started[0].Auto || !cmp.Equal(o.started[0].Spec, wire.DefaultDeploy()) {
						t.Errorf("asked for %+v and %+v", o.promoted, o.started)
					}
				} else if len(o.started) > 0 || len(o.promoted) != 1 || o.promoted[0].Model != "m" || o.promoted[0].Version != 2 || o.promoted[0].Stage != wire.Production || o.promoted[0].Force {
					t.Errorf("asked for %+v and %+v", o.promoted, o.started)
				}
			})
		}
	}
}

func TestAPromotionNeedsItsVersionAndItsEvaluation(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	o := &office{versions: []wire.ModelVersion{{Version: 1, Manifest: "other"}}}
	b.env.Registry = o
	s := wire.PromoteSettings{Name: "m", Gates: wire.DefaultGates()}
	in := map[string]string{"manifest": "mine", "evaluation": b.put("{}")}
	if _, err := b.run(wire.StagePromote, s, in); err == nil || !strings.Contains(err.Error(), "no version of manifest mine yet") || len(o.promoted) > 0 {
		t.Errorf("%v, %+v", err, o.promoted)
	}
	o.err = errors.New("away")
	if _, err := b.run(wire.StagePromote, s, in); !errors.Is(err, o.err) {
		t.Error(err)
	}
	o.err, o.versions[0].Manifest, o.out.Code = nil, "mine", wire.CodeGate
	for name, report := range map[string]string{"absent": strings.Repeat("0", 64), "broken": b.put("[")} {
		in["evaluation"] = report
		if _, err := b.run(wire.StagePromote, s, in); err == nil || !strings.Contains(err.Error(), "evaluation") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
