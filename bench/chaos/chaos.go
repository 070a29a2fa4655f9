// Package chaos starts the real binary as real processes on loopback, kills
// them, and holds what the cluster says afterwards against what it
// acknowledged before.
package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Cluster is one coordinator and its workers, each a process with a
// configuration file and a data folder below Dir.
type Cluster struct {
	Binary string // path of the cohort binary
	Dir    string
	HTTP   string // the coordinator's address
	nodes  map[string]*process
	mu     sync.Mutex
}

// A process is one node: how to start it, and the child that runs.
type process struct {
	args []string
	cmd  *exec.Cmd
	done chan struct{}
	out  *os.File
}

// Configure writes the configuration files of a coordinator and of workers
// w1 … wN, each with one core, and starts nothing.
func Configure(binary, dir string, workers int) (*Cluster, error) {
	ports, err := FreePorts(4)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Binary: binary, Dir: dir, HTTP: ports[0], nodes: map[string]*process{}}
	coordinator := fmt.Sprintf("id: c1\ndata_dir: %s\nhttp: %s\nraft: %s\ngossip: %s\nstream: %s\n",
		filepath.Join(dir, "c1"), ports[0], ports[1], ports[2], ports[3])
	if err := c.configure("c1", "coordinator", coordinator); err != nil {
		return nil, err
	}
	for k := range workers {
		id := fmt.Sprintf("w%d", k+1)
		text := fmt.Sprintf("id: %s\ndata_dir: %s\ncoordinators: [%s]\nlisten: 127.0.0.1:0\ncores: 1\n",
			id, filepath.Join(dir, id), ports[0])
		if err := c.configure(id, "worker", text); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *Cluster) configure(id, role, text string) error {
	path := filepath.Join(c.Dir, id+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	c.nodes[id] = &process{args: []string{role, "--config", path}}
	return nil
}

// A test's ports lie below those that the kernel hands to others' connections
// (Linux: 32768 on): what is free when it is found is free when it is used.
const (
	firstPort = 20000
	lastPort  = 32000
	apart     = 8 // test binaries that run side by side draw from other ports, mostly
)

var handed sync.Map //nolint:gochecknoglobals // ports that this process gave away

// FreePorts finds n loopback addresses that nobody uses, over TCP and UDP, and
// that it gave to nobody before.
func FreePorts(n int) ([]string, error) {
	var found []string
	for tries := 0; len(found) < n; tries++ {
		if tries == 1000 {
			return nil, errors.New("find a free port: none")
		}
		port := firstPort + rand.IntN((lastPort-firstPort)/apart)*apart + os.Getpid()%apart
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		if _, twice := handed.LoadOrStore(port, true); twice || !free(addr) {
			continue
		}
		found = append(found, addr)
	}
	return found, nil
}

func free(addr string) bool {
	ctx := context.Background()
	t, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	u, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", addr)
	if err != nil {
		_ = t.Close()
		return false
	}
	return errors.Join(t.Close(), u.Close()) == nil
}

// Start runs the nodes named; output goes to ID.log beside the configuration.
func (c *Cluster) Start(ids ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range ids {
		p := c.nodes[id]
		out, err := os.OpenFile(filepath.Join(c.Dir, id+".log"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("start %s: %w", id, err)
		}
		cmd := exec.Command(c.Binary, p.args...) //nolint:noctx // outlives any one call; Kill and Close end it
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			return errors.Join(fmt.Errorf("start %s: %w", id, err), out.Close())
		}
		p.cmd, p.out, p.done = cmd, out, make(chan struct{})
		go func() {
			defer close(p.done)
			_ = cmd.Wait() // a killed child's status says nothing new
		}()
	}
	return nil
}

// Signal sends a signal to a node's process; after SIGKILL it waits for the end.
func (c *Cluster) Signal(id string, sig syscall.Signal) error {
	c.mu.Lock()
	p := c.nodes[id]
	c.mu.Unlock()
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", id, err)
	}
	if sig == syscall.SIGKILL {
		<-p.done
		return p.out.Close()
	}
	return nil
}

// Terminate ends a node in order and waits for its end.
func (c *Cluster) Terminate(id string) error {
	if err := c.Signal(id, syscall.SIGTERM); err != nil {
		return err
	}
	c.mu.Lock()
	p := c.nodes[id]
	c.mu.Unlock()
	<-p.done
	return p.out.Close()
}

// Close kills whatever runs.
func (c *Cluster) Close() {
	for id, p := range c.nodes {
		if p.cmd == nil {
			continue
		}
		select {
		case <-p.done:
		default:
			_ = c.Signal(id, syscall.SIGKILL) // it may have ended meanwhile
		}
	}
}

// Job is what the scenarios read of `job status -o json`.
type Job struct {
	ID     string `json:"id"`
	Status string `json:"status"`
	Reason string `json:"reason"`
	Epoch  int    `json:"epoch"`
	Result struct {
		Hash string `json:"weights_sha256"`
	} `json:"result"`
}

// Command runs a client command against the cluster and returns its standard output.
func (c *Cluster) Command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.Binary, append(args, "--addr", "http://"+c.HTTP)...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("cohort %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(talk.String()))
	}
	return out.String(), nil
}

// Submit starts a job and leaves it running; it returns the job's id.
func (c *Cluster) Submit(ctx context.Context, file string) (string, error) {
	out, err := c.Command(ctx, "job", "run", "-detach", "-o", "json", file)
	if err != nil {
		return "", err
	}
	job, err := last(out)
	return job.ID, err
}

// Status reads a job.
func (c *Cluster) Status(ctx context.Context, id string) (Job, error) {
	out, err := c.Command(ctx, "job", "status", id, "-o", "json")
	if err != nil {
		return Job{}, err
	}
	var job Job
	if err := json.Unmarshal([]byte(out), &job); err != nil {
		return Job{}, fmt.Errorf("status of %s: %w", id, err)
	}
	return job, nil
}

// Await polls the job until done says so, the job ends, or ctx does. Errors
// of single reads are part of the chaos; the last one is told at the end.
func (c *Cluster) Await(ctx context.Context, id string, done func(Job) bool) (Job, error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		job, err := c.Status(ctx, id)
		if err == nil && (done(job) || job.Status == "done" || job.Status == "failed" || job.Status == "stopped") {
			return job, nil
		}
		select {
		case <-ctx.Done():
			return job, fmt.Errorf("job %s stayed %s (%s): %w", id, job.Status, job.Reason, errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// last decodes the last line of out.
func last(out string) (Job, error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	var job Job
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &job); err != nil {
		return job, fmt.Errorf("last line %q: %w", lines[len(lines)-1], err)
	}
	return job, nil
}

// Logs copies every node's output to w, for a failed scenario.
func (c *Cluster) Logs(w io.Writer) {
	for id := range c.nodes {
		text, err := os.ReadFile(filepath.Join(c.Dir, id+".log"))
		if err == nil {
			_, _ = fmt.Fprintf(w, "--- %s\n%s\n", id, text) // a help in failure only
		}
	}
}
