package cli

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"cohort/cli/local"
	"cohort/coordinator/wire"
	mask "cohort/dataplane/source"
)

// coordinatorFile is the configuration of a coordinator.
type coordinatorFile struct {
	ID       string `yaml:"id"`
	DataDir  string `yaml:"data_dir"`
	HTTP     string `yaml:"http"`
	Raft     string `yaml:"raft"`
	Gossip   string `yaml:"gossip"`
	Stream   string `yaml:"stream"`
	Insecure bool   `yaml:"insecure"`
	// AdminToken is env:NAME or file:PATH; every coordinator has the same.
	AdminToken string `yaml:"admin_token"`

	Alerts wire.AlertsSpec `yaml:"alerts"`
}

func (p *program) coordinatorCommand() *cli.Command {
	c := p.command("coordinator", "", "run a coordinator", nodeFlags(), p.coordinator)
	c.Description = "FILE is YAML; \"cohort job init coordinator\" prints one. SIGTERM or Ctrl-C ends it in order."
	return c
}

func nodeFlags() []cli.Flag {
	return []cli.Flag{&cli.StringFlag{Name: "config", Usage: "`FILE` of the node (needed)"}, logFlag("info")}
}

// readNodeFile reads --config into a struct of defaults, and lets check look at it.
func readNodeFile(c *cli.Context, kind string, into any, check func(wire.Noter)) (path string, err error) {
	path = c.String("config")
	if path == "" {
		return "", usagef("--config is missing; \"cohort job init %s\" prints a file to start from", kind)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return path, fmt.Errorf("read configuration: %w", err)
	}
	return path, wire.ParseChecked(path, text, into, check)
}

// missing lists the required keys that a node's file leaves out.
func missing(path string, keys ...[2]string) error {
	var faults []wire.Fault
	for _, k := range keys {
		if k[1] == "" {
			faults = append(faults, wire.Fault{Where: path, Text: k[0] + " is missing"})
		}
	}
	if len(faults) == 0 {
		return nil
	}
	return &wire.SpecError{Faults: faults}
}

func (p *program) coordinator(c *cli.Context) error {
	f := coordinatorFile{HTTP: "127.0.0.1:7070", Raft: "127.0.0.1:7071", Gossip: "127.0.0.1:7072", Stream: "127.0.0.1:7073"}
	path, err := readNodeFile(c, "coordinator", &f, func(note wire.Noter) { f.Alerts.Check("alerts", note) })
	if err != nil {
		return err
	}
	if err := missing(path, [2]string{"id", f.ID}, [2]string{"data_dir", f.DataDir}); err != nil {
		return err
	}
	token := ""
	if f.AdminToken != "" {
		getenv := func(name string) string { return strings.TrimSpace(p.env[name]) }
		if token, err = mask.ResolveSecret(f.AdminToken, "the environment", getenv); err != nil {
			return fmt.Errorf("%s: admin_token: %w", path, err)
		}
	}
	log, err := p.logger(c)
	if err != nil {
		return err
	}
	node, err := local.StartCoordinator(c.Context, local.Coordinator{
		ID: f.ID, DataDir: f.DataDir, HTTP: f.HTTP, Raft: f.Raft, Gossip: f.Gossip, Stream: f.Stream,
		Insecure: f.Insecure, Version: versionText(), Logger: log, AdminToken: token, Alerts: f.Alerts,
	})
	if err != nil {
		return err
	}
	p.talk("coordinator %s at %s, data in %s", f.ID, node.URL(), f.DataDir)
	<-c.Done()
	return closing(node.Close())
}

func closing(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("stop: %w", errors.Join(err))
}
