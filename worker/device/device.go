// Package device says what a worker's machine can give: cores and memory.
package device

import (
	"bufio"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"cohort/coordinator/wire"
)

// Inventory is what this process may use: the cores of its CPU affinity and
// cgroup quota (the Go runtime counts both into GOMAXPROCS), and the memory of
// the machine or, when smaller, of its cgroup.
func Inventory() wire.Resources {
	return wire.Resources{
		Cores:    min(runtime.NumCPU(), runtime.GOMAXPROCS(0)),
		MemoryMB: memory(os.DirFS("/")) >> 20,
	}
}

// memory is in bytes; 0 when the file system root does not say.
func memory(root fs.FS) int64 {
	least := machineMemory(root)
	for _, limit := range groupLimits(root) {
		if least == 0 || limit < least {
			least = limit
		}
	}
	return least
}

func machineMemory(root fs.FS) int64 {
	for line := range lines(root, "proc/meminfo") {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" && f[2] == "kB" {
			return number(f[1]) << 10
		}
	}
	return 0
}

// groupLimits are the memory limits of this process's cgroup and those above
// it, version 2 and 1. Inside a container the group is often mounted as the
// root, so that is looked at too.
func groupLimits(root fs.FS) []int64 {
	var limits []int64
	look := func(base, group, file string) {
		for dir := path.Clean("/" + group); ; dir = path.Dir(dir) {
			for line := range lines(root, path.Join(base, dir, file)) {
				if n := number(line); n > 0 {
					limits = append(limits, n)
				}
			}
			if dir == "/" {
				return
			}
		}
	}
	for line := range lines(root, "proc/self/cgroup") { // ID:CONTROLLERS:PATH
		f := strings.SplitN(line, ":", 3)
		switch {
		case len(f) != 3:
		case f[1] == "":
			look("sys/fs/cgroup", f[2], "memory.max")
		case f[1] == "memory":
			look("sys/fs/cgroup/memory", f[2], "memory.limit_in_bytes")
		}
	}
	return limits
}

// number is 0 for what is no positive number, such as a limit of "max".
func number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// lines are a file's; none when it cannot be read.
func lines(root fs.FS, name string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		f, err := root.Open(name)
		if err != nil {
			return
		}
		defer f.Close() //nolint:errcheck // read only
		for s := bufio.NewScanner(f); s.Scan(); {
			if !yield(s.Text()) {
				return
			}
		}
	}
}
