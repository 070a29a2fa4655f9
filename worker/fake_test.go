package worker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/worker/supervise"
)

func TestMain(m *testing.M) {
	if supervise.Asked(os.Args) {
		// os.Exit would have a test binary write of its coverage into the command's output.
		syscall.Exit(supervise.Main(context.Background()))
	}
	goleak.VerifyTestMain(m)
}

// cluster is a coordinator in memory: it holds assignments, answers blocking
// queries and notes what workers report.
type cluster struct {
	mu          sync.Mutex
	changed     chan struct{}
	index       uint64
	down        bool
	lease       time.Duration
	stream      string // address that workers are told
	sessions    []string
	nodes       []wire.Node
	assignments map[string]wire.Assignment
	views       []wire.TasksReply // answered before the real ones
	lost        []wire.TokenOf
	gone        bool
	refuse      *wire.Error // of results
	renewed     map[wire.TokenOf]time.Time
	results     []wire.TaskResult
	checkpoints []wire.PutCheckpoint
	readies     []wire.TaskReady
	lines       []string
	last        wire.Progress
	drained     int
	faults      []string
	versions    []wire.ModelVersion
	promotions  []wire.Promote
	promoted    wire.Outcome // of the next promotions
}

var errDown = errors.New("connection refused")

func newCluster() *cluster {
	return &cluster{
		changed: make(chan struct{}), index: 10, lease: 5 * time.Second,
		assignments: map[string]wire.Assignment{}, renewed: map[wire.TokenOf]time.Time{},
	}
}

// do changes the cluster and wakes who waits.
func (c *cluster) do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	c.index++
	close(c.changed)
	c.changed = make(chan struct{})
}

// assign places a task under a new token.
func (c *cluster) assign(id string, kind wire.StageKind, run wire.RunKind, settings string) (token uint64) {
	return c.place(id, wire.Stage{Job: "job", Name: "stage", Kind: kind, Run: run, Settings: []byte(settings)})
}

// assignWith places a batch task with inputs.
func (c *cluster) assignWith(id string, kind wire.StageKind, settings string, inputs map[string]string) {
	c.place(id, wire.Stage{Job: "job", Name: "stage", Kind: kind, Run: wire.Batch, Settings: []byte(settings), Inputs: inputs})
}

func (c *cluster) place(id string, s wire.Stage) (token uint64) {
	c.do(func() {
		token = c.index + 1
		c.assignments[id] = wire.Assignment{
			Task:  wire.Task{ID: id, Status: wire.Running, Token: token, Attempt: 1, Granted: wire.Resources{Cores: 1}},
			Stage: s,
		}
	})
	return token
}

func (c *cluster) check(ctx context.Context) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if c.down {
		return errDown
	}
	return nil
}

func (c *cluster) Register(ctx context.Context, n wire.Node) (wire.RegisterReply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return wire.RegisterReply{}, err
	}
	c.gone = false
	c.sessions = append(c.sessions, n.Session)
	c.nodes = append(c.nodes, n)
	return wire.RegisterReply{Index: c.index, Stream: c.stream, LeaseMS: c.lease.Milliseconds()}, nil
}

func (c *cluster) Tasks(ctx context.Context, _, session string, index uint64, wait time.Duration) (wire.TasksReply, error) {
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		c.mu.Lock()
		if err := c.check(ctx); err != nil {
			c.mu.Unlock()
			return wire.TasksReply{}, err
		}
		if session != c.sessions[len(c.sessions)-1] {
			c.mu.Unlock()
			return wire.TasksReply{}, &wire.Error{Code: wire.CodeConflict, Message: "old session"}
		}
		if len(c.views) > 0 {
			v := c.views[0]
			c.views = c.views[1:]
			c.mu.Unlock()
			return v, nil
		}
		reply := wire.TasksReply{Index: c.index}
		for _, a := range c.assignments {
			reply.Assignments = append(reply.Assignments, a)
		}
		changed := c.changed
		c.mu.Unlock()
		if reply.Index > index {
			return reply, nil
		}
		select {
		case <-changed:
		case <-deadline.C:
			return reply, nil
		case <-ctx.Done():
		}
	}
}

func (c *cluster) Renew(ctx context.Context, _ string, r wire.RenewRequest) (wire.RenewReply, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return wire.RenewReply{}, err
	}
	reply := wire.RenewReply{Gone: c.gone || r.Session != c.sessions[len(c.sessions)-1]}
	for _, t := range r.Tasks {
		if a, ok := c.assignments[t.Task]; !ok || a.Task.Token != t.Token {
			reply.Lost = append(reply.Lost, t)
		} else {
			c.renewed[t] = time.Now()
		}
	}
	reply.Lost = append(reply.Lost, c.lost...)
	return reply, nil
}

// effect notes a fault when a task acts without a live lease.
func (c *cluster) effect(what string, of wire.TokenOf) {
	if at, ok := c.renewed[of]; !ok || time.Since(at) > c.lease {
		c.faults = append(c.faults, fmt.Sprintf("%s of %v without a lease", what, of))
	}
}

func (c *cluster) Result(ctx context.Context, r wire.TaskResult) (wire.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return wire.Outcome{}, err
	}
	c.effect("result", wire.TokenOf{Task: r.Task, Token: r.Token})
	c.results = append(c.results, r)
	if c.refuse != nil {
		return wire.Outcome{Code: c.refuse.Code, Error: c.refuse.Message}, nil
	}
	if c.assignments[r.Task].Task.Token == r.Token {
		delete(c.assignments, r.Task)
		c.index++
		close(c.changed)
		c.changed = make(chan struct{})
	}
	return wire.Outcome{Index: c.index}, nil
}

func (c *cluster) PutPlan(_ context.Context, q wire.PutPlan) (wire.Outcome, error) {
	return wire.Outcome{ID: q.Plan}, nil
}

func (c *cluster) Model(_ context.Context, name string, _ uint64, _ time.Duration) (wire.ModelView, uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.versions) == 0 {
		return wire.ModelView{}, 0, &wire.Error{Code: wire.CodeNotFound, Message: "no model " + name}
	}
	return wire.ModelView{List: c.versions}, c.index, nil
}

func (c *cluster) Promote(ctx context.Context, p wire.Promote) (wire.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return wire.Outcome{}, err
	}
	c.promotions = append(c.promotions, p)
	return c.promoted, nil
}

func (c *cluster) StartDeployment(_ context.Context, model string, q wire.DeployRequest) (wire.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.promotions = append(c.promotions, wire.Promote{Model: model, Version: q.Version}) // of no stage: a deployment
	return c.promoted, nil
}

func (c *cluster) SealAttempts(_ context.Context, _ uint64) ([]wire.AttemptSegment, error) {
	return nil, nil
}

func (c *cluster) Checkpoint(ctx context.Context, p wire.PutCheckpoint) (wire.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return wire.Outcome{}, err
	}
	c.effect("checkpoint", wire.TokenOf{Task: p.Task, Token: p.Token})
	if c.assignments[p.Task].Task.Token != p.Token {
		return wire.Outcome{Code: wire.CodeConflict, Error: "old token"}, nil
	}
	c.checkpoints = append(c.checkpoints, p)
	return wire.Outcome{Index: c.index}, nil
}

func (c *cluster) Progress(ctx context.Context, p wire.Progress) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return err
	}
	c.lines = append(c.lines, p.Lines...)
	c.last = p
	return nil
}

func (c *cluster) Ready(ctx context.Context, q wire.TaskReady) (wire.Outcome, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return wire.Outcome{}, err
	}
	c.effect("readiness", wire.TokenOf{Task: q.Task, Token: q.Token})
	if c.assignments[q.Task].Task.Token != q.Token {
		return wire.Outcome{Code: wire.CodeConflict, Error: "old token"}, nil
	}
	c.readies = append(c.readies, q)
	return wire.Outcome{Index: c.index}, nil
}

func (c *cluster) Drain(ctx context.Context, _ string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.check(ctx); err != nil {
		return err
	}
	c.drained++
	return nil
}

// until polls, in simulated or real time, for what must come true.
func (c *cluster) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(100 * time.Second); ; pass(5 * time.Millisecond) {
		c.mu.Lock()
		yes := ok()
		c.mu.Unlock()
		if yes {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s; %+v", what, c)
		}
	}
}

// memory is a blob store that can be out of reach.
type memory struct {
	mu    sync.Mutex
	blobs map[string][]byte
	fail  []error // of the next calls
	torn  int     // reads that break after a byte
}

func (m *memory) next() error {
	if len(m.fail) == 0 {
		return nil
	}
	err := m.fail[0]
	m.fail = m.fail[1:]
	return err
}

func (m *memory) Put(_ context.Context, r io.Reader) (string, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, err := io.ReadAll(r)
	if err := errors.Join(err, m.next()); err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(b)
	hash := hex.EncodeToString(sum[:])
	if m.blobs == nil {
		m.blobs = map[string][]byte{}
	}
	m.blobs[hash] = b
	return hash, int64(len(b)), nil
}

func (m *memory) Get(_ context.Context, hash string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.next(); err != nil {
		return nil, err
	}
	b, ok := m.blobs[hash]
	if !ok {
		return nil, lake.ErrNotFound
	}
	if m.torn > 0 {
		m.torn--
		return io.NopCloser(io.MultiReader(bytes.NewReader(b[:len(b)/2]), broken{})), nil
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func (m *memory) Has(_ context.Context, hash string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.blobs[hash]
	return ok, m.next()
}

// quiet is a listener that nobody calls.
type quiet struct {
	done chan struct{}
	once sync.Once
}

func newQuiet() *quiet                     { return &quiet{done: make(chan struct{})} }
func (q *quiet) Accept() (net.Conn, error) { <-q.done; return nil, net.ErrClosed }
func (q *quiet) Close() error              { q.once.Do(func() { close(q.done) }); return nil }

func (q *quiet) Addr() net.Addr                        { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (q *quiet) String() string                        { return "quiet" }
func noDial(context.Context, string) (net.Conn, error) { return nil, errDown }

func config(t *testing.T, c *cluster) Config {
	return Config{
		ID: "w1", DataDir: t.TempDir(), API: c, Blobs: &memory{}, Listener: newQuiet(), Dial: noDial,
		Resources: wire.Resources{Cores: 2, MemoryMB: 100}, Kernels: "portable", Version: "test",
		Logger: slog.New(slog.DiscardHandler),
	}
}

// begin starts a node whose end the test awaits.
func begin(t *testing.T, c *cluster) *Node {
	t.Helper()
	n, err := Start(context.Background(), config(t, c))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// end closes a node and looks for effects without a lease.
func end(t *testing.T, c *cluster, n *Node) {
	t.Helper()
	if err := n.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.faults {
		t.Error(f)
	}
}

// pass lets time go by: simulated time, or the pause of a poll.
func pass(d time.Duration) { <-time.After(d) }
