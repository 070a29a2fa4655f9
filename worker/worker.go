// Package worker is the worker node: it watches its assignments, runs them,
// renews their leases and reports what came of them.
package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"
	"cohort/kernels/cpu"
	"cohort/worker/collective"
	"cohort/worker/device"
	"cohort/worker/stage"
)

// Coordinator is the part of the API that a worker consumes
// (coordinator/client implements it). An error that is a *wire.Error with a
// code other than unavailable or internal is the coordinator's last word; any
// other is worth another try.
type Coordinator interface {
	Register(ctx context.Context, node wire.Node) (wire.RegisterReply, error)
	Tasks(ctx context.Context, node, session string, index uint64, wait time.Duration) (wire.TasksReply, error)
	Renew(ctx context.Context, node string, r wire.RenewRequest) (wire.RenewReply, error)
	Result(ctx context.Context, r wire.TaskResult) (wire.Outcome, error)
	Checkpoint(ctx context.Context, c wire.PutCheckpoint) (wire.Outcome, error)
	PutPlan(ctx context.Context, q wire.PutPlan) (wire.Outcome, error)
	Model(ctx context.Context, name string, index uint64, wait time.Duration) (wire.ModelView, uint64, error)
	Promote(ctx context.Context, p wire.Promote) (wire.Outcome, error)
	StartDeployment(ctx context.Context, model string, r wire.DeployRequest) (wire.Outcome, error)
	SealAttempts(ctx context.Context, after uint64) ([]wire.AttemptSegment, error)
	Progress(ctx context.Context, p wire.Progress) error
	Drain(ctx context.Context, node string) error
	// Ready says that a service's task serves at an address.
	Ready(ctx context.Context, r wire.TaskReady) (wire.Outcome, error)
}

// Config describes a worker. The node closes the listener, and nothing else
// that it is handed.
type Config struct {
	ID        string
	DataDir   string // local cache
	API       Coordinator
	Blobs     lake.Blobs
	Listener  net.Listener // for members of rounds
	Addr      string       // that others reach the listener at; empty: the listener's own
	Dial      collective.Dial
	Serve     Listen         // for each replica of a model; nil: the worker serves none
	Stream    *stream.Conn   // nil: dialled at the address that the coordinator gives
	Resources wire.Resources // zero: the machine's
	Kernels   string         // auto | avx512 | avx2 | portable; empty is auto
	Exec      []string       // programs that exec stages may run (stage.CheckExec); none: the worker gets no such stages
	Version   string
	Timings   collective.Timings
	Logger    *slog.Logger
}

// Listen opens a listener, which others reach at addr.
type Listen func(ctx context.Context) (l net.Listener, addr string, err error)

// The errors of a node: why a task's context ended.
var (
	errRevoked = errors.New("the assignment is no longer this worker's")
	errDrained = errors.New("the worker drains")
	errClosed  = errors.New("the worker closes")
)

// Periods of the node.
const (
	watchWait     = 30 * time.Second // of a blocking query
	callWait      = 10 * time.Second // of any other call
	defaultLease  = 5 * time.Second
	reportEvery   = 300 * time.Millisecond
	reportWait    = 2 * time.Second
	handBackGrace = time.Second
	firstPause    = 50 * time.Millisecond
	longestPause  = 2 * time.Second
)

// check reports every fault of a configuration.
func (c *Config) check() error {
	var errs []error
	need := func(ok bool, what string) {
		if !ok {
			errs = append(errs, fmt.Errorf("worker: %s is missing", what))
		}
	}
	need(c.ID != "", "id")
	need(c.DataDir != "", "data folder")
	need(c.API != nil && c.Blobs != nil, "coordinator")
	need(c.Listener != nil && c.Dial != nil, "member listener or dialer")
	need(c.Logger != nil, "logger")
	if _, err := kernelPath(c.Kernels); err != nil {
		errs = append(errs, fmt.Errorf("worker: %w", err))
	}
	if err := stage.CheckExec(c.Exec); err != nil {
		errs = append(errs, fmt.Errorf("worker: %w", err))
	}
	return errors.Join(errs...)
}

func (c *Config) fill() {
	if c.Addr == "" {
		c.Addr = c.Listener.Addr().String()
	}
	have := device.Inventory()
	if c.Resources.Cores <= 0 {
		c.Resources.Cores = have.Cores
	}
	if c.Resources.MemoryMB <= 0 {
		c.Resources.MemoryMB = have.MemoryMB
	}
}

func (c *Config) cacheDir() string { return filepath.Join(c.DataDir, "cache") }

// kernelPath resolves auto.
func kernelPath(name string) (cpu.Path, error) {
	if name == "" || name == "auto" {
		return cpu.Best(), nil
	}
	for _, p := range []cpu.Path{cpu.AVX512, cpu.AVX2, cpu.Portable} {
		if name == string(p) {
			return p, nil
		}
	}
	return "", fmt.Errorf("kernels %q: not auto, avx512, avx2 or portable", name)
}

// final reports whether the coordinator has answered for good.
func final(err error) bool {
	e, ok := errors.AsType[*wire.Error](err)
	return ok && e.Code != wire.CodeNoLeader && e.Code != wire.CodeInternal
}

// unknown reports whether the coordinator does not know the session (any more).
func unknown(err error) bool {
	e, ok := errors.AsType[*wire.Error](err)
	return ok && (e.Code == wire.CodeNotFound || e.Code == wire.CodeConflict)
}

// backoff is a pause that doubles.
type backoff struct{ next time.Duration }

// wait pauses; false when ctx ended.
func (b *backoff) wait(ctx context.Context) bool {
	b.next = min(max(2*b.next, firstPause), longestPause)
	return pause(ctx, b.next)
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
