package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cohort/coordinator"
	"cohort/coordinator/alert/notify"
	"cohort/coordinator/consensus"
	"cohort/coordinator/gossip"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"
)

// Coordinator configures a coordinator of a process of its own. Addresses are
// HOST:PORT; an empty Gossip or Stream means none on the network.
type Coordinator struct {
	ID, DataDir                string
	HTTP, Raft, Gossip, Stream string
	Insecure                   bool // addresses may be such that others can reach
	Version                    string
	Logger                     *slog.Logger
	AdminToken                 string          // empty: nobody may pass over gates
	Alerts                     wire.AlertsSpec // checked; without receivers and rules there are no incidents
}

// CoordinatorNode is a running coordinator with all that it was wired to.
type CoordinatorNode struct {
	node   *coordinator.Node
	stream *stream.Server
	lock   io.Closer
}

// StartCoordinator locks the data folder, opens listeners and starts the node.
func StartCoordinator(ctx context.Context, c Coordinator) (n *CoordinatorNode, err error) {
	if err := c.checkAddresses(); err != nil {
		return nil, err
	}
	lock, err := Lock(c.DataDir)
	if err != nil {
		return nil, err
	}
	w := &wiring{Coordinator: c}
	config, err := w.wire(ctx)
	if err != nil {
		return nil, errors.Join(err, w.close(), lock.Close())
	}
	// The node ends by Close, in its own order, not when ctx does.
	node, err := coordinator.Start(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &CoordinatorNode{node: node, stream: config.Stream, lock: lock}, nil
}

// checkAddresses reports every address that may not be listened at, before
// anything is made on disk.
func (c Coordinator) checkAddresses() error {
	faults := []error{checkAddress("http", c.HTTP, c.Insecure), checkAddress("raft", c.Raft, c.Insecure)}
	for _, a := range [][2]string{{"gossip", c.Gossip}, {"stream", c.Stream}} {
		if a[1] != "" {
			faults = append(faults, checkAddress(a[0], a[1], c.Insecure))
		}
	}
	return errors.Join(faults...)
}

// URL is where the API is.
func (n *CoordinatorNode) URL() string { return "http://" + n.node.Addr() }

// Close ends the node and gives the data folder back.
func (n *CoordinatorNode) Close() error { return errors.Join(n.node.Close(), n.lock.Close()) }

// wiring opens what a coordinator is handed, and remembers it in case the rest
// fails.
type wiring struct {
	Coordinator
	opened []io.Closer
}

func (w *wiring) close() error {
	var faults []error
	for _, o := range slices.Backward(w.opened) {
		faults = append(faults, o.Close())
	}
	return errors.Join(faults...)
}

func (w *wiring) listen(ctx context.Context, name, addr string) (net.Listener, error) {
	l, err := Listen(ctx, name, addr, w.Insecure)
	if err == nil {
		w.opened = append(w.opened, l)
	}
	return l, err
}

func (w *wiring) wire(ctx context.Context) (config coordinator.Config, err error) {
	config = coordinator.Config{
		ID: w.ID, DataDir: w.DataDir, Version: w.Version, Logger: w.Logger, AdminToken: w.AdminToken, Rules: w.Alerts.Filled().Rules,
	}
	if config.Receivers, err = notify.Open(w.Alerts.Receivers); err != nil {
		return config, err
	}
	if config.HTTP, err = w.listen(ctx, "http", w.HTTP); err != nil {
		return config, err
	}
	raft, err := w.listen(ctx, "raft", w.Raft)
	if err != nil {
		return config, err
	}
	addr := raft.Addr().String()
	if config.Raft, err = consensus.NewTransport(raft, addr, w.Logger); err != nil {
		return config, err
	}
	if t, ok := config.Raft.(io.Closer); ok {
		w.opened[len(w.opened)-1] = t // it closes the listener
	}
	config.Peers = []consensus.Peer{{ID: w.ID, Addr: addr}}
	if config.Blobs, err = lake.OpenFolder(filepath.Join(w.DataDir, "blobs")); err != nil {
		return config, err
	}
	if config.Gossip, err = w.gossip(ctx, config.HTTP.Addr().String()); err != nil {
		return config, err
	}
	config.Stream, err = w.startStream(ctx)
	return config, err
}

func (w *wiring) gossip(ctx context.Context, http string) (*gossip.Config, error) {
	if w.Gossip == "" {
		return nil, nil //nolint:nilnil // none is an answer
	}
	host, port, err := w.probe(ctx, "gossip", w.Gossip)
	if err != nil {
		return nil, err
	}
	return &gossip.Config{
		Name: w.ID, Meta: gossip.Meta{Role: "coordinator", HTTP: http}, Bind: host, Port: port, Logger: w.Logger,
	}, nil
}

func (w *wiring) startStream(ctx context.Context) (*stream.Server, error) {
	c := stream.ServerConfig{Dir: filepath.Join(w.DataDir, "stream"), Logger: w.Logger}
	if w.Stream != "" {
		var err error
		if c.Host, c.Port, err = w.probe(ctx, "stream", w.Stream); err != nil {
			return nil, err
		}
	}
	return stream.StartServer(ctx, c)
}

// probe checks an address that a library will listen at itself, so that a port
// in use is named at once and in the same words as any other. Port 0 stays 0: the
// library finds one that it can keep.
func (w *wiring) probe(ctx context.Context, name, addr string) (host string, port int, err error) {
	l, err := Listen(ctx, name, addr, w.Insecure)
	if err != nil {
		return "", 0, err
	}
	host, text, err := net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return "", 0, fmt.Errorf("%s: %w", name, err)
	}
	if strings.HasSuffix(addr, ":0") {
		return host, 0, nil
	}
	if port, err = strconv.Atoi(text); err != nil {
		return "", 0, fmt.Errorf("%s: %w", name, err)
	}
	return host, port, nil
}
