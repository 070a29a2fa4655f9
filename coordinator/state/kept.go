package state

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"

	"cohort/coordinator/wire"
)

// Marks of an input that is the newest result of the stage's line.
const (
	markLine = "^" // part of what the result depends on
	markHelp = "~" // saves work and moves no byte
)

// asks reports whether a stage reads a source: its key is known with its plan.
func asks(s *wire.Stage) bool { return s.Kind == wire.StageExtract && s.Inputs["events"] == "" }

// keyOf addresses a stage's result: by kind, version, settings, plan and inputs.
func keyOf(s *wire.Stage, inputs map[string]string) string {
	text, err := json.Marshal(struct {
		Kind     wire.StageKind    `json:"kind"`
		Version  int               `json:"version"`
		Settings json.RawMessage   `json:"settings"`
		Plan     string            `json:"plan"`
		Inputs   map[string]string `json:"inputs"`
	}{s.Kind, s.Version, s.Settings, s.Plan, inputs})
	if err != nil {
		panic(fmt.Sprintf("state: key of stage %s: %v", s.Name, err)) // settings came in as JSON
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// resolver replaces references in a stage's inputs.
type resolver struct {
	output func(stage, output string) string
	head   func(line string) *wire.Head
	// weights are those of a model's version in production; empty: there is none.
	weights func(model string) string
}

// inputs resolves all inputs, and those that the key is of. A stage that the
// head of its line was made from, line inputs apart, is compared with what that
// one was compared with: so that a run with nothing new finds its result.
func (r resolver) inputs(s *wire.Stage) (all, keyed map[string]string) {
	all, keyed = map[string]string{}, map[string]string{}
	for name, value := range s.Inputs {
		if marked(value) {
			continue
		}
		if model, ok := strings.CutPrefix(value, wire.ModelInput); ok {
			if value = r.weights(model); value == "" {
				continue
			}
		} else if stage, output, ok := strings.Cut(value, "/"); ok {
			value = r.output(stage, output)
		}
		all[name], keyed[name] = value, value
	}
	head := r.head(s.Line)
	same := head != nil && head.Bare == keyOf(s, keyed)
	for name, value := range s.Inputs {
		if !marked(value) || head == nil {
			continue
		}
		found := head.Outputs[value[1:]]
		if same && value[:1] == markLine {
			found = head.Inputs[name]
		}
		if found == "" {
			continue
		}
		all[name] = found
		if value[:1] == markLine {
			keyed[name] = found
		}
	}
	return all, keyed
}

func marked(value string) bool {
	return strings.HasPrefix(value, markLine) || strings.HasPrefix(value, markHelp)
}

func (t *tx) resolver(job string) resolver {
	return resolver{
		output: func(stage, output string) string {
			if from := t.stage(job, stage); from != nil {
				return from.Outputs[output]
			}
			return stage + "/" + output // no reference after all
		},
		head:    t.head,
		weights: func(model string) string { return weightsInProduction(t.Txn, model) },
	}
}

func (t *tx) head(line string) *wire.Head {
	if line == "" {
		return nil
	}
	return first[wire.Head](t.Txn, tableHeads, "id", line)
}

// settleInputs resolves a stage's inputs for good and answers those of its key.
func (t *tx) settleInputs(s *wire.Stage) map[string]string {
	all, keyed := t.resolver(s.Job).inputs(s)
	s.Resolved = all
	return keyed
}

// kept finds the result that a stage would come to.
func (t *tx) kept(s *wire.Stage) *wire.Kept {
	if s.Key == "" || s.Fresh {
		return nil
	}
	return first[wire.Kept](t.Txn, tableKept, "id", s.Key)
}

// keep remembers the result of a stage that is done.
func (t *tx) keep(s *wire.Stage) {
	if s.Key != "" {
		k := &wire.Kept{Key: s.Key, Job: s.Job, Stage: s.Name, Outputs: s.Outputs, Result: s.Result}
		k.CreateIndex, k.ModifyIndex = t.index, t.index
		t.put(tableKept, k)
	}
	if s.Line == "" {
		return
	}
	bare := map[string]string{}
	for name, value := range s.Inputs {
		found, ok := s.Resolved[name]
		if !marked(value) && (ok || !strings.HasPrefix(value, wire.ModelInput)) {
			bare[name] = found
		}
	}
	h := &wire.Head{
		Line: s.Line, Bare: keyOf(s, bare), Inputs: maps.Clone(s.Resolved), Plan: s.Plan, Outputs: s.Outputs, Job: s.Job, Stage: s.Name,
	}
	h.CreateIndex, h.ModifyIndex = t.index, t.index
	t.put(tableHeads, h)
}

// putPlan commits a stage's plan, unless it has one.
func (t *tx) putPlan(c wire.PutPlan) (string, *wire.Error) {
	k, refused := t.held(c.Task, c.Token)
	switch {
	case refused != nil:
		return "", refused
	case c.Plan == "":
		return "", refuse(wire.CodeInvalid, "task %s brings no plan", c.Task)
	}
	s := *t.stage(k.Job, k.Stage)
	if s.Plan != "" {
		return s.Plan, nil
	}
	s.Plan = c.Plan
	if s.Version > 0 {
		_, keyed := t.resolver(s.Job).inputs(&s)
		s.Key = keyOf(&s, keyed)
	}
	t.setStage(s, func(*wire.Stage) {})
	if kept := t.kept(&s); kept != nil {
		t.reused = true
		t.reuse(s.Job, s.Name, kept)
		t.advanceJob(s.Job)
	}
	return c.Plan, nil
}
