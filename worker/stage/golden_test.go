package stage

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

// What each kind of stage makes of a fixed input stands in a file, under the
// kind's version. Other bytes under the same version would be taken for the
// results of earlier runs: raise wire.StageVersion, and then the file
// (COHORT_UPDATE=1).
func TestAStageMakesTheSameBytesUnderItsVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	made := map[string]string{}
	run := func(kind wire.StageKind, settings any, inputs map[string]string) map[string]string {
		t.Helper()
		text, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Run(t.Context(), b.env, wire.Assignment{
			Task: wire.Task{ID: "job/stage/0", Attempt: 1}, At: 1_769_904_000_000, // 2026-02-01
			Stage: wire.Stage{Job: "job", Name: "stage", Kind: kind, Settings: text, Inputs: inputs},
		})
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for name, hash := range r.Outputs {
			line := fmt.Sprintf("%s version %d, %s", kind, wire.StageVersion(kind), name)
			if made[line] != "" {
				line += " again"
			}
			made[line] = hash
		}
		return r.Outputs
	}
	text := "user,problem,skill,correct,time,took\n"
	for k := range 400 {
		text += fmt.Sprintf("u%d,p%d,s%d,%d,2026-01-%02d 10:%02d:00,%d\n", k%7, k%31, k%5, (k*7%11)%2, 1+k/20, k%60, 900+k*37%5000)
	}
	text += "u1,p1,s1,perhaps,2026-01-02 10:00:00,1\nu1,p1,s1,1,2039-01-02 10:00:00,1\nu1,p1,,1,2026-01-02 10:00:00,1\n"
	columns := wire.Columns{
		Student: "user", Item: "problem", Skill: "skill", Correct: wire.Correct{Column: "correct"}, Time: "time", Elapsed: "took",
	}
	split := wire.Split{Test: 0.2, Valid: 0.2, Seed: 1}
	extracted := run(wire.StageExtract, wire.ExtractSettings{ImportSettings: wire.ImportSettings{Name: "g", File: "g.csv", Columns: columns}},
		map[string]string{"events": b.put(text)})
	spec := wire.DefaultValidate()
	checked := run(wire.StageValidate, wire.ValidateSettings{Name: "g", Spec: spec, Columns: columns}, extracted)
	if checked["dataset"] == extracted["dataset"] || checked["quarantine"] == "" {
		t.Errorf("nothing is quarantined: %v", checked)
	}
	run(wire.StageFeatures, wire.FeaturesSettings{Name: "g", Split: split}, checked)
	run(wire.StageShard, wire.ShardSettings{MultiSkill: "combine", Shards: 4}, checked)
	run(wire.StageShard, wire.ShardSettings{
		MultiSkill: "combine", Shards: 4, Inputs: []string{"difficulty", "elapsed"}, Split: &split,
	}, checked)
	var lines []string
	for name, hash := range made {
		lines = append(lines, name+": "+hash+"\n")
	}
	slices.Sort(lines)
	golden(t, "testdata/golden.txt", strings.Join(lines, ""))
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if os.Getenv("COHORT_UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Error(d)
	}
}
