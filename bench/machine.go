package bench

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"cohort/kernels/cpu"
)

// Machine is what a result was measured on.
type Machine struct {
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"` // that this process may use
	Memory  string `json:"memory"`
	Go      string `json:"go"`
	Kernels string `json:"kernels"` // the fastest path
}

// Describe looks at this machine. What the system does not tell is empty.
func Describe() Machine {
	return Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: procField("/proc/cpuinfo", "model name"),
		Cores: runtime.GOMAXPROCS(0), Memory: procField("/proc/meminfo", "MemTotal"),
		Go: runtime.Version(), Kernels: string(cpu.Best()),
	}
}

// header is the configuration lines of Go's benchmark format.
func (m Machine) header() string {
	return fmt.Sprintf("goos: %s\ngoarch: %s\ncpu: %s\ncores: %d\nmemory: %s\ngo: %s\nkernels: %s\n",
		m.OS, m.Arch, m.CPU, m.Cores, m.Memory, m.Go, m.Kernels)
}

func procField(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close() //nolint:errcheck // read only
	for s := bufio.NewScanner(f); s.Scan(); {
		if key, value, ok := strings.Cut(s.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// bandwidth is the bytes a second, read and written, that threads copy from
// memory to memory.
type bandwidth struct{ from, to [][]byte }

const copied = 64 << 20 // bytes a thread, beyond any cache

func newBandwidth(threads int) *bandwidth {
	b := &bandwidth{}
	for range threads {
		from := make([]byte, copied)
		for k := range from { // untouched memory is one page of zeros
			from[k] = byte(k)
		}
		b.from, b.to = append(b.from, from), append(b.to, make([]byte, copied))
	}
	return b
}

func (b *bandwidth) measure() float64 {
	start := time.Now()
	var wait sync.WaitGroup
	for k := range b.from {
		wait.Go(func() { copy(b.to[k], b.from[k]) })
	}
	wait.Wait()
	return float64(2*copied*len(b.from)) / time.Since(start).Seconds()
}
