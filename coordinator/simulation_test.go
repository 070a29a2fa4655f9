package coordinator_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"cohort/coordinator"
	"cohort/coordinator/alert/notify"
	"cohort/coordinator/client"
	"cohort/coordinator/consensus"
	"cohort/coordinator/gossip"
	"cohort/coordinator/simnet"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/worker"
)

// world is a simulated cluster: real Raft, memberlist, HTTP and workers on an
// in-memory network and the bubble's clock.
type world struct {
	t     *testing.T
	net   *simnet.Network
	dir   string
	blobs lake.Blobs
	log   *slog.Logger
	cut   consensus.Snapshots // of the logs; zero: the product's

	rules     []wire.AlertRule
	receivers []notify.Named
	ids       []string // of the coordinators
	kernels   string   // of the workers; empty: the best of this machine

	coordinators map[string]*coordinator.Node
	addrs        []string
	workers      map[string]*worker.Node
	apis         []*http.Transport
}

// httpPort is every coordinator's, also after a restart.
const httpPort = 80

var coordinatorIDs = []string{"c1", "c2", "c3"}

// timings are slower than the product's, so that an hour has fewer heartbeats.
func timings() consensus.Timings {
	return consensus.Timings{Heartbeat: 2 * time.Second, Election: 2 * time.Second, Lease: time.Second, Commit: 50 * time.Millisecond}
}

func newWorld(t *testing.T, seed uint64) *world { return newWorldWith(t, seed, nil, nil) }

// newWorldWith is one that looks for incidents.
func newWorldWith(t *testing.T, seed uint64, rules []wire.AlertRule, receivers []notify.Named) *world {
	t.Helper()
	return openWorld(&world{t: t, rules: rules, receivers: receivers, ids: coordinatorIDs, kernels: "portable"}, seed)
}

// openWorld starts the coordinators of a world.
func openWorld(w *world, seed uint64) *world {
	t := w.t
	t.Helper()
	w.net, w.dir, w.blobs, w.log = simnet.New(seed), folder(t), lake.NewMemory(), slog.New(slog.DiscardHandler)
	w.coordinators, w.workers = map[string]*coordinator.Node{}, map[string]*worker.Node{}
	if os.Getenv("COHORT_LOG") != "" {
		w.log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	}
	for _, id := range w.ids {
		w.addrs = append(w.addrs, net.JoinHostPort(w.net.Host(id).IP, strconv.Itoa(httpPort)))
	}
	for _, id := range w.ids {
		w.startCoordinator(id)
	}
	return w
}

// startCoordinator starts a coordinator, or starts it again on its folder.
func (w *world) startCoordinator(id string) {
	w.t.Helper()
	host := w.net.Host(id)
	_, raft := host.Raft()
	l := host.Listen(httpPort)
	c := coordinator.Config{
		ID: id, DataDir: filepath.Join(w.dir, id), HTTP: l, Raft: raft, Timings: timings(), Cut: w.cut, Blobs: w.blobs, Dial: host.Dial, Logger: w.log,
		Rules: w.rules, Receivers: w.receivers,
		Gossip: &gossip.Config{
			Name: id, Meta: gossip.Meta{Role: "coordinator", HTTP: l.Addr().String()}, Transport: host.Gossip(), Logger: w.log,
		},
	}
	for _, other := range w.ids {
		c.Peers = append(c.Peers, consensus.Peer{ID: other, Addr: other})
		if other != id {
			c.Join = append(c.Join, w.net.Host(other).IP+":7946")
		}
	}
	n, err := coordinator.Start(w.t.Context(), c)
	if err != nil {
		w.t.Fatal(err)
	}
	w.coordinators[id] = n
}

// client connects from a host.
func (w *world) client(host string) *client.Client {
	tr := &http.Transport{DialContext: w.net.Host(host).Dial}
	w.apis = append(w.apis, tr)
	return client.New(w.addrs, client.Options{HTTP: &http.Client{Transport: tr}, Actor: host, Patience: 5 * time.Second})
}

func (w *world) startWorker(id string) {
	w.t.Helper()
	host := w.net.Host(id)
	api := w.client(id)
	n, err := worker.Start(w.t.Context(), worker.Config{
		ID: id, DataDir: filepath.Join(w.dir, id), API: api, Blobs: w.blobs, Listener: host.Listen(0),
		Dial:      func(ctx context.Context, addr string) (net.Conn, error) { return host.Dial(ctx, "", addr) },
		Resources: wire.Resources{Cores: 2, MemoryMB: 1000}, Kernels: w.kernels, Logger: w.log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.workers[id] = n
}

func (w *world) close() {
	for _, n := range w.workers {
		if err := n.Close(); err != nil {
			w.t.Error(err)
		}
	}
	for _, n := range w.coordinators {
		if err := n.Close(); err != nil {
			w.t.Error(err)
		}
	}
	for _, tr := range w.apis {
		tr.CloseIdleConnections()
	}
	sleep(time.Minute) // it stops with the test, and probes under way must end
}

// folder is in memory where that can be had: thousands of syncs take real time.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "cohort-sim-") //nolint:usetesting // t.TempDir is on a disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) }) // a folder in memory, at worst until the next boot
	return dir
}

// sleep passes time on the bubble's clock.
func sleep(d time.Duration) {
	<-time.After(d)
}

// leader waits for a leader that the others can reach.
func (w *world) leader() string {
	w.t.Helper()
	for range 600 {
		for id, n := range w.coordinators {
			if n.IsLeader() {
				return id
			}
		}
		sleep(100 * time.Millisecond)
	}
	w.t.Fatal("a minute without a leader")
	return ""
}

// graph is a small job of noop stages.
func graph(name string) string {
	return fmt.Sprintf(`name: %s
kind: graph
stages:
  - {name: top, kind: noop}
  - {name: left, kind: noop, after: [top], tasks: 2}
  - {name: right, kind: noop, after: [top]}
  - {name: bottom, kind: noop, after: [left, right]}
`, name)
}

// await waits on the bubble's clock.
func (w *world) await(what string, d time.Duration, ok func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(d); !ok(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s: not within %v", what, d)
		}
		sleep(100 * time.Millisecond)
	}
}

// status reads a job with a client that goes on trying.
func (w *world) status(api *client.Client, id string) wire.JobView {
	j, _, err := api.Job(w.t.Context(), id, 0, 0)
	if err != nil {
		return wire.JobView{}
	}
	return j
}

func seed(t *testing.T) uint64 {
	t.Helper()
	s := rand.Uint64()
	if text := os.Getenv("COHORT_SEED"); text != "" {
		var err error
		if s, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("COHORT_SEED=%d", s)
	return s
}

// agree waits until all replicas hold the same state.
func (w *world) agree() {
	w.t.Helper()
	w.await("three equal states", time.Minute, func() bool {
		hashes := map[string]bool{}
		for _, n := range w.coordinators {
			hashes[n.State().Read().Hash()] = true
		}
		return len(hashes) == 1
	})
}

func TestSimulatedLeaderLostInTheMiddleOfAJob(t *testing.T) {
	s := seed(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		defer w.close()
		w.leader()
		w.startWorker("w1")
		api := w.client("laptop")
		r, err := api.Submit(t.Context(), graph("before"))
		if err != nil {
			t.Fatal(err)
		}
		lost := w.leader()
		w.net.Isolate(lost)
		start := time.Now()
		w.await("another leader", 20*time.Second, func() bool {
			for id, n := range w.coordinators {
				if id != lost && n.IsLeader() {
					return true
				}
			}
			return false
		})
		t.Logf("a new leader after %v", time.Since(start))
		w.await("the job", time.Minute, func() bool { return w.status(api, r.ID).Status == wire.Done })
		w.net.Heal(lost)
		w.agree()
	})
}

func TestSimulatedHourOfClusterLife(t *testing.T) {
	s := seed(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, s)
		defer w.close()
		w.leader()
		for _, id := range []string{"w1", "w2"} {
			w.startWorker(id)
		}
		api := w.client("laptop")
		chance := rand.New(rand.NewPCG(s, 1))
		w.net.Drop(0.02)
		acknowledged := map[string]string{} // name → id
		faults := map[string]int{}
		for end := time.Now().Add(time.Hour); time.Now().Before(end); {
			name := fmt.Sprintf("job%d", len(acknowledged)+faults["submit"])
			if r, err := api.Submit(t.Context(), graph(name)); err == nil {
				acknowledged[name] = r.ID
			} else {
				faults["submit"]++
			}
			w.disturb(chance, faults)
			sleep(time.Duration(chance.IntN(30_000)) * time.Millisecond)
		}
		for _, id := range append([]string{"w1", "w2"}, coordinatorIDs...) {
			w.net.Heal(id)
		}
		api = w.client("laptop")
		for name, id := range acknowledged {
			w.await("job "+name, 5*time.Minute, func() bool { return w.status(api, id).Status == wire.Done })
		}
		w.agree()
		w.once()
		t.Logf("%d jobs acknowledged and done; faults: %v", len(acknowledged), faults)
		if len(acknowledged) < 50 || faults["leader"] == 0 || faults["worker"] == 0 || faults["restart"] == 0 {
			t.Errorf("too little happened: %d jobs, %v", len(acknowledged), faults)
		}
	})
}

// disturb does one fault, sometimes, and undoes it after a while.
func (w *world) disturb(chance *rand.Rand, faults map[string]int) {
	pause := time.Duration(1000+chance.IntN(12_000)) * time.Millisecond
	switch chance.IntN(8) {
	case 0:
		lost := w.leader()
		faults["leader"]++
		w.net.Isolate(lost)
		sleep(pause)
		w.net.Heal(lost)
	case 1:
		id := []string{"w1", "w2"}[chance.IntN(2)]
		faults["worker"]++
		w.net.Isolate(id)
		sleep(pause)
		w.net.Heal(id)
	case 2:
		id := coordinatorIDs[chance.IntN(3)]
		faults["restart"]++
		if err := w.coordinators[id].Close(); err != nil {
			w.t.Error(err)
		}
		delete(w.coordinators, id)
		w.net.Host(id).CloseRaft()
		sleep(pause)
		w.startCoordinator(id)
	case 3:
		id := []string{"w1", "w2"}[chance.IntN(2)]
		faults["worker-restart"]++
		if err := w.workers[id].Close(); err != nil {
			w.t.Error(err)
		}
		w.startWorker(id)
	}
}

// once checks that no name was submitted twice, however often clients retried.
func (w *world) once() {
	w.t.Helper()
	names := map[string]bool{}
	for _, j := range w.coordinators["c1"].State().Read().Jobs(nil, 0) {
		if names[j.Name] {
			w.t.Errorf("job %s exists twice", j.Name)
		}
		names[j.Name] = true
	}
}
