package stage

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/fetch"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
)

// lessons are answers of 30 students to two items of a skill, of which the second
// is harder; who has a number that 3 divides tests.
func lessons() (events, folds string) {
	var e, f strings.Builder
	e.WriteString("user,problem,skill,correct,time,ms\n")
	f.WriteString("user,fold\n")
	for k := range 30 {
		fmt.Fprintf(&f, "u%d,%d\n", k, k%3)
		for step := range 8 {
			right := 0
			if k%4 > 2*(step%2) {
				right = 1
			}
			fmt.Fprintf(&e, "u%d,p%d,add,%d,%d,%d\n", k, step%2, right, step, 100*step)
		}
	}
	return e.String(), f.String()
}

func TestShardsCarryTheInputsOfTheModel(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	events, folds := lessons()
	s := importSettings()
	s.Columns.Elapsed = "ms"
	data, err := b.run(wire.StageImport, s, map[string]string{"events": b.put(events), "folds": b.put(folds)})
	if err != nil {
		t.Fatal(err)
	}
	split := &wire.Split{File: "folds", Test: 0, Valid: 1}
	settings := wire.ShardSettings{MultiSkill: "combine", Shards: 3, Inputs: []string{"elapsed", "difficulty"}, Split: split}
	r, err := b.run(wire.StageShard, settings, data.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	set, histories, err := fetch.New("", b.env.Blobs, nil, slog.New(slog.DiscardHandler)).Histories(t.Context(), r.Outputs["shards"])
	if err != nil {
		t.Fatal(err)
	}
	in := set.Inputs
	if in == nil || len(in.Levels) == 0 || len(in.Paces) == 0 || len(set.Skills) != 1 || in.Names[0] != "difficulty" {
		t.Fatalf("set %+v, inputs %+v", set, in)
	}
	text, err := lake.Read(t.Context(), b.env.Blobs, in.Items)
	if err != nil {
		t.Fatal(err)
	}
	var items map[string]dataplane.Difficulty
	// fold 2 trains: 10 students, 4 answers an item
	if err := json.Unmarshal(text, &items); err != nil || items["p0"].Answers != 40 || items["p0"].Value >= items["p1"].Value {
		t.Errorf("items %v, %v", items, err)
	}
	for _, h := range histories {
		if len(h.Level) != 8 || h.Level[0] >= h.Level[1] || h.Pace[0] != 0 || h.Pace[1] != 1 || h.Pace[7] <= h.Pace[1] {
			t.Errorf("student %s has levels %v, paces %v", h.Student, h.Level, h.Pace)
		}
	}
	for name, change := range map[string]func(s *wire.ShardSettings, in map[string]string){
		"other-split": func(s *wire.ShardSettings, in map[string]string) {
			delete(in, "folds")
			s.Split = &wire.Split{Test: 0.2, Valid: 0.2, Seed: 1}
		},
		"plain": func(s *wire.ShardSettings, in map[string]string) { s.Inputs, s.Split = nil, nil },
	} {
		other, inputs := settings, map[string]string{"dataset": data.Outputs["dataset"], "folds": data.Outputs["folds"]}
		change(&other, inputs)
		again, err := b.run(wire.StageShard, other, inputs)
		if err != nil || again.Outputs["shards"] == r.Outputs["shards"] {
			t.Errorf("%s: shards %s, %v", name, again.Outputs["shards"], err)
		}
	}
}

// Shards of plain models are what they were before there were others.
func TestPlainShardsKeepTheirHash(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	data, err := b.run(wire.StageImport, importSettings(), map[string]string{"events": b.put(events), "folds": b.put("user,fold\nann,1\nbob,2\ncy,3\n")})
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.run(wire.StageShard, wire.ShardSettings{MultiSkill: "combine", Shards: 4}, data.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	if want := "2dd723a93f7391172b373978cb4b9db66dd7502a63ae9980edc2034b3fc451d0"; r.Outputs["shards"] != want {
		t.Errorf("shards %s, want %s", r.Outputs["shards"], want)
	}
}

func TestInputsThatTheEventsLackAreNamed(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	s := importSettings()
	s.Columns.Item = ""
	data, err := b.run(wire.StageImport, s, map[string]string{"events": b.put(events), "folds": b.put("user,fold\nann,1\nbob,2\ncy,3\n")})
	if err != nil {
		t.Fatal(err)
	}
	split := &wire.Split{Test: 0.2, Valid: 0.2}
	for want, settings := range map[string]wire.ShardSettings{
		"data.columns.elapsed": {Inputs: []string{"elapsed"}, Split: split},
		"data.columns.item":    {Inputs: []string{"difficulty"}, Split: split},
		"who trains?":          {Inputs: []string{"difficulty"}},
	} {
		settings.MultiSkill, settings.Shards = "repeat", 2
		_, err := b.run(wire.StageShard, settings, map[string]string{"dataset": data.Outputs["dataset"]})
		if _, ok := errors.AsType[*source.InputError](err); !ok || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	in := map[string]string{"dataset": data.Outputs["dataset"], "folds": strings.Repeat("0", 64)}
	if _, err := b.run(wire.StageShard, wire.ShardSettings{MultiSkill: "repeat", Shards: 2, Inputs: []string{"difficulty"}, Split: split}, in); !errors.Is(err, lake.ErrNotFound) {
		t.Errorf("no fold table: %v", err)
	}
}
