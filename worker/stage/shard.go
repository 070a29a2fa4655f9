package stage

import (
	"context"
	"fmt"
	"time"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// publishWait bounds publishing: the stream is only a quicker way than the lake.
const publishWait = 20 * time.Second

// sharded is a shard stage's result.
type sharded struct {
	Students int64 `json:"students"`
	Answers  int64 `json:"answers"`
	Skills   int   `json:"skills"`
	Shards   int   `json:"shards"`
}

func runShard(ctx context.Context, env Env, st wire.Stage) (r wire.TaskResult, err error) {
	s, err := settings[wire.ShardSettings](st)
	if err != nil {
		return r, err
	}
	env.Progress(wire.Progress{Message: "writing shards", Total: int64(s.Shards)})
	a, err := lake.ReadAnswers(ctx, env.Blobs, st.Inputs["dataset"], s.MultiSkill)
	if err != nil {
		return r, fmt.Errorf("read answers: %w", err)
	}
	in, err := addInputs(ctx, env, st.Inputs, s, a)
	if err != nil {
		return r, err
	}
	set, id, err := lake.WriteAnswers(ctx, env.Blobs, a, s.Shards, in)
	if err != nil {
		return r, fmt.Errorf("write shards: %w", err)
	}
	if env.Stream != nil {
		if err := publish(ctx, env, set, id); err != nil {
			env.Logger.Warn("shards not published: workers read the lake", "error", err)
		}
	}
	r.Outputs = map[string]string{"shards": id}
	r.Result, err = result("data", sharded{set.Students, set.Answers, len(set.Skills), len(set.Shards)})
	env.Logger.Info("sharded", "answers", set.Answers, "students", set.Students, "skills", len(set.Skills), "shards", len(set.Shards))
	return r, err
}

// publish puts the shards on the stream.
func publish(ctx context.Context, env Env, set *lake.ShardSet, id string) error {
	ctx, cancel := context.WithTimeout(ctx, publishWait)
	defer cancel()
	for k, shard := range set.Shards {
		if shard.Hash == "" {
			continue
		}
		all, err := lake.Read(ctx, env.Blobs, shard.Hash)
		if err != nil {
			return err
		}
		messages, err := shard.Cut(all)
		if err != nil {
			return fmt.Errorf("shard %d: %w", k, err)
		}
		if err := env.Stream.PublishShard(ctx, id, k, messages); err != nil {
			return err
		}
		env.Progress(wire.Progress{Message: "publishing shards", Done: int64(k + 1), Total: int64(len(set.Shards))})
	}
	return nil
}
