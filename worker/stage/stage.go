// Package stage runs the pipeline stages that are no training: import, extract,
// validate, shard, promote, commands, and the trivial noop and idle.
package stage

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dataplane/stream"
)

// Env is what a stage may use.
type Env struct {
	Blobs    lake.Blobs
	Stream   *stream.Conn        // nil: shards stay in the lake
	Progress func(wire.Progress) // never blocks
	// Commit commits what the task will read, under its token, and answers the
	// plan that holds: an earlier attempt's may be there. Reused: the coordinator
	// knows its result, and has ended the stage.
	Commit   func(ctx context.Context, plan string) (holds string, reused bool, err error)
	Registry Registry      // of a promotion
	Attempts source.Sealer // the cluster's attempt log; nil: it is no source here
	Logger   *slog.Logger
	Dir      string   // absolute; where commands have their folders
	Exec     []string // programs that may run: names, and patterns of absolute paths
}

// Run carries out a task and answers its outputs and result. Errors of a
// person's file are *source.InputError: no retry helps. Idle ends with ctx,
// and answers its cause.
func Run(ctx context.Context, env Env, a wire.Assignment) (wire.TaskResult, error) {
	switch a.Stage.Kind {
	case wire.StageImport:
		return runImport(ctx, env, a.Stage)
	case wire.StageExtract:
		return runExtract(ctx, env, a)
	case wire.StageValidate:
		return runValidate(ctx, env, a.Stage)
	case wire.StageShard:
		return runShard(ctx, env, a.Stage)
	case wire.StageFeatures:
		return runFeatures(ctx, env, a.Stage)
	case wire.StageExec:
		return runExec(ctx, env, a.Stage)
	case wire.StagePromote:
		return runPromote(ctx, env, a.Stage)
	case wire.StageCompare:
		return runCompare(ctx, env, a.Stage)
	case wire.StageTune:
		return runTune(ctx, env, a.Stage)
	case wire.StageCross:
		return runCross(ctx, env, a.Stage)
	case wire.StageNoop:
		return wire.TaskResult{}, noop(a)
	case wire.StageIdle:
		<-ctx.Done()
		return wire.TaskResult{}, context.Cause(ctx)
	case wire.StageTrain, wire.StageTest, wire.StageTrial, wire.StageEvaluate, wire.StageRegister, wire.StageServe:
	}
	return wire.TaskResult{}, inputf("this worker cannot run a stage of kind %q", a.Stage.Kind)
}

func noop(a wire.Assignment) error {
	s, err := settings[wire.NoopSettings](a.Stage)
	if err != nil {
		return err
	}
	if a.Task.Attempt <= s.FailAttempts {
		return fmt.Errorf("attempt %d fails, as asked", a.Task.Attempt)
	}
	return nil
}

// settings decodes a stage's settings.
func settings[T any](s wire.Stage) (t T, err error) {
	if len(s.Settings) == 0 {
		return t, nil
	}
	if err := json.Unmarshal(s.Settings, &t); err != nil {
		return t, inputf("settings of stage %s: %v", s.Name, err)
	}
	return t, nil
}

// inputf is an error of the job itself.
func inputf(format string, args ...any) error {
	return &source.InputError{File: "job file", Text: fmt.Sprintf(format, args...)}
}

// result encodes what a stage tells the job.
func result(name string, v any) (json.RawMessage, error) {
	b, err := json.Marshal(map[string]any{name: v})
	if err != nil {
		return nil, fmt.Errorf("encode result: %w", err)
	}
	return b, nil
}
