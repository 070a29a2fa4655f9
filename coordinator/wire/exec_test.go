package wire_test

import (
	"strings"
	"testing"

	"cohort/coordinator/wire"
)

func TestWrongCommandsAreNamed(t *testing.T) {
	t.Parallel()
	const head = "name: g\nkind: graph\nstages:\n"
	for name, c := range map[string]struct{ stages, want string }{
		"no_outputs": {
			"- {name: a, kind: noop}\n- {name: b, kind: exec, exec: {command: [x], inputs: [{name: i, from: a/o}]}}\n",
			`job.yaml:5: stages[1].exec.inputs[0].from "a/o": stage a has no outputs (a file would be ./a/o)`,
		},
		"no_such_output": {
			"- {name: a, kind: exec, exec: {command: [x], outputs: [p, q/r]}}\n- {name: b, kind: exec, exec: {command: [x], inputs: [{name: i, from: a/q}]}}\n",
			`job.yaml:5: stages[1].exec.inputs[0].from "a/q": stage a has no such output; it has p, q/r`,
		},
		"circle_of_files": {
			"- {name: a, kind: exec, exec: {command: [x], inputs: [{name: i, from: b/o}], outputs: [o]}}\n- {name: b, kind: exec, exec: {command: [x], inputs: [{name: i, from: a/o}], outputs: [o]}}\n",
			`makes stage "a" wait for itself`,
		},
		"own_file": {
			"- {name: a, kind: exec, exec: {command: [x], inputs: [{name: i, from: a/o}], outputs: [o]}}\n",
			`makes stage "a" wait for itself`,
		},
		"dots":      {"- {name: a, kind: exec, exec: {command: [x], outputs: [../o]}}\n", `"../o" is no file name below the stage's folder`},
		"dot":       {"- {name: a, kind: exec, exec: {command: [x], outputs: [./o]}}\n", `"./o" is no file name`},
		"temporary": {"- {name: a, kind: exec, exec: {command: [x], outputs: [.tmp/o]}}\n", `".tmp/o" is no file name`},
		"absolute":  {"- {name: a, kind: exec, exec: {command: [x], inputs: [{name: /etc/x, from: f}]}}\n", `"/etc/x" is no file name`},
		"timeout":   {"- {name: a, kind: exec, timeout: soon, exec: {command: [x]}}\n", `"soon" is no duration`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := wire.ParseSpec("job.yaml", []byte(head+c.stages))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestAnInputIsAStagesOutputOnlyOfAStageOfTheFile(t *testing.T) {
	t.Parallel()
	s := wire.Spec{Kind: "graph", Stages: []wire.GraphNode{{Name: "a"}, {Name: "extract"}}}
	for from, want := range map[string]string{
		"a/x": "a x", "a/x/y": "a x/y", "./a/x": "", "b/x": "", "a": "", "sha256:00": "", "/a/x": "", "train/weights": "", "extract/x": "extract x",
	} {
		got := ""
		if stage, output, ok := s.StageNames().Output(from); ok {
			got = stage + " " + output
		}
		if got != want {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
	s.Kind = "pipeline"
	if stage, output, ok := s.StageNames().Output("train/weights"); !ok || stage != "train" || output != "weights" {
		t.Errorf("%s, %s, %v", stage, output, ok)
	}
}
