package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// Trial does one rung of a trial: it goes on from where the rung before ended, or
// from this rung's own checkpoint, up to the rung's epochs. Schedules of rates are
// those of a whole trial, so that one that goes on rung by rung comes to the
// weights of one that ran through.
func Trial(ctx context.Context, env Env, a wire.Assignment) (r wire.TaskResult, err error) {
	if a.Round == nil {
		return r, errors.New("assigned without a round")
	}
	t, err := settings[wire.TrialSettings](a.Stage)
	if err != nil {
		return r, err
	}
	s, err := overlay(t.TrainSettings, t.Params)
	if err != nil {
		return r, err
	}
	j, err := open(ctx, env, a, s)
	if err != nil {
		return r, err
	}
	defer j.Close()
	whole := j.config.Epochs
	j.config.Epochs = t.Epochs
	from := a.Round.From
	if from == "" {
		from = a.Stage.Inputs["state"]
	}
	st, err := j.Restore(ctx, from)
	if err != nil {
		return r, err
	}
	st.Extend(j.config)
	if st, _, err = j.Run(ctx, st, *a.Round); err != nil {
		return r, err
	}
	if r, err = j.Finish(ctx, st); err != nil {
		return r, err
	}
	delete(r.Outputs, "checkpoint") // of some epoch, as the clock would have it
	if t.Epochs < whole {
		if r.Outputs["state"], err = putState(ctx, env, st); err != nil {
			return r, fmt.Errorf("store state: %w", err)
		}
	}
	return r, tell(ctx, env, &r, wire.Trial{
		Number: t.Number, Rung: t.Rung, Epochs: st.Epoch, Value: st.BestValid.AUC, Params: t.Params, Weights: st.BestHash,
	})
}

// tell adds what a trial came to to a training's result, and stores it: without
// anything that a clock has to do with.
func tell(ctx context.Context, env Env, r *wire.TaskResult, came wire.Trial) error {
	text, err := json.Marshal(came)
	if err != nil {
		return fmt.Errorf("encode trial: %w", err)
	}
	if r.Outputs["trial"], err = lake.Write(ctx, env.Blobs, text); err != nil {
		return fmt.Errorf("store trial: %w", err)
	}
	var all map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(r.Result, &all), json.Unmarshal(text, &all)); err != nil {
		return fmt.Errorf("encode result: %w", err)
	}
	r.Result, err = json.Marshal(all)
	return err
}
