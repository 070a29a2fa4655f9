package cli

import (
	"github.com/urfave/cli/v2"

	"cohort/cli/local"
	"cohort/coordinator/wire"
)

// workerFile is the configuration of a worker.
type workerFile struct {
	ID           string   `yaml:"id"`
	DataDir      string   `yaml:"data_dir"`
	Coordinators []string `yaml:"coordinators"`
	Listen       string   `yaml:"listen"`
	Advertise    string   `yaml:"advertise"`
	Serve        string   `yaml:"serve"` // for replicas of models
	Insecure     bool     `yaml:"insecure"`
	Cores        int      `yaml:"cores"`
	MemoryMB     int64    `yaml:"memory_mb"`
	Kernels      string   `yaml:"kernels"`
	Metrics      string   `yaml:"metrics"` // HOST:PORT of /metrics; empty: none
	Exec         []string `yaml:"exec"`    // programs that exec stages may run
}

func (p *program) workerCommand() *cli.Command {
	c := p.command("worker", "", "run a worker", nodeFlags(), p.worker)
	c.Description = "FILE is YAML; \"cohort job init worker\" prints one. SIGTERM or Ctrl-C hands its tasks back and ends it."
	return c
}

func (p *program) worker(c *cli.Context) error {
	f := workerFile{Listen: "127.0.0.1:0", Kernels: "auto"}
	path, err := readNodeFile(c, "worker", &f, func(wire.Noter) {})
	if err != nil {
		return err
	}
	first := ""
	if len(f.Coordinators) > 0 {
		first = f.Coordinators[0]
	}
	if err := missing(path, [2]string{"id", f.ID}, [2]string{"data_dir", f.DataDir}, [2]string{"coordinators", first}); err != nil {
		return err
	}
	log, err := p.logger(c)
	if err != nil {
		return err
	}
	node, err := local.StartWorker(c.Context, local.Worker{
		ID: f.ID, DataDir: f.DataDir, Coordinators: f.Coordinators, Listen: f.Listen, Advertise: f.Advertise, Serve: f.Serve,
		Insecure: f.Insecure, Cores: f.Cores, MemoryMB: f.MemoryMB, Kernels: f.Kernels, Exec: f.Exec, Metrics: f.Metrics,
		Version: versionText(), Logger: log,
	})
	if err != nil {
		return err
	}
	p.talk("worker %s, members reach it at %s, data in %s", f.ID, node.Addr(), f.DataDir)
	<-c.Done()
	return closing(node.Stop())
}
