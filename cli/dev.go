package cli

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"cohort/cli/local"
)

func (p *program) devCommand() *cli.Command {
	flags := append(clusterFlags(),
		&cli.StringFlag{Name: "data-dir", Value: "cohort-data", Usage: "`FOLDER` of the cluster"},
		&cli.StringFlag{Name: "http", Value: "127.0.0.1:7070", Usage: "`HOST:PORT` of the API"},
		&cli.BoolFlag{Name: "insecure", Usage: "let --http be an address that others can reach"},
		execFlag(),
		&cli.StringFlag{Name: "alerts", Usage: "`FILE` with the section alerts of a coordinator's file: who is told when a person must act"},
		logFlag("warn"),
	)
	c := p.command("dev", "", "a cluster in one process, to work with", flags, p.dev)
	c.Description = "Runs until Ctrl-C. The data folder may be used again."
	return c
}

// clusterFlags are those of commands that hold a cluster in their process.
func clusterFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "workers", Value: 2, Usage: "`N` workers in this process"},
		&cli.StringFlag{Name: "kernels", Value: "auto", Usage: "`PATH` of the arithmetic: auto, avx512, avx2 or portable; moves no bit"},
	}
}

func (p *program) dev(c *cli.Context) error {
	log, err := p.logger(c)
	if err != nil {
		return err
	}
	alerts, err := readAlerts(c.String("alerts"))
	if err != nil {
		return err
	}
	cluster, err := local.Start(c.Context, local.Config{
		Alerts: alerts, Workers: c.Int("workers"), DataDir: c.String("data-dir"), HTTP: c.String("http"), Insecure: c.Bool("insecure"),
		Kernels: c.String("kernels"), Exec: c.StringSlice("exec"), Version: versionText(), Logger: log,
	})
	if err != nil {
		return err
	}
	defer cluster.Close() //nolint:errcheck // said below where it matters
	if err := cluster.Ready(c.Context); err != nil {
		return err
	}
	if p.format == "json" {
		if err := p.printJSON(map[string]any{"addr": cluster.URL(), "data_dir": c.String("data-dir"), "workers": c.Int("workers")}); err != nil {
			return err
		}
	}
	p.talk("cluster with %d workers at %s, data in %s\n", c.Int("workers"), cluster.URL(), c.String("data-dir"))
	flag := ""
	if cluster.URL() != defaultAddr {
		flag = " --addr " + cluster.URL()
	}
	p.talk("  cohort job init > train.yaml\n  cohort job run%s train.yaml\n  cohort node list%s\n\nCtrl-C ends it; unfinished jobs go on when it is started again.", flag, flag)
	<-c.Done()
	if err := cluster.Close(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

func versionText() string {
	version, _ := buildVersion()
	return version
}
