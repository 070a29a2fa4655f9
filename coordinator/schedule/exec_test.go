package schedule_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
)

const commands = `name: etl
kind: graph
stages:
- {name: join, kind: exec, timeout: 90s, retries: -1, after: [low], exec: {command: [sh, -c, x], memory_mb: 70,
   inputs: [{name: a, from: up/out/x.txt}, {name: b, from: low/y}, {name: c, from: 'sha256:HASH'}], outputs: [z], env: [K=env:V]}}
- {name: up, kind: exec, retries: 5, exec: {command: [make], outputs: [out/x.txt]}}
- {name: low, kind: exec, exec: {command: [tell], inputs: [{name: w, from: 'sha256:HASH'}], outputs: [y]}}
- {name: say, kind: exec, timeout: 1us, exec: {command: [say], inputs: [{name: w, from: join/z}]}}
- {name: rest, kind: noop, timeout: 2h, after: [say]}
`

func TestCommandsComeAfterWhatTheyRead(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("ab", 32)
	spec, err := wire.ParseSpec("job.yaml", []byte(strings.ReplaceAll(commands, "HASH", hash)))
	if err != nil {
		t.Fatal(err)
	}
	got, err := schedule.Expand(spec, schedule.Run{})
	if err != nil {
		t.Fatal(err)
	}
	one := func(s wire.Stage, settings string) wire.Stage {
		s.Run, s.Tasks, s.Settings, s.Resources.Cores = wire.Batch, 1, []byte(settings), 1
		return s
	}
	want := []wire.Stage{
		one(wire.Stage{Name: "up", Kind: wire.StageExec, Inputs: map[string]string{}, Retries: 5}, `{"command":["make"],"outputs":["out/x.txt"]}`),
		one(wire.Stage{Name: "low", Kind: wire.StageExec, Inputs: map[string]string{"w": hash}, Retries: 2, Version: 1}, `{"command":["tell"],"outputs":["y"]}`),
		one(wire.Stage{
			Name: "join", Kind: wire.StageExec, After: []string{"low", "up"}, Timeout: 90_000, Version: 1,
			Inputs: map[string]string{"a": "up/out/x.txt", "b": "low/y", "c": hash}, Resources: wire.Resources{MemoryMB: 70},
		}, `{"command":["sh","-c","x"],"outputs":["z"],"env":["K=env:V"],"memory_mb":70}`),
		one(wire.Stage{Name: "say", Kind: wire.StageExec, After: []string{"join"}, Inputs: map[string]string{"w": "join/z"}, Retries: 2, Timeout: 1}, `{"command":["say"],"outputs":null}`),
		one(wire.Stage{Name: "rest", Kind: wire.StageNoop, After: []string{"say"}, Retries: 2, Timeout: 7_200_000}, `{}`),
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	spec.Stages[1].Timeout = "soon"
	if _, err := schedule.Expand(spec, schedule.Run{}); err == nil || !strings.Contains(err.Error(), `stage up: timeout "soon"`) {
		t.Errorf("error %v", err)
	}
}

func TestCommandsGoToWorkersThatAllowThem(t *testing.T) {
	t.Parallel()
	c := newCluster(t)
	c.node("a", 8)
	c.node("z", 1)
	s := stage("run", wire.Batch, 3)
	s.Kind = wire.StageExec
	s.Resources.MemoryMB = 5
	c.submit("j", 0, s, stage("other", wire.Batch, 1))
	c.decide()
	where := func() map[string]string {
		m := map[string]string{}
		for _, k := range c.running() {
			m[k.ID] = k.Node
		}
		return m
	}
	if d := cmp.Diff(map[string]string{"j/other/0": "a"}, where()); d != "" {
		t.Error(d)
	}
	run, _ := c.s.Read().Stage(nil, "j", "run")
	if want := "waits for a worker that allows exec stages, with free cores and 5 MB of free memory"; run.Reason != want {
		t.Errorf("reason %q, want %q", run.Reason, want)
	}
	refused := c.apply(wire.CmdAssign, wire.Assign{Placements: []wire.Placement{{Task: "j/run/0", Node: "a", Session: "s"}}})
	if refused.Code != wire.CodeConflict || !strings.Contains(refused.Error, "node a allows no exec stages") {
		t.Errorf("outcome %+v", refused)
	}
	c.apply(wire.CmdRegisterNode, wire.RegisterNode{Node: wire.Node{
		ID: "m", Session: "s", Exec: true, Resources: wire.Resources{Cores: 2, MemoryMB: 8},
	}})
	c.decide()
	if d := cmp.Diff(map[string]string{"j/other/0": "a", "j/run/0": "m"}, where()); d != "" { // memory for one
		t.Error(d)
	}
}
