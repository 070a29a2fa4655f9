package train

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dkt/checkpoint"
)

// fusedKernels is the engine, and with it the class of hashes, of a model that
// names none.
const fusedKernels = "kernels"

// Register writes down what a model is made of and from. The version's number and
// its signature are the leader's to give.
func Register(ctx context.Context, env Env, a wire.Assignment) (r wire.TaskResult, err error) {
	s, err := settings[wire.RegisterSettings](a.Stage)
	if err != nil {
		return r, err
	}
	in := a.Stage.Inputs
	if s.TrainSettings, err = tuned(ctx, env, in, s.TrainSettings); err != nil {
		return r, err
	}
	_, m, err := checkpoint.LoadWeights(ctx, env.Blobs, in["weights"])
	if err != nil {
		return r, err
	}
	made := wire.ModelManifest{
		FormatVersion: 1, Model: s.Name, Weights: in["weights"], WeightsHash: m.Hash, Engine: cmp.Or(s.Model.Engine, fusedKernels),
		Skills: m.Skills, Window: s.Window, MultiSkill: s.MultiSkill, Spec: s.Model, Train: s.Train, Split: s.Split,
		Extraction: in["extraction"], Dataset: in["dataset"], Shards: in["shards"], Features: in["features"], Folds: in["folds"],
		JobSpec: s.JobSpec, Binary: env.Version,
	}
	text, err := json.Marshal(made)
	if err != nil {
		return r, fmt.Errorf("encode model manifest: %w", err)
	}
	hash, err := lake.Write(ctx, env.Blobs, text)
	if err != nil {
		return r, fmt.Errorf("store model manifest: %w", err)
	}
	r.Outputs = map[string]string{"manifest": hash}
	r.Version = &wire.ModelVersion{
		Model: s.Name, Manifest: hash, Weights: made.Weights, WeightsHash: m.Hash, Engine: made.Engine,
		Evaluation: a.Stage.Job + "/" + s.Evaluation, Job: a.Stage.Job,
	}
	env.Logger.Info("registered", "model", s.Name, "manifest", hash, "weights_sha256", m.Hash, "engine", made.Engine)
	if why := s.Model.Unserved(); why != "" {
		env.Logger.Warn("the model can be promoted and exported, not deployed", "why", why)
	}
	return r, nil
}
