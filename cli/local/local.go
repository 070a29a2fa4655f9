// Package local starts nodes: a coordinator, a worker, or a whole cluster in
// one process on loopback, for dev, demo, benchmarks and tests. It opens their
// listeners and locks their data folders.
package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dataplane/stream"
	"cohort/worker/device"
)

// closeWait bounds Close.
const closeWait = 1500 * time.Millisecond

// Config describes a cluster in one process.
type Config struct {
	Workers  int
	DataDir  string   // kept; may be used again, also after kill -9
	HTTP     string   // HOST:PORT of the API; empty: any port of loopback
	Insecure bool     // HTTP may be an address that others can reach
	Cores    int      // of each worker; 0: a share of the machine's
	Kernels  string   // auto | avx512 | avx2 | portable; empty is auto
	Exec     []string // programs that exec stages may run
	Version  string
	Logger   *slog.Logger
	Alerts   wire.AlertsSpec // checked
}

// mostWorkers bounds a cluster in one process.
const mostWorkers = 256

// Validate reports every fault.
func (c Config) Validate() error {
	var faults []error
	if c.Workers < 1 || c.Workers > mostWorkers {
		faults = append(faults, fmt.Errorf("workers is %d; want 1 to %d", c.Workers, mostWorkers))
	}
	if c.DataDir == "" {
		faults = append(faults, errors.New("data folder is missing"))
	}
	if c.Logger == nil {
		faults = append(faults, errors.New("logger is missing"))
	}
	return errors.Join(faults...)
}

// Cluster is a running cluster.
type Cluster struct {
	lock        io.Closer
	coordinator *CoordinatorNode
	conns       []*stream.Conn
	workers     []*WorkerNode
	api         *client.Client
	once        sync.Once
	closed      error
}

// Start starts a coordinator and c.Workers workers, named w1, w2, …
func Start(ctx context.Context, c Config) (*Cluster, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if c.HTTP == "" {
		c.HTTP = "127.0.0.1:0"
	}
	if err := checkAddress("http", c.HTTP, c.Insecure); err != nil {
		return nil, err
	}
	lock, err := Lock(c.DataDir)
	if err != nil {
		return nil, err
	}
	cluster := &Cluster{lock: lock}
	if err := cluster.start(ctx, c); err != nil {
		return nil, errors.Join(err, cluster.Close()) //nolint:contextcheck // bounded by itself
	}
	return cluster, nil
}

func (c *Cluster) start(ctx context.Context, conf Config) error {
	token, err := adminToken(conf.DataDir)
	if err != nil {
		return err
	}
	c.coordinator, err = StartCoordinator(ctx, Coordinator{
		ID: "c1", DataDir: filepath.Join(conf.DataDir, "c1"), HTTP: conf.HTTP,
		Raft:     "127.0.0.1:0", // a lone voter never dials: its address in the log may be another run's
		Insecure: conf.Insecure, Version: conf.Version, Logger: conf.Logger, AdminToken: token, Alerts: conf.Alerts,
	})
	if err != nil {
		return err
	}
	c.api = client.New([]string{c.URL()}, client.Options{Actor: "local cluster"})
	have := device.Inventory()
	for k := range conf.Workers {
		if err := ctx.Err(); err != nil {
			return err
		}
		conn, err := c.coordinator.stream.Connect(ctx)
		if err != nil {
			return fmt.Errorf("connect to the stream: %w", err)
		}
		c.conns = append(c.conns, conn)
		id := fmt.Sprintf("w%d", k+1)
		w, err := StartWorker(ctx, Worker{
			ID: id, DataDir: filepath.Join(conf.DataDir, id), Coordinators: []string{c.URL()}, Listen: "127.0.0.1:0",
			Cores: cores(conf, k), MemoryMB: max(1, have.MemoryMB/int64(conf.Workers)), Kernels: conf.Kernels,
			Exec: conf.Exec, Version: conf.Version, Logger: conf.Logger, stream: conn,
		})
		if err != nil {
			return err
		}
		c.workers = append(c.workers, w)
	}
	return nil
}

// cores are worker k's.
func cores(c Config, k int) int {
	if c.Cores > 0 {
		return c.Cores
	}
	return share(k, c.Workers)
}

// share is worker k's part of the machine's cores, one at least.
func share(k, workers int) int {
	n := runtime.GOMAXPROCS(0)
	return max(1, n*(k+1)/workers-n*k/workers)
}

// URL is where the API is.
func (c *Cluster) URL() string { return c.coordinator.URL() }

// Ready waits until every worker is registered, and takes out of service those
// that the data folder remembers from a larger cluster.
func (c *Cluster) Ready(ctx context.Context) error {
	here := map[string]bool{}
	for _, w := range c.workers {
		if err := w.Ready(ctx); err != nil {
			return fmt.Errorf("wait for workers: %w", err)
		}
		here[w.node.ID()] = true
	}
	nodes, err := c.api.Nodes(ctx)
	if err != nil {
		return fmt.Errorf("look for workers: %w", err)
	}
	for _, n := range nodes {
		if !here[n.ID] && n.Status == wire.NodeReady {
			if err := c.api.Drain(ctx, n.ID); err != nil {
				return fmt.Errorf("take out worker %s, which is gone: %w", n.ID, err)
			}
		}
	}
	return nil
}

// Close ends the workers, then the coordinator. What has not ended after a
// while is left behind with an error: all that counts is on disk.
func (c *Cluster) Close() error {
	c.once.Do(func() {
		done := make(chan error, 1)
		go func() { done <- c.shut() }()
		select {
		case c.closed = <-done:
		case <-time.After(closeWait):
			c.closed = fmt.Errorf("some parts had not ended after %v", closeWait)
		}
	})
	return c.closed
}

func (c *Cluster) shut() error {
	faults := make([]error, len(c.workers))
	var wg sync.WaitGroup
	for k, w := range c.workers {
		wg.Go(func() { faults[k] = w.Close() })
	}
	wg.Wait()
	if c.api != nil {
		c.api.Close()
	}
	for _, conn := range c.conns {
		conn.Close()
	}
	if c.coordinator != nil {
		faults = append(faults, c.coordinator.Close())
	}
	return errors.Join(append(faults, c.lock.Close())...)
}
