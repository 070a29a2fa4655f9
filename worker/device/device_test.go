package device

import (
	"runtime"
	"testing"
	"testing/fstest"
)

func TestMemoryIsTheSmallestLimit(t *testing.T) {
	t.Parallel()
	info := "MemFree: 1 kB\nMemTotal:  2048 kB\n"
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"nothing":     {nil, 0},
		"machine":     {map[string]string{"proc/meminfo": info}, 2 << 20},
		"garbled":     {map[string]string{"proc/meminfo": "MemTotal: x kB\n", "proc/self/cgroup": "nonsense\n"}, 0},
		"group_only":  {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "77\n"}, 77},
		"group_max":   {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, 2 << 20},
		"group_above": {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n", "sys/fs/cgroup/a/memory.max": "1048576\n"}, 1 << 20},
		"group_v1":    {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "3:cpu:/x\n5:memory:/d\n", "sys/fs/cgroup/memory/d/memory.limit_in_bytes": "4096\n"}, 4096},
		"group_huge":  {map[string]string{"proc/meminfo": info, "proc/self/cgroup": "5:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, 2 << 20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := fstest.MapFS{}
			for path, text := range c.files {
				root[path] = &fstest.MapFile{Data: []byte(text)}
			}
			if got := memory(root); got != c.want {
				t.Errorf("memory = %d, want %d", got, c.want)
			}
		})
	}
}

func TestInventoryCountsWhatTheProcessMayUse(t *testing.T) {
	old := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(old)
	if r := Inventory(); r.Cores != 1 || runtime.GOOS == "linux" && r.MemoryMB <= 0 {
		t.Errorf("Inventory() = %+v with GOMAXPROCS 1", r)
	}
}
