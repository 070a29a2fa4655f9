// Package train runs a worker's part of what knows a model's weights: a member of
// a round that trains, the test of what comes out of it, its comparison with the
// model in production, and its registration.
package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt"
	"cohort/dkt/metric"
	"cohort/kernels"
	"cohort/worker/collective"
)

// InputError says, in one line, what is wrong with a job's data or settings.
// No retry helps.
type InputError struct{ Text string }

func (e *InputError) Error() string { return e.Text }

func inputf(format string, args ...any) error { return &InputError{fmt.Sprintf(format, args...)} }

// Shards answers the histories of a shard set, sorted by masked student.
type Shards interface {
	Histories(ctx context.Context, set string) (*lake.ShardSet, []dataplane.History, error)
}

// Env is what a task may use. Progress and Checkpoint belong to the task's
// token: once its lease is lost they have no effect.
type Env struct {
	Blobs      lake.Blobs
	Shards     Shards
	Hub        *collective.Hub
	Dial       collective.Dial
	Timings    collective.Timings
	Version    string                                             // of this binary
	Kernels    string                                             // the worker's kernel path, for jobs that say auto
	Progress   func(wire.Progress)                                // never blocks
	Checkpoint func(ctx context.Context, c wire.Checkpoint) error // moves the stage's checkpoint pointer
	Logger     *slog.Logger
}

// Train does a training task from beginning to end: it loads what the
// assignment names, takes up the round's state, runs the round, and makes the
// best weights durable.
func Train(ctx context.Context, env Env, a wire.Assignment) (wire.TaskResult, error) {
	if a.Round == nil {
		return wire.TaskResult{}, errors.New("assigned without a round")
	}
	j, err := Open(ctx, env, a)
	if err != nil {
		return wire.TaskResult{}, err
	}
	defer j.Close()
	st, err := j.Restore(ctx, a.Round.From)
	if err != nil {
		return wire.TaskResult{}, err
	}
	st, _, err = j.Run(ctx, st, *a.Round)
	if err != nil {
		return wire.TaskResult{}, err
	}
	return j.Finish(ctx, st)
}

// CauseOf says whose fault the error of a task is.
func CauseOf(err error) wire.Cause {
	if err == nil {
		return wire.CauseNone
	}
	if _, ok := errors.AsType[*collective.PeerLostError](err); ok {
		return wire.CausePeer
	}
	if _, ok := errors.AsType[*source.InputError](err); ok {
		return wire.CauseFatal
	}
	if _, ok := errors.AsType[*InputError](err); ok {
		return wire.CauseFatal
	}
	if _, ok := errors.AsType[*kernels.NonFiniteError](err); ok {
		return wire.CauseFatal // the same bits would come again
	}
	for _, fault := range []error{dkt.ErrNoTrain, dkt.ErrNoValid, metric.ErrOneClass, metric.ErrEmpty, collective.ErrDiverged} {
		if errors.Is(err, fault) {
			return wire.CauseFatal
		}
	}
	return wire.CauseTask
}

// settings decodes a stage's settings.
func settings[T any](s wire.Stage) (t T, err error) {
	if err := json.Unmarshal(s.Settings, &t); err != nil {
		return t, inputf("settings of stage %s: %v", s.Name, err)
	}
	return t, nil
}
