package stage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"cohort/coordinator/schedule"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dkt/tune"
)

// runTune gathers what the trials of a study came to.
func runTune(ctx context.Context, env Env, s wire.Stage) (r wire.TaskResult, err error) {
	set, err := settings[wire.TuneSettings](s)
	if err != nil {
		return r, err
	}
	study := schedule.Study(set)
	if err := study.Check(); err != nil {
		return r, inputf("tune: %v", err)
	}
	env.Progress(wire.Progress{Message: "gathering trials"})
	trials, err := readAll[wire.Trial](ctx, env, s.Inputs)
	if err != nil {
		return r, err
	}
	came, err := judge(study, trials)
	if err != nil {
		return r, err
	}
	env.Logger.Info("tuned", "trials", len(trials), "best_trial", came.Number, "value", came.Value)
	text, err := json.Marshal(came.Best)
	if err != nil {
		return r, fmt.Errorf("encode best settings: %w", err)
	}
	hash, err := lake.Write(ctx, env.Blobs, text)
	if err != nil {
		return r, fmt.Errorf("store best settings: %w", err)
	}
	r.Outputs = map[string]string{"best": hash}
	r.Result, err = result("tune", came)
	return r, err
}

// judge makes the study's result of its trials: those that are missing failed.
func judge(study tune.Study, trials map[string]wire.Trial) (came wire.Tuned, err error) {
	var results []tune.Result
	there := map[[2]int]wire.Trial{}
	for _, t := range trials {
		results = append(results, tune.Result{Number: t.Number, Rung: t.Rung, Value: t.Value})
		there[[2]int{t.Number, t.Rung}] = t
		came.Trials = append(came.Trials, t)
	}
	slices.SortFunc(came.Trials, func(a, b wire.Trial) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Rung, b.Rung))
	})
	failed := map[[2]int]bool{}
	walk := study.Walk()
	for start, done := walk.Next(results); !done; start, done = walk.Next(results) {
		before := len(failed)
		for _, a := range start {
			at := [2]int{a.Number, a.Rung}
			if _, ok := there[at]; !ok && !failed[at] {
				failed[at] = true
				results = append(results, tune.Result{Number: a.Number, Rung: a.Rung, Failed: true})
			}
		}
		if len(failed) == before {
			return came, inputf("tune: the trials are none of this study's")
		}
	}
	number, value, ok := study.Best(results)
	if !ok {
		return came, inputf("tune: all of the study's %d trials failed; \"tune trials\" says why, \"job retry --from tune\" runs them again", len(failed))
	}
	came.Number, came.Value, came.Failed, came.Importance = number, value, len(failed), study.Importance(results)
	came.Best = there[[2]int{number, 0}].Params
	return came, nil
}

// readAll reads the inputs of a stage that gathers others, by their names.
func readAll[T any](ctx context.Context, env Env, in map[string]string) (map[string]T, error) {
	all := make(map[string]T, len(in))
	for _, name := range slices.Sorted(maps.Keys(in)) {
		text, err := lake.Read(ctx, env.Blobs, in[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		var v T
		if err := json.Unmarshal(text, &v); err != nil {
			return nil, inputf("%s: %v", name, err)
		}
		all[name] = v
	}
	return all, nil
}
