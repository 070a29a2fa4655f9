// Package stream carries shards and logs over NATS JetStream: an embedded
// server, a publisher, a consumer. It is transport: what it holds may be lost
// at any time, and is published again from the lake.
package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"cohort/dataplane"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ErrMissing says that the stream does not hold the whole shard.
var ErrMissing = errors.New("shard not in the stream")

// Limits of the streams.
const (
	maxStore   = 64 << 30
	shardBytes = 32 << 30
	shardAge   = 7 * 24 * time.Hour
	logLines   = 20_000 // of a task
	logBytes   = 1 << 30
	logAge     = 30 * 24 * time.Hour
)

// Conn is a connection to a server. It reconnects by itself.
type Conn struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// dialWait bounds one attempt to connect.
const dialWait = 2 * time.Second

// Dial connects to a server's URL.
func Dial(_ context.Context, url string, log *slog.Logger) (*Conn, error) {
	return connect(url, log)
}

func connect(url string, log *slog.Logger, options ...nats.Option) (*Conn, error) {
	options = append(options,
		nats.Name("cohort"), nats.Timeout(dialWait), nats.MaxReconnects(-1), nats.ReconnectWait(200*time.Millisecond),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { log.Debug("stream lost", "error", err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Debug("stream", "error", err) }))
	nc, err := nats.Connect(url, options...)
	if err != nil {
		return nil, fmt.Errorf("connect to the stream %s: %w", url, err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("stream: %w", err)
	}
	return &Conn{nc, js}, nil
}

// Close ends the connection.
func (c *Conn) Close() { c.nc.Close() }

func (c *Conn) makeStreams(ctx context.Context) error {
	for _, s := range []jetstream.StreamConfig{
		{
			Name: dataplane.StreamShards, Subjects: []string{dataplane.ShardSubjects()},
			MaxBytes: shardBytes, MaxAge: shardAge,
		},
		{
			Name: dataplane.StreamLogs, Subjects: []string{dataplane.LogSubjects()},
			MaxBytes: logBytes, MaxAge: logAge, MaxMsgsPerSubject: logLines,
		},
	} {
		if _, err := c.js.CreateOrUpdateStream(ctx, s); err != nil {
			return fmt.Errorf("make stream %s: %w", s.Name, err)
		}
	}
	return nil
}

// PublishShard puts a shard's messages on its subject, in place of any that
// were there, and waits for the server to have them all.
func (c *Conn) PublishShard(ctx context.Context, set string, shard int, messages [][]byte) error {
	subject := dataplane.ShardSubject(set, shard)
	s, err := c.js.Stream(ctx, dataplane.StreamShards)
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSubject(subject))
	}
	if err != nil {
		return fmt.Errorf("publish shard %d: %w", shard, err)
	}
	for _, m := range messages {
		if len(m) > dataplane.MaxMessage {
			return fmt.Errorf("publish shard %d: a message of %d bytes, at most %d fit", shard, len(m), dataplane.MaxMessage)
		}
		if _, err := c.js.Publish(ctx, subject, m); err != nil {
			return fmt.Errorf("publish shard %d: %w", shard, err)
		}
	}
	return nil
}

// fetchWait bounds the wait for messages that the server says it has.
const fetchWait = 2 * time.Second

// FetchShard pulls a shard of count messages; ErrMissing when they are not all there.
func (c *Conn) FetchShard(ctx context.Context, set string, shard, count int) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*fetchWait)
	defer cancel()
	missing := func(err error) error { return fmt.Errorf("%w: shard %d of %s: %w", ErrMissing, shard, set, err) }
	subject := dataplane.ShardSubject(set, shard)
	s, err := c.js.Stream(ctx, dataplane.StreamShards)
	if err != nil {
		return nil, missing(err)
	}
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(subject))
	if err != nil {
		return nil, missing(err)
	}
	if have := info.State.Subjects[subject]; have != uint64(count) {
		return nil, missing(fmt.Errorf("%d of %d messages", have, count))
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{FilterSubjects: []string{subject}})
	if err != nil {
		return nil, missing(err)
	}
	var messages [][]byte
	batch, err := consumer.Fetch(count, jetstream.FetchMaxWait(fetchWait))
	if err != nil {
		return nil, missing(err)
	}
	for m := range batch.Messages() {
		messages = append(messages, m.Data())
	}
	if len(messages) != count {
		return nil, missing(fmt.Errorf("%d of %d messages came: %w", len(messages), count, errors.Join(batch.Error(), ctx.Err())))
	}
	return messages, nil
}

// Purge empties the stream of shards.
func (c *Conn) Purge(ctx context.Context) error {
	s, err := c.js.Stream(ctx, dataplane.StreamShards)
	if err == nil {
		err = s.Purge(ctx)
	}
	if err != nil {
		return fmt.Errorf("purge shards: %w", err)
	}
	return nil
}
