//go:build linux

package cli_test

import "testing"

// studies are searches and cross-validations that can't be.
func (w *wrongs) studies(t *testing.T) []wrongInput {
	t.Helper()
	const data = "data: {events: right.csv}\n"
	tune := func(more string) string { return pipelineWith(data + "tune: {trials: 3, " + more + "}\n") }
	space := func(domain string) string { return tune("space: {" + domain + "}") }
	logOf := func(name, more string) string { return pipelineWith(w.named(t, name, w.text(keep)) + more) }
	return []wrongInput{
		{"study_of_a_train_job", "data: {events: right.csv}\ntune: {trials: 3, space: {train.lr: [0.1]}}\n", 1, "tune is for kind pipeline, this job is of kind train"},
		{"folds_of_a_train_job", "data: {events: right.csv}\ncross_validate: {folds: 5}\n", 1, "cross_validate is for kind pipeline"},
		{"study_without_space", pipelineWith(data + "tune: {trials: 3}\n"), 1, "tune.space is missing"},
		{"unknown_setting", space("train.rl: [0.1]"), 1, "tune.space.train.rl is no setting that a study chooses; did you mean train.lr?"},
		{"setting_of_the_data", space("data.window: [100, 200]"), 1, "tune.space.data.window is no setting that a study chooses"},
		{"low_above_high", space("train.lr: {low: 0.1, high: 0.001}"), 1, "tune.space.train.lr has low 0.1, not below high 0.001"},
		{"log_of_zero", space("train.lr: {low: 0, high: 0.1, log: true}"), 1, "with log it is above 0"},
		{"half_a_unit", space("model.hidden: [8, 8.5]"), 1, "tune.space.model.hidden can't be 8.5"},
		{"grid_without_end", tune("sampler: grid, space: {train.lr: {low: 0.001, high: 0.1}}"), 1, "has no end of values: with sampler grid give values or a step"},
		{"rungs_fall", tune("rungs: [1, 1], epochs: 9, space: {train.lr: [0.1, 0.2]}"), 1, "tune.rungs[1] is 1, not above the rung before it, 1"},
		{"rung_past_the_end", tune("rungs: [2], space: {train.lr: [0.1, 0.2]}"), 1, "tune.rungs[0] is 2; a rung lies from 1 to below the 2 epochs of a trial"},
		{"illegal_pair", space("train.optimizer: [adam, adamw], train.weight_decay: [0, 0.1]"), 1, "tune.space.train.weight_decay needs optimizer: adamw"},
		{"too_many_trials", pipelineWith(data + "tune: {trials: 100000, space: {train.lr: [0.1]}}\n"), 1, "tune.trials is 100000; want 0 to 1000"},
		{"one_fold", pipelineWith(data + "cross_validate: {folds: 1}\n"), 1, "cross_validate.folds is 1; want 2 to 20, or 0 for none"},
		{"name_of_a_trial", pipelineWith(data + "tune: {trials: 3, space: {train.lr: [0.1]}}\nstages: [{name: tune.1, kind: exec, exec: {command: [sh]}}]\n"), 1, `names that begin with "tune." are taken`},
		{"every_trial_fails", logOf("t1.csv", "tune: {trials: 3, space: {train.lr: [1e+35, 1e+36]}}\n"), 8, "stage tune failed: job file: tune: all of the study's 3 trials failed"},
	}
}
