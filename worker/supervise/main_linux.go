package supervise

import (
	"context"
	"encoding/gob"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Periods of a supervisor.
const (
	killWait  = 5 * time.Second // for SIGKILL to take effect
	killAgain = 5 * time.Millisecond
	lookEvery = 100 * time.Millisecond // at the memory held
)

// Main is a supervisor: it runs the command that the worker sends, and answers
// the process's exit code. The end of ctx ends the command.
func Main(ctx context.Context) int {
	// The command's parent, by whose death it dies, is this thread; and what it
	// may gain by set-user-ID programs is settled for this thread.
	runtime.LockOSThread()
	unix.CloseOnExec(requestFD)
	unix.CloseOnExec(reportFD)
	request, report := os.NewFile(requestFD, "request"), os.NewFile(reportFD, "report")
	var c Command
	d := gob.NewDecoder(request)
	if err := d.Decode(&c); err != nil {
		return 1 // the worker is gone, or a person typed this
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() {
		_, _ = io.Copy(io.Discard, request) // its end is all that it tells
		end()
	}()
	if err := gob.NewEncoder(report).Encode(supervise(ctx, c)); err != nil {
		return 1
	}
	return 0
}

// supervise starts the command and sees all of it to its end.
func supervise(ctx context.Context, c Command) Outcome {
	if err := harden(); err != nil {
		return Outcome{Exit: -1, Error: err.Error()}
	}
	pid, err := start(c)
	if err != nil {
		return Outcome{Exit: -1, Error: err.Error()}
	}
	bound(pid, c.MemoryMB)
	r := newReaper(pid)
	o := Outcome{Exit: -1}
	attend(ctx, &o, c, r)
	ended := r.ended()
	alive, left := killTree(r.all)
	if ended {
		o.Killed = alive
	}
	o.Stuck = left
	if r.ended() {
		o.Exit, o.Signal = r.status.ExitStatus(), 0
		if r.status.Signaled() {
			o.Signal = int(r.status.Signal())
		}
	}
	if o.Exit != 0 && !o.Stopped && c.MemoryMB > 0 {
		o.Memory = o.Memory || r.peak.Load() > max(megabytes(c.MemoryMB), ownPeak())
	}
	return o
}

// harden makes the process the parent of orphans below it.
func harden() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("become the parent of orphans: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("give up new privileges: %w", err)
	}
	// Nothing else that this process inherited is the command's to use; an old
	// kernel lacks the call, and Go opens its files so anyway.
	_ = unix.CloseRange(reportFD+1, ^uint(0), unix.CLOSE_RANGE_CLOEXEC)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("turn off core dumps: %w", err)
	}
	return nil
}

// start runs the command in a session and group of its own. It dies with the
// supervisor.
func start(c Command) (int, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return 0, err
	}
	defer null.Close() //nolint:errcheck // read only
	return syscall.ForkExec(c.Path, c.Args, &syscall.ProcAttr{
		Dir: c.Dir, Env: append(c.Env, Mark+"="+c.Dir), Files: []uintptr{null.Fd(), 1, 2},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL},
	})
}

// bound makes the command the first that a machine short of memory kills, and
// bounds the data of each of its processes. It may have ended already.
func bound(pid, memoryMB int) {
	_ = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/oom_score_adj", []byte("1000"), 0)
	if memoryMB > 0 {
		most := uint64(2 * megabytes(memoryMB))
		_ = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: most, Max: most}, nil)
	}
}

func megabytes(n int) int64 { return int64(n) << 20 }

// attend waits for the command's end, or for a reason to end it.
func attend(ctx context.Context, o *Outcome, c Command, r *reaper) {
	stop := ctx.Done()
	var kill, look <-chan time.Time
	if c.MemoryMB > 0 {
		look = time.After(lookEvery)
	}
	for {
		select {
		case <-r.main:
			return
		case <-stop:
			stop, o.Stopped = nil, true
			signalTree(unix.SIGTERM)
			kill = time.After(Grace)
		case <-kill:
			return
		case <-look:
			began := time.Now()
			if held(descendants(os.Getpid()), megabytes(c.MemoryMB)) {
				o.Memory = true
				return
			}
			look = time.After(max(lookEvery, 10*time.Since(began)))
		}
	}
}
