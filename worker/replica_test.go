package worker

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"cohort/coordinator/wire"
	"cohort/dkt/checkpoint"
	"cohort/kernels"
)

// served is a stage that serves a small model, in the blobs of a worker.
func served(t *testing.T, blobs *memory, spoil func(s *wire.ServeSettings)) wire.Stage {
	t.Helper()
	put := func(r io.Reader) string {
		hash, _, err := blobs.Put(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		return hash
	}
	skills := []string{"a", "b"}
	p := kernels.InitParams(kernels.Shape{Skills: 2, Embed: 2, Hidden: 3, Layers: 1}, 1)
	f, err := checkpoint.Weights(p, skills, nil)
	if err != nil {
		t.Fatal(err)
	}
	m := wire.ModelManifest{FormatVersion: 1, Model: "m", Engine: "kernels", Skills: skills, Window: 5, Weights: put(f), WeightsHash: kernels.HashWeights(p)}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	inputs := map[string]string{"weights": m.Weights, "manifest": put(bytes.NewReader(text))}
	s := wire.ServeSettings{Model: "m", Version: 1, Public: public, Signature: ed25519.Sign(private, wire.SignedText(inputs["manifest"]))}
	spoil(&s)
	settings, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return wire.Stage{Job: "job", Name: "serve", Kind: wire.StageServe, Run: wire.Service, Inputs: inputs, Settings: settings}
}

// serving is a worker that may serve, and a cluster that has it serve a model.
func serving(t *testing.T, spoil func(c *Config, s *wire.ServeSettings)) (*cluster, *Node) {
	t.Helper()
	c, blobs := newCluster(), &memory{}
	cfg := config(t, c)
	cfg.Blobs = blobs
	cfg.Serve = func(context.Context) (net.Listener, string, error) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, "", err
		}
		return l, l.Addr().String(), nil
	}
	stage := served(t, blobs, func(s *wire.ServeSettings) { spoil(&cfg, s) })
	n, err := Start(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.do(func() {
		c.assignments["job/serve/0"] = wire.Assignment{
			Task: wire.Task{ID: "job/serve/0", Status: wire.Running, Token: c.index + 1, Attempt: 1, Granted: wire.Resources{Cores: 1}}, Stage: stage,
		}
	})
	return c, n
}

// asks answers whether a replica serves.
func asks(addr string) error {
	resp, err := http.Post("http://"+addr+"/invocations", "application/json", strings.NewReader(`{"inputs": [[1, 2]]}`))
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

func sound(*Config, *wire.ServeSettings) {}

func TestAReplicaServesUntilItsTaskIsLost(t *testing.T) {
	c, n := serving(t, sound)
	defer end(t, c, n)
	c.until(t, "readiness", func() bool { return len(c.readies) == 1 })
	r := c.readies[0]
	if r.Task != "job/serve/0" || r.Token != c.assignments[r.Task].Task.Token {
		t.Errorf("%+v", r)
	}
	if err := asks(r.Addr); err != nil {
		t.Fatal(err)
	}
	c.do(func() { c.down = true }) // while the coordinator is away it serves on
	if err := asks(r.Addr); err != nil {
		t.Error(err)
	}
	c.do(func() {
		c.down = false
		c.assignments = map[string]wire.Assignment{}
	})
	c.until(t, "an end", func() bool { return asks(r.Addr) != nil })
	c.until(t, "an end of the task", func() bool { return len(n.held()) == 0 })
	if len(c.results) > 0 || len(c.readies) > 1 {
		t.Errorf("told %+v, %+v", c.results, c.readies)
	}
}

func TestADrainedReplicaSaysSoFirst(t *testing.T) {
	c, n := serving(t, sound)
	defer end(t, c, n)
	c.until(t, "readiness", func() bool { return len(c.readies) == 1 })
	addr, failed := c.readies[0].Addr, make(chan error, 1)
	go func() { // until it has said that it ends, every request is answered
		for {
			err := asks(addr)
			c.mu.Lock()
			told := len(c.readies) == 2
			c.mu.Unlock()
			if err != nil || told {
				failed <- err
				return
			}
		}
	}()
	if err := n.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; err != nil {
		t.Error(err)
	}
	c.until(t, "a result", func() bool { return len(c.results) == 1 })
	if r := c.results[0]; r.Cause != wire.CauseDrain || len(c.readies) != 2 || c.readies[1].Addr != "" {
		t.Errorf("%+v, %+v", r, c.readies)
	}
	if asks(addr) == nil {
		t.Error("it still serves")
	}
}

func TestAReplicaThatCannotServeSaysWhy(t *testing.T) {
	for want, spoil := range map[string]func(c *Config, s *wire.ServeSettings){
		"this worker serves no models":        func(c *Config, _ *wire.ServeSettings) { c.Serve = nil },
		"model m, version 1: its signature":   func(_ *Config, s *wire.ServeSettings) { s.Signature[0] ^= 1 },
		"model x, version 1: its manifest is": func(_ *Config, s *wire.ServeSettings) { s.Model = "x" },
	} {
		c, n := serving(t, spoil)
		c.until(t, "a result", func() bool { return len(c.results) == 1 })
		if r := c.results[0]; r.Cause != wire.CauseFatal || !strings.Contains(r.Error, want) || len(c.readies) > 0 {
			t.Errorf("%s: %+v, %+v", want, r, c.readies)
		}
		end(t, c, n)
	}
	c, n := serving(t, func(c *Config, _ *wire.ServeSettings) {
		c.Serve = func(context.Context) (net.Listener, string, error) { return nil, "", errors.New("address in use") }
	})
	defer end(t, c, n)
	c.until(t, "a result", func() bool { return len(c.results) == 1 })
	if r := c.results[0]; r.Cause != wire.CauseTask || r.Error != "listen: address in use" {
		t.Errorf("%+v", r)
	}
}
