package train

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"cohort/coordinator/wire"
	"cohort/dkt"
	"cohort/dkt/checkpoint"
	"cohort/dkt/input"
	"cohort/dkt/metric"
	"cohort/dkt/sequence"
	"cohort/worker/collective"
)

// Job is a training task with its data loaded. Run may be called for one round
// after another, on the state that the last one left.
type Job struct {
	env    Env
	task   string
	config dkt.Config
	cell   string // empty: lstm
	data   *corpus
	engine backend
	rate   float64 // training answers a second of the last run
	saved  string  // hash of the last checkpoint of this member
}

// Open loads a training task's data and makes its engine.
func Open(ctx context.Context, env Env, a wire.Assignment) (*Job, error) {
	s, err := settings[wire.TrainSettings](a.Stage)
	if err != nil {
		return nil, err
	}
	if s, err = tuned(ctx, env, a.Stage.Inputs, s); err != nil {
		return nil, err
	}
	return open(ctx, env, a, s)
}

// open loads the data of a training with settings s.
func open(ctx context.Context, env Env, a wire.Assignment, s wire.TrainSettings) (*Job, error) {
	data, err := load(ctx, env, a.Stage.Inputs, s.Split, s.Window)
	if err != nil {
		return nil, err
	}
	config, err := configOf(s, len(data.skills))
	if err != nil {
		return nil, err
	}
	config.Shape = input.Vocabulary(len(data.skills), data.inputs).Shape(config.Shape)
	e, err := engine(env, a, config.Shape, s.Model, s.Train.Kernels)
	if err != nil {
		return nil, err
	}
	env.Logger.Info("loaded", "skills", len(data.skills), "train_sequences", len(data.parts[sequence.Train].Seqs),
		"train_answers", data.parts[sequence.Train].Answers(), "valid_answers", data.parts[sequence.Valid].Answers(),
		"kernels", string(e.Path()), "threads", max(a.Task.Granted.Cores, 1))
	return &Job{env: env, task: a.Task.ID, config: config, cell: cellOf(s.Model), data: data, engine: e}, nil
}

// Close frees the engine.
func (j *Job) Close() { _ = j.engine.Close() } // nothing to lose

// Restore answers the state that a checkpoint holds; with none, the beginning.
func (j *Job) Restore(ctx context.Context, from string) (*dkt.State, error) {
	if from == "" {
		return dkt.NewState(j.config), nil
	}
	rc, err := j.env.Blobs.Get(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("open checkpoint: %w", err)
	}
	defer rc.Close() //nolint:errcheck // read only
	st, err := checkpoint.ReadState(rc)
	if err != nil {
		return nil, fmt.Errorf("read checkpoint %s: %w", from, err)
	}
	if st.Params.Shape != j.config.Shape {
		return nil, inputf("checkpoint %s is of shape %+v, the job of %+v", from, st.Params.Shape, j.config.Shape)
	}
	j.env.Logger.Info("resumed", "epoch", st.Epoch, "step", st.Step, "checkpoint", from)
	return st, nil
}

// Run takes this member's seat in a round and trains from st to the end. It
// answers the state at the last completed step, whatever happened, and why it
// ended short of the end.
func (j *Job) Run(ctx context.Context, st *dkt.State, r wire.Round) (*dkt.State, wire.Cause, error) {
	err := j.run(ctx, st, r)
	return st, CauseOf(err), err
}

func (j *Job) run(ctx context.Context, st *dkt.State, r wire.Round) error {
	seat := dkt.Seat{Rank: -1, Size: len(r.Members)}
	for rank, m := range r.Members {
		if m.Task == j.task {
			seat.Rank = rank
		}
	}
	if seat.Rank < 0 {
		return fmt.Errorf("task %s is no member of round %d", j.task, r.Number)
	}
	j.env.Progress(wire.Progress{Message: "waiting for the other members", Epoch: st.Epoch, Epochs: j.config.Epochs})
	g, err := collective.Join(ctx, collective.Config{
		Round: r, Rank: seat.Rank, Hub: j.env.Hub, Dial: j.env.Dial, Timings: j.env.Timings, Logger: j.env.Logger,
	})
	if err != nil {
		return err
	}
	defer g.Close() //nolint:errcheck // always nil
	return j.train(ctx, g, seat, st, r)
}

func (j *Job) train(ctx context.Context, g *collective.Group, seat dkt.Seat, st *dkt.State, r wire.Round) error {
	var s *saver
	if seat.Rank == 0 {
		s = newSaver(ctx, j.env, r.Number)
	}
	w := newWatcher(j.env, s, st, j.config.Epochs)
	data := dkt.Data{Train: j.data.parts[sequence.Train], Valid: j.data.parts[sequence.Valid]}
	err := dkt.Train(ctx, j.config, data, j.engine, seat, g, st, w)
	if err == nil {
		err = agree(ctx, g, seat, st.BestHash)
	}
	if s != nil {
		s.finish(err != nil && ctx.Err() == nil)
		j.saved = s.hash
	}
	j.rate = w.rate(w.begin)
	return err
}

// agree checks that all members have come to the same weights: each puts its
// hash into its own place of a vector that all reduce.
func agree(ctx context.Context, g dkt.Reducer, seat dkt.Seat, hash string) error {
	sum, err := hex.DecodeString(hash)
	if err != nil {
		return fmt.Errorf("weights hash %q: %w", hash, err)
	}
	all := make([]int64, len(sum)*seat.Size)
	mine := all[len(sum)*seat.Rank:][:len(sum)]
	for k, b := range sum {
		mine[k] = int64(b)
	}
	if err := g.Reduce(ctx, math.MaxUint32, 0, all); err != nil {
		return err
	}
	for rank := range seat.Size {
		for k, b := range sum {
			if all[rank*len(sum)+k] != int64(b) {
				return fmt.Errorf("%w: member %d has other weights than member %d", collective.ErrDiverged, rank, seat.Rank)
			}
		}
	}
	return nil
}

// trained is a training's result.
type trained struct {
	Valid        metric.Binary `json:"valid"`
	Weights      string        `json:"weights_sha256"`
	Rate         float64       `json:"answers_per_second"`
	Epochs       int           `json:"epochs"`
	BestEpoch    int           `json:"best_epoch"`
	TrainAnswers int64         `json:"train_answers"`
	ValidAnswers int64         `json:"valid_answers"`
	Skills       int           `json:"skills"`
}

// Finish makes the best weights durable and answers the training's result. All
// members answer the same outputs: blobs are named by their content.
func (j *Job) Finish(ctx context.Context, st *dkt.State) (r wire.TaskResult, err error) {
	if !st.Done || st.Best == nil {
		return r, errors.New("training has not ended")
	}
	j.env.Progress(wire.Progress{
		Message: "saving the weights", Epoch: st.Epoch, Epochs: j.config.Epochs, Done: 1, Total: 1, ValidAUC: st.BestValid.AUC, Rate: j.rate,
	})
	f, err := checkpoint.WeightsOf(st.Best, checkpoint.Model{Skills: j.data.skills, Inputs: j.data.inputs, Cell: j.cell})
	if err != nil {
		return r, fmt.Errorf("write weights: %w", err)
	}
	hash, _, err := j.env.Blobs.Put(ctx, f)
	if err != nil {
		return r, fmt.Errorf("store weights: %w", err)
	}
	r.Outputs = map[string]string{"weights": hash}
	if j.saved != "" {
		r.Outputs["checkpoint"] = j.saved
	}
	r.Result, err = json.Marshal(trained{
		Valid: st.BestValid, Weights: st.BestHash, Rate: j.rate, Epochs: st.Epoch, BestEpoch: st.BestEpoch,
		TrainAnswers: j.data.parts[sequence.Train].Answers(), ValidAnswers: j.data.parts[sequence.Valid].Answers(),
		Skills: len(j.data.skills),
	})
	j.env.Logger.Info("trained", "epochs", st.Epoch, "best_epoch", st.BestEpoch, "valid_auc", st.BestValid.AUC, "weights_sha256", st.BestHash)
	return r, err
}
