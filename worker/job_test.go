package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"
)

// gradebook is an event log of simulated students.
func gradebook() string {
	var b strings.Builder
	b.WriteString("user,skill,correct,time\n")
	r := rand.New(rand.NewPCG(3, 4))
	for student := range 60 {
		able := r.Float64()
		for at := range 3 + r.IntN(20) {
			skill, right := r.IntN(4), 0
			if r.Float64() < 0.1+0.6*able+0.2*float64(skill%2) {
				right = 1
			}
			fmt.Fprintf(&b, "s%d,k%d,%d,%d\n", student, skill, right, at)
		}
	}
	return b.String()
}

// give places a stage's tasks, one on each cluster's node, and answers the
// first one's result.
func give(t *testing.T, clusters []*cluster, nodes []*Node, s wire.Stage, settings any) wire.TaskResult {
	t.Helper()
	text, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	s.Job, s.Name, s.Settings = "job", string(s.Kind), text
	token := uint64(0)
	round := &wire.Round{Job: s.Job, Stage: s.Name}
	for k, c := range clusters {
		token = max(token, c.index+1)
		round.Members = append(round.Members, wire.Member{Task: fmt.Sprintf("job/%s/%d", s.Name, k), Addr: nodes[k].Addr()})
	}
	round.Number = token
	for k, c := range clusters {
		c.do(func() {
			c.index = max(c.index, token)
			c.assignments[round.Members[k].Task] = wire.Assignment{
				Task:  wire.Task{ID: round.Members[k].Task, Status: wire.Running, Token: token, Attempt: 1, Granted: wire.Resources{Cores: 1}},
				Stage: s, Round: round,
			}
		})
	}
	for _, c := range clusters {
		c.until(t, s.Name, func() bool { return len(c.results) > 0 })
		c.do(func() {
			if r := c.results[0]; r.Error != "" {
				t.Fatalf("%s: %s", s.Name, r.Error)
			}
		})
	}
	first := clusters[0].results[0]
	for _, c := range clusters {
		c.do(func() { c.results = nil })
	}
	return first
}

// wholeJob runs a whole job on so many workers, import to test, over TCP.
func wholeJob(t *testing.T, workers int, url string) (weights string, tested wire.TaskResult) {
	t.Helper()
	blobs := lake.NewMemory()
	events, _, err := blobs.Put(t.Context(), strings.NewReader(gradebook()))
	if err != nil {
		t.Fatal(err)
	}
	var clusters []*cluster
	var nodes []*Node
	for k := range workers {
		c := newCluster()
		c.stream = url
		cfg := config(t, c)
		cfg.ID, cfg.Blobs = fmt.Sprint("w", k), blobs
		if cfg.Listener, err = new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		cfg.Dial = func(ctx context.Context, addr string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", addr)
		}
		n, err := Start(context.Background(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer end(t, c, n)
		clusters, nodes = append(clusters, c), append(nodes, n)
	}
	one, first := clusters[:1], nodes[:1]
	r := give(t, one, first, wire.Stage{Kind: wire.StageImport, Inputs: map[string]string{"events": events}}, wire.ImportSettings{
		File: "grades.csv", Columns: wire.Columns{Student: "user", Skill: "skill", Correct: wire.Correct{Column: "correct"}, Time: "time"},
	})
	r = give(t, one, first, wire.Stage{Kind: wire.StageShard, Inputs: r.Outputs}, wire.ShardSettings{MultiSkill: "combine", Shards: 3})
	settings := wire.TestSettings{
		Window: 15, Split: wire.Split{Test: 0.2, Valid: 0.2, Seed: 1}, Baselines: true,
		Model: wire.ModelSpec{Cell: "lstm", Embed: 6, Hidden: 6, Layers: 1},
		Train: wire.TrainSpec{Batch: 8, Epochs: 2, Optimizer: "adam", LR: 0.01, Schedule: "constant", Precision: "fp32", Kernels: "auto"},
	}
	in := map[string]string{"shards": r.Outputs["shards"]}
	r = give(t, clusters, nodes, wire.Stage{Kind: wire.StageTrain, Run: wire.Gang, Inputs: in},
		wire.TrainSettings{Window: settings.Window, Split: settings.Split, Model: settings.Model, Train: settings.Train})
	var told struct {
		Hash string `json:"weights_sha256"`
	}
	if err := json.Unmarshal(r.Result, &told); err != nil {
		t.Fatal(err)
	}
	in["weights"] = r.Outputs["weights"]
	tested = give(t, one, first, wire.Stage{Kind: wire.StageTest, Inputs: in}, settings)
	clusters[0].until(t, "log lines", func() bool { return strings.Contains(strings.Join(clusters[0].lines, "\n"), "epoch done") })
	return told.Hash, tested
}

func TestAJobGivesTheSameWeightsOnOneAndOnThreeWorkers(t *testing.T) {
	t.Parallel()
	server, err := stream.StartServer(t.Context(), stream.ServerConfig{Dir: t.TempDir(), Host: "127.0.0.1", Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	one, tested := wholeJob(t, 1, "nats://127.0.0.1:1") // nobody there: the lake is enough
	three, again := wholeJob(t, 3, server.URL())
	if one == "" || one != three || string(tested.Result) != string(again.Result) {
		t.Errorf("hash %q and %q; tests %s and %s", one, three, tested.Result, again.Result)
	}
}
