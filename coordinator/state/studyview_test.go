package state_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// A trial that failed at a later rung is not the best, whatever it came to before;
// what the study says itself holds.
func TestTheBestTrialIsTheStudysOwn(t *testing.T) {
	l := newLog(t)
	l.node("a", "s-a", 9)
	whole := fan(wire.StudyStage)
	whole.Kind = wire.StageTune
	l.submit("j", whole)
	rung := func(number, rung int, value float64, fault string) {
		part := partOf(wire.StudyStage, fmt.Sprint(wire.StudyStage, ".", number, ".", rung))
		part.Kind, part.Settings = wire.StageTrial, []byte(fmt.Sprintf(`{"number": %d, "rung": %d}`, number, rung))
		l.add(part)
		task := "j/" + part.Name + "/0"
		r := wire.TaskResult{Task: task, Token: l.place(false, on(task, "a")), Outputs: map[string]string{}}
		if r.Result = []byte(fmt.Sprintf(`{"value": %g}`, value)); fault != "" {
			r.Error, r.Cause, r.Result = fault, wire.CauseFatal, nil
		}
		l.must(wire.CmdTaskResult, r)
	}
	rung(0, 0, 0.9, "")
	rung(0, 1, 0, "the loss is no number")
	rung(1, 0, 0.5, "")
	rung(2, 0, 0.4, "")
	study, ok := l.s.Read().StudyOf(nil, "j")
	if !ok {
		t.Fatal("no study")
	}
	best := func(s *wire.Stage) *wire.Trial {
		v := state.StudyView(l.s.Read(), nil, s, true)
		if len(v.Table) != 3 || v.Table[1].Nodes[0] != "a" || v.Failed != 1 {
			t.Errorf("got %+v", v)
		}
		return v.Best
	}
	if b := best(study); b == nil || b.Number != 1 || b.Value != 0.5 {
		t.Errorf("the best is %+v", b)
	}
	said := *study
	said.Result, _ = json.Marshal(map[string]any{"tune": wire.Tuned{Number: 2}})
	if b := best(&said); b == nil || b.Number != 2 {
		t.Errorf("the best is %+v", b)
	}
	if v := state.StudyView(l.s.Read(), nil, study, false); v.Table != nil || v.Best.Number != 1 {
		t.Errorf("in a list: %+v", v)
	}
}
