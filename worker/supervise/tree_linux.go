package supervise

import (
	"bytes"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// processes are the numbers of all processes that can be seen.
func processes() []int {
	d, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer d.Close() //nolint:errcheck // read only
	names, _ := d.Readdirnames(-1)
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// descendants are the processes below root that have not ended.
func descendants(root int) []int {
	below := map[int][]int{}
	ended := map[int]bool{}
	for _, pid := range processes() {
		parent, zombie := parentOf(pid)
		below[parent] = append(below[parent], pid)
		ended[pid] = zombie
	}
	var found []int
	for queue := below[root]; len(queue) > 0; queue = queue[1:] {
		if !ended[queue[0]] {
			found = append(found, queue[0])
		}
		queue = append(queue, below[queue[0]]...)
	}
	return found
}

// parentOf reads "PID (NAME) STATE PARENT …"; a name may hold anything.
func parentOf(pid int) (parent int, zombie bool) {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	f := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(f) < 2 {
		return -1, true // it is gone
	}
	parent, _ = strconv.Atoi(f[1])
	return parent, f[0] == "Z" || f[0] == "X"
}

// held reports whether processes hold more than limit bytes together. What is
// resident counts pages that are shared several times; only if that is too much
// are they counted in parts.
func held(pids []int, limit int64) bool {
	resident, shared := int64(0), int64(0)
	for _, pid := range pids {
		resident += residentOf(pid)
	}
	if resident <= limit {
		return false
	}
	for _, pid := range pids {
		shared += shareOf(pid)
	}
	return shared > limit
}

func residentOf(pid int) int64 {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	f := strings.Fields(string(text))
	if len(f) < 2 {
		return 0 // it is gone
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// shareOf is what a process holds, a page of n processes counted as its n-th part.
func shareOf(pid int) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/smaps_rollup")
	if err != nil {
		return residentOf(pid) // an old kernel
	}
	return sizeIn(text, "Pss:")
}

// sizeIn is a size that a file of /proc tells in kB, bytes; 0 where it does not.
func sizeIn(text []byte, name string) int64 {
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == name {
			kilobytes, _ := strconv.ParseInt(f[1], 10, 64)
			return kilobytes << 10
		}
	}
	return 0
}

// sweeps bounds how often Sweep looks again.
const sweeps = 100

// Sweep kills the processes that carry the mark of a command in dir, or in a
// folder below it: a worker starts so, after one that was killed.
func Sweep(dir string) {
	for range sweeps {
		found := 0
		for _, pid := range processes() {
			if pid != os.Getpid() && marked(pid, dir) && unix.Kill(pid, unix.SIGKILL) == nil {
				found++
			}
		}
		if found == 0 {
			return
		}
	}
}

// marked looks at the environment that a process began with.
func marked(pid int, dir string) bool {
	text, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	for v := range bytes.SplitSeq(text, []byte{0}) {
		if at, ok := bytes.CutPrefix(v, []byte(Mark+"=")); ok {
			return string(at) == dir || bytes.HasPrefix(at, []byte(dir+"/"))
		}
	}
	return false
}
