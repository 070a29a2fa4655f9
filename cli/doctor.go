package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sys/unix"

	"cohort/cli/local"
	"cohort/kernels/cpu"
	"cohort/worker/device"
)

// A finding is one thing that doctor looked at.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok | warn | bad
	Detail string `json:"detail"`
}

func (p *program) doctorCommand() *cli.Command {
	flags := clientFlags(&cli.StringFlag{Name: "data-dir", Value: os.TempDir(), Usage: "`FOLDER` that a node would use"})
	c := p.command("doctor", "", "check this machine and the way to the cluster", flags, p.doctor)
	c.Description = "Exit code: 0 fine, 1 this machine lacks something, 7 the cluster that --addr names can't be reached."
	return c
}

func (p *program) doctor(c *cli.Context) error {
	list := append([]finding{checkCPU(), checkMemory()}, checkFolder(c.String("data-dir")), checkLoopback(c.Context))
	cluster, err := p.checkCluster(c)
	if err != nil {
		return err
	}
	list = append(list, cluster)
	err = printList(p, list, func(f finding) string { return f.Check + " " + f.Status },
		"CHECK | STATUS | DETAIL", func(f finding) []string { return []string{f.Check, f.Status, oneLine(f.Detail)} })
	if err != nil {
		return err
	}
	for _, f := range list {
		switch {
		case f.Status == "bad" && f.Check == "cluster":
			return &exitError{code: exitUnavailable, text: f.Detail}
		case f.Status == "bad":
			return &exitError{code: exitFailed, text: f.Check + ": " + f.Detail}
		}
	}
	return nil
}

func checkCPU() finding {
	f := finding{Check: "cpu", Status: "ok"}
	f.Detail = fmt.Sprintf("%s, %d cores, kernels %s", runtime.GOARCH, runtime.NumCPU(), cpu.Best())
	if cpu.Best() == cpu.Portable {
		f.Status = "warn"
		f.Detail += ": right, but slow; use an amd64 machine with AVX2 for real jobs"
	}
	return f
}

func checkMemory() finding {
	const least = 1024 // MB, for assist2009 with room to spare
	f := finding{Check: "memory", Status: "ok", Detail: sized(device.Inventory().MemoryMB << 20)}
	if device.Inventory().MemoryMB < least {
		f.Status, f.Detail = "warn", f.Detail+": an import holds its events in memory"
	}
	return f
}

// checkFolder writes and syncs a small file, as a node will.
func checkFolder(dir string) finding {
	bad := func(err error) finding { return finding{"data folder", "bad", err.Error()} }
	existing := dir
	for {
		if _, err := os.Stat(existing); err == nil || existing == filepath.Dir(existing) {
			break
		}
		existing = filepath.Dir(existing)
	}
	file, err := os.CreateTemp(existing, ".cohort-doctor-")
	if err != nil {
		return bad(err)
	}
	_, err = file.WriteString("doctor")
	err = errors.Join(err, file.Sync(), file.Close(), os.Remove(file.Name()))
	if err != nil {
		return bad(err)
	}
	var s unix.Statfs_t
	if err := unix.Statfs(existing, &s); err != nil {
		return bad(err)
	}
	free := int64(s.Bavail) * s.Bsize
	f := finding{"data folder", "ok", fmt.Sprintf("%s is writable, %s free", dir, sized(free))}
	if free < 1<<30 {
		f.Status = "warn"
	}
	return f
}

func checkLoopback(ctx context.Context) finding {
	l, err := local.Listen(ctx, "http", "127.0.0.1:0", false)
	if err != nil {
		return finding{"loopback", "bad", err.Error()}
	}
	if err := l.Close(); err != nil {
		return finding{"loopback", "bad", err.Error()}
	}
	return finding{"loopback", "ok", "127.0.0.1 can be listened on"}
}

// checkCluster is bad only where a cluster was named.
func (p *program) checkCluster(c *cli.Context) (finding, error) {
	f := finding{Check: "cluster"}
	api, err := p.client(c)
	if err != nil {
		return f, err
	}
	ctx, cancel := context.WithTimeout(c.Context, 3*time.Second)
	defer cancel()
	s, err := api.Status(ctx)
	if err == nil {
		nodes, err := api.Nodes(ctx)
		if err == nil {
			f.Status, f.Detail = "ok", fmt.Sprintf("%s: leader %s, %d workers, version %s", c.String("addr"), either(s.Leader), len(nodes), s.Version)
			return f, nil
		}
	}
	f.Status, f.Detail = "bad", fmt.Sprintf("%s: %v", c.String("addr"), err)
	if !c.IsSet("addr") {
		f.Status, f.Detail = "ok", "none at "+strings.TrimPrefix(c.String("addr"), "http://")+"; \"cohort dev\" starts one"
	}
	return f, nil
}
