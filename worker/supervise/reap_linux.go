package supervise

import (
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// A reaper waits for every child of the process, also those that it inherits.
type reaper struct {
	main   chan struct{} // closed when the command has ended
	all    chan struct{} // closed when no child is left
	status unix.WaitStatus
	peak   atomic.Int64 // bytes, the most that any one process had resident
}

func newReaper(pid int) *reaper {
	r := &reaper{main: make(chan struct{}), all: make(chan struct{})}
	go r.reap(pid)
	return r
}

func (r *reaper) reap(pid int) {
	defer close(r.all)
	for {
		var status unix.WaitStatus
		var used unix.Rusage
		got, err := unix.Wait4(-1, &status, 0, &used)
		switch {
		case err == unix.EINTR: //nolint:errorlint // an errno as it comes
			continue
		case err != nil: // no child is left
			return
		}
		r.peak.Store(max(r.peak.Load(), used.Maxrss<<10))
		if got == pid {
			r.status = status
			close(r.main)
		}
	}
}

// ended reports whether the command has, and so whether status may be read.
func (r *reaper) ended() bool {
	select {
	case <-r.main:
		return true
	default:
		return false
	}
}

// ownPeak is what a child had resident, by the kernel's account, before it became
// another program: what this process had. Getrusage would tell of what the worker
// had, which this process was before it became the supervisor.
func ownPeak() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	return sizeIn(text, "VmHWM:")
}

func signalTree(signal unix.Signal) {
	for _, pid := range descendants(os.Getpid()) {
		_ = unix.Kill(pid, signal) // it may be gone by now
	}
}

// killTree ends everything below the process, and answers how many processes
// that were, and how many are left after a while. They are stopped first, so
// that none starts another while it is looked for.
func killTree(all <-chan struct{}) (found, left int) {
	deadline := time.Now().Add(killWait)
	for seen := map[int]bool{}; ; {
		for round, grown := 0, true; grown && round < 1000; round++ {
			grown = false
			for _, pid := range descendants(os.Getpid()) {
				if !seen[pid] {
					seen[pid], grown = true, true
					_ = unix.Kill(pid, unix.SIGSTOP) // it may be gone by now
				}
			}
		}
		for pid := range seen {
			_ = unix.Kill(pid, unix.SIGKILL) // likewise
		}
		select {
		case <-all:
			return len(seen), 0
		case <-time.After(killAgain):
		}
		if time.Now().After(deadline) {
			return len(seen), len(descendants(os.Getpid()))
		}
	}
}
