package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"cohort/cli/local"
	"cohort/coordinator/client"
	"cohort/coordinator/wire"
	"cohort/dkt/simulate"
)

// served is a cluster in this process whose one worker serves a model.
type served struct {
	dir     string
	cluster *local.Cluster
	api     *client.Client
	addr    string // of the API, and so of the gateway
}

// start trains a model of a shape for a moment and deploys it: what it costs does
// not depend on the weights. What it started before it failed is close's.
func (s *served) start(ctx context.Context, a Asked) (err error) {
	if s.dir, err = os.MkdirTemp("", "cohort-bench-"); err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	log := slog.New(slog.DiscardHandler)
	if s.cluster, err = local.Start(ctx, local.Config{Workers: 1, DataDir: s.dir, Version: "bench", Logger: log}); err != nil {
		return err
	}
	s.addr = strings.TrimPrefix(s.cluster.URL(), "http://")
	s.api = client.New([]string{s.cluster.URL()}, client.Options{Actor: "bench"})
	if err := s.cluster.Ready(ctx); err != nil {
		return err
	}
	if err := s.train(ctx, a); err != nil {
		return err
	}
	return s.await(ctx)
}

// benchModel is the model's name.
const benchModel = "bench"

// train submits a pipeline that ends with a deployment, and waits for it.
func (s *served) train(ctx context.Context, a Asked) error {
	var log bytes.Buffer
	few := simulate.Config{Students: 4 * a.Shape.Skills, Skills: a.Shape.Skills, Answers: 12, Seed: 1}
	if _, err := simulate.WriteCSV(&log, few); err != nil {
		return err
	}
	hash, _, err := s.api.Blobs(nil).Put(ctx, &log)
	if err != nil {
		return err
	}
	spec := wire.DefaultSpec()
	spec.Name, spec.Kind = benchModel, "pipeline"
	spec.Data.Events, spec.Data.EventsName, spec.Data.Window = "sha256:"+hash, "simulated.csv", a.Length+1
	spec.Model.Embed, spec.Model.Hidden = wire.Embed(a.Shape.Embed), a.Shape.Hidden
	spec.Train.Epochs, spec.Train.Workers = 1, 1
	spec.Register = wire.RegisterSpec{Model: benchModel, Promote: true}
	spec.Gates = wire.GatesSpec{FoldSpread: 0.99} // does not apply: any model is taken
	spec.Deploy = wire.DefaultDeploy()
	spec.Deploy.Replicas = 1
	text, err := spec.Text()
	if err != nil {
		return err
	}
	r, err := s.api.Submit(ctx, text)
	if err != nil {
		return err
	}
	for index := uint64(0); ; {
		j, next, err := s.api.Job(ctx, r.ID, index, time.Second)
		switch {
		case err != nil:
			return err
		case j.Status == wire.Done:
			return nil
		case j.Status.Final():
			return fmt.Errorf("job %s %s: %s", r.ID, j.Status, j.Reason)
		}
		index = next
	}
}

// await waits until the model answers.
func (s *served) await(ctx context.Context) error {
	for index := uint64(0); ; {
		d, next, err := s.api.Deployment(ctx, benchModel, index, time.Second)
		switch {
		case err != nil:
			return err
		case d.Status == wire.Live:
			return nil
		case d.Status != wire.Starting:
			return fmt.Errorf("the model does not serve: %s", d.Reason)
		}
		index = next
	}
}

// close ends the cluster and removes its folder.
func (s *served) close() error {
	var faults []error
	if s.api != nil {
		s.api.Close()
	}
	if s.cluster != nil {
		faults = append(faults, s.cluster.Close())
	}
	if s.dir != "" {
		faults = append(faults, os.RemoveAll(s.dir))
	}
	return errors.Join(faults...)
}
