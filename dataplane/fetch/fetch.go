// Package fetch brings shards to a worker: from its cache, else from the
// stream, else from the lake, from which it also fills the stream again.
package fetch

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"cohort/dataplane"
	"cohort/dataplane/batch"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"

	"golang.org/x/sync/errgroup"
)

// Fetcher fetches shards. It is safe for concurrent use.
type Fetcher struct {
	dir   string
	blobs lake.Blobs
	conn  *stream.Conn // nil: the lake only
	log   *slog.Logger

	once  sync.Once
	cache *lake.Folder // nil: none
}

// New makes a Fetcher that caches under cacheDir (empty: no cache). c may be nil: lake only.
func New(cacheDir string, b lake.Blobs, c *stream.Conn, log *slog.Logger) *Fetcher {
	return &Fetcher{dir: cacheDir, blobs: b, conn: c, log: log}
}

// open makes the cache; without one a worker is slower, not wrong.
func (f *Fetcher) open() *lake.Folder {
	f.once.Do(func() {
		if f.dir == "" {
			return
		}
		cache, err := lake.OpenCache(f.dir)
		if err != nil {
			f.log.Warn("no cache of shards", "error", err)
			return
		}
		f.cache = cache
	})
	return f.cache
}

// parallel is how many shards are fetched at once.
const parallel = 4

// Histories answers all students of a shard set, sorted by masked id.
func (f *Fetcher) Histories(ctx context.Context, set string) (*lake.ShardSet, []dataplane.History, error) {
	s, err := lake.ReadShardSet(ctx, f.blobs, set)
	if err != nil {
		return nil, nil, err
	}
	parts := make([][]dataplane.History, len(s.Shards))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for k, info := range s.Shards {
		if info.Hash == "" {
			continue
		}
		g.Go(func() (err error) {
			parts[k], err = f.shard(ctx, set, k, info)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, fmt.Errorf("shards of %s: %w", set, err)
	}
	all := slices.Concat(parts...)
	slices.SortFunc(all, func(a, b dataplane.History) int { return cmp.Compare(a.Student, b.Student) })
	return s, all, nil
}

func (f *Fetcher) shard(ctx context.Context, set string, k int, info lake.ShardInfo) ([]dataplane.History, error) {
	messages, err := f.messages(ctx, set, k, info)
	if err != nil {
		return nil, fmt.Errorf("shard %d: %w", k, err)
	}
	var pieces []dataplane.History
	for _, m := range messages {
		h, err := batch.DecodeHistories(m)
		if err != nil {
			return nil, fmt.Errorf("shard %d: %w", k, err)
		}
		pieces = append(pieces, h...)
	}
	return batch.Join(pieces), nil
}

// messages finds a shard's messages, each of which has the manifest's hash.
func (f *Fetcher) messages(ctx context.Context, set string, k int, info lake.ShardInfo) ([][]byte, error) {
	cache := f.open()
	if cache != nil {
		all, err := lake.Read(ctx, cache, info.Hash)
		if err == nil {
			return info.Cut(all)
		}
		if errors.Is(err, lake.ErrCorrupt) {
			f.log.Warn("a cached shard is corrupt and fetched again", "shard", k, "error", errors.Join(err, cache.Remove(info.Hash)))
		}
	}
	messages, err := f.fromStream(ctx, set, k, info)
	if err != nil {
		if messages, err = f.fromLake(ctx, set, k, info, err); err != nil {
			return nil, err
		}
	}
	if cache != nil {
		if _, _, err := cache.Put(ctx, bytes.NewReader(slices.Concat(messages...))); err != nil {
			f.log.Warn("a shard was not cached", "shard", k, "error", err)
		}
	}
	return messages, nil
}

func (f *Fetcher) fromStream(ctx context.Context, set string, k int, info lake.ShardInfo) ([][]byte, error) {
	if f.conn == nil {
		return nil, stream.ErrMissing
	}
	messages, err := f.conn.FetchShard(ctx, set, k, len(info.Messages))
	if err != nil {
		return nil, err
	}
	for n, m := range messages {
		if got := lake.Hash(m); got != info.Messages[n].Hash {
			return nil, fmt.Errorf("%w: message %d has another hash", stream.ErrMissing, n)
		}
	}
	return messages, nil
}

// fromLake reads a shard from the lake and publishes it again for the others.
func (f *Fetcher) fromLake(ctx context.Context, set string, k int, info lake.ShardInfo, why error) ([][]byte, error) {
	all, err := lake.Read(ctx, f.blobs, info.Hash)
	if err != nil {
		return nil, err
	}
	messages, err := info.Cut(all)
	if err != nil {
		return nil, err
	}
	if f.conn == nil {
		return messages, nil
	}
	f.log.Info("shard refilled from the lake", "shard", k, "reason", why)
	if err := f.conn.PublishShard(ctx, set, k, messages); err != nil {
		f.log.Warn("a shard was not published again", "shard", k, "error", err)
	}
	return messages, nil
}
