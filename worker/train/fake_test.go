package train

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/worker/collective"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a blob store.
type memory struct {
	mu    sync.Mutex
	blobs map[string][]byte
}

func (m *memory) Put(_ context.Context, r io.Reader) (string, int64, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", 0, err
	}
	sum := sha256.Sum256(b)
	hash := hex.EncodeToString(sum[:])
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.blobs == nil {
		m.blobs = map[string][]byte{}
	}
	m.blobs[hash] = b
	return hash, int64(len(b)), nil
}

func (m *memory) Get(_ context.Context, hash string) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[hash]
	if !ok {
		return nil, lake.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}

func (m *memory) Has(_ context.Context, hash string) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, ok := m.blobs[hash]
	return ok, nil
}

// school are the histories of simulated students: each has an ability, and the
// odd skills are easier.
type school struct {
	skills    int
	histories []dataplane.History
	inputs    *dataplane.Inputs
	backwards bool // skills are named from the other end
	strange   bool // skills have names that nobody knows
}

// taught gives the answers levels and paces, which say a little of what follows.
func (s *school) taught() *school {
	s.inputs = &dataplane.Inputs{Names: []string{"difficulty", "elapsed"}, Levels: []float64{0, 1}, Paces: []int32{1000}}
	for k := range s.histories {
		h := &s.histories[k]
		for t, right := range h.Correct {
			h.Level, h.Pace = append(h.Level, uint8((k+t+int(right))%3)), append(h.Pace, uint8((7*k+t)%3))
		}
	}
	return s
}

func newSchool(students int) *school {
	const skills = 5
	r := rand.New(rand.NewPCG(1, 2))
	s := &school{skills: skills}
	for k := range students {
		h := dataplane.History{Student: fmt.Sprintf("%032x", k)}
		able := r.Float64()
		for range 3 + r.IntN(30) {
			skill := r.IntN(skills)
			right := uint8(0)
			if r.Float64() < 0.2+0.5*able+0.2*float64(skill%2) {
				right = 1
			}
			h.Skill, h.Correct = append(h.Skill, int32(skill)), append(h.Correct, right)
		}
		s.histories = append(s.histories, h)
	}
	return s
}

func (s *school) Histories(context.Context, string) (*lake.ShardSet, []dataplane.History, error) {
	if s == nil {
		return nil, nil, errors.New("no shards")
	}
	set := &lake.ShardSet{Inputs: s.inputs}
	for k := range s.skills {
		set.Skills = append(set.Skills, fmt.Sprint("skill", k))
		if s.strange {
			set.Skills[k] = "strange " + set.Skills[k]
		}
	}
	if s.backwards {
		slices.Reverse(set.Skills)
	}
	return set, s.histories, nil
}

// defaults are settings of a small job.
func defaults() wire.TrainSettings {
	return wire.TrainSettings{
		Window: 20, Split: wire.Split{Test: 0.2, Valid: 0.2, Seed: 1},
		Model: wire.ModelSpec{Cell: "lstm", Embed: 8, Hidden: 8, Layers: 1, Dropout: 0.1},
		Train: wire.TrainSpec{
			Workers: 1, Batch: 16, Accumulate: 1, Epochs: 3, Optimizer: "adam", LR: 0.01, Schedule: "constant",
			Seed: 42, Precision: "fp32", Kernels: "portable",
		},
	}
}

// round is a gang of in-process members.
type round struct {
	t      *testing.T
	blobs  *memory
	school *school
	wire   wire.Round
	hubs   []*collective.Hub

	mu          sync.Mutex
	checkpoints []wire.Checkpoint
	progress    []wire.Progress
	onSave      func(wire.Checkpoint) // called with each checkpoint
	refuse      error                 // of checkpoints
}

func newRound(t *testing.T, members int, s *school) *round {
	r := &round{t: t, blobs: &memory{}, school: s, wire: wire.Round{Job: "job", Stage: "train", Number: 7}}
	for k := range members {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.hubs = append(r.hubs, collective.NewHub(l, 0, slog.New(slog.DiscardHandler)))
		r.wire.Members = append(r.wire.Members, wire.Member{Task: fmt.Sprint("job/train/", k), Addr: l.Addr().String()})
	}
	t.Cleanup(func() {
		for _, h := range r.hubs {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return r
}

func (r *round) env(rank int) Env {
	return Env{
		Blobs: r.blobs, Shards: r.school, Hub: r.hubs[rank], Kernels: "portable",
		Dial: func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		},
		Progress: func(p wire.Progress) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.progress = append(r.progress, p)
		},
		Checkpoint: func(_ context.Context, c wire.Checkpoint) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			if r.onSave != nil {
				r.onSave(c)
			}
			r.checkpoints = append(r.checkpoints, c)
			return r.refuse
		},
		Logger: slog.New(slog.DiscardHandler),
	}
}

func (r *round) assignment(rank int, s any) wire.Assignment {
	text, err := json.Marshal(s)
	if err != nil {
		r.t.Fatal(err)
	}
	return wire.Assignment{
		Task:  wire.Task{ID: r.wire.Members[rank].Task, Granted: wire.Resources{Cores: 1}},
		Stage: wire.Stage{Job: "job", Name: "train", Kind: wire.StageTrain, Settings: text, Inputs: map[string]string{"shards": "x"}},
		Round: &r.wire,
	}
}

// run trains with all members at the same time.
func (r *round) run(ctx context.Context, s wire.TrainSettings) ([]wire.TaskResult, []error) {
	results, errs := make([]wire.TaskResult, len(r.hubs)), make([]error, len(r.hubs))
	var wg sync.WaitGroup
	for rank := range r.hubs {
		wg.Go(func() { results[rank], errs[rank] = Train(ctx, r.env(rank), r.assignment(rank, s)) })
	}
	wg.Wait()
	return results, errs
}
