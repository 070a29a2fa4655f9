package source

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	fetchBytes = 2 << 20                // asked for at a time; a greater batch comes whole
	fetchWait  = 500                    // milliseconds that a broker may wait for more
	fetchPause = 250 * time.Millisecond // before a failed request is made again
)

// Isolation levels of requests.
const (
	uncommitted = 0
	committed   = 1
)

// fetcher reads one partition. It asks brokers itself, for one partition at a
// time, as a consumer group's client tells nobody how far it got where there was
// nothing to hand on: after an aborted transaction, or in a gap of a compacted
// topic.
type fetcher struct {
	k *kafka
	span
	next   int64 // offset
	look   bool  // next may be followed by nothing that is committed: ask for anything
	failed time.Time
}

// fetch gives more records of the partition, and moves next. There may be none.
func (f *fetcher) fetch(ctx context.Context) ([]*kgo.Record, error) {
	part, err := f.ask(ctx)
	if err == nil {
		err = kerr.ErrorForCode(part.ErrorCode)
	}
	switch {
	case err != nil:
		return nil, f.again(ctx, f.k.explain(err))
	case f.look:
		return nil, f.looked(ctx, part)
	}
	got, next := kgo.ProcessFetchPartition(kgo.ProcessFetchPartitionOpts{
		Offset: f.next, IsolationLevel: kgo.ReadCommitted(), Topic: f.topic, Partition: f.Partition,
	}, part, f.k.unpack, nil)
	switch {
	case next > f.next:
		f.next, f.failed = next, time.Time{}
	case got.Err != nil:
		return nil, f.again(ctx, fmt.Errorf("kafka: what the broker gives is damaged: %w", got.Err))
	case part.LastStableOffset < f.End:
		return nil, f.again(ctx, kerr.OffsetOutOfRange) // the partition ends here
	default:
		f.look = true
	}
	records := got.Records
	for len(records) > 0 && records[len(records)-1].Offset >= f.End {
		records = records[:len(records)-1]
	}
	return records, nil
}

// looked judges what follows next, committed or not, where a broker gave nothing
// that is: the offsets up to the end may have been compacted away, and then the
// next batch begins beyond them. Otherwise there is something that it kept back,
// which is asked for again.
func (f *fetcher) looked(ctx context.Context, part *kmsg.FetchResponseTopicPartition) error {
	f.look = false
	if b := part.RecordBatches; len(b) >= 8 && int64(binary.BigEndian.Uint64(b)) >= f.End {
		f.next = f.End
		return nil
	}
	return f.again(ctx, fmt.Errorf("kafka: the broker keeps offsets %d to %d back", f.next, f.End))
}

// ask makes one request.
func (f *fetcher) ask(ctx context.Context) (*kmsg.FetchResponseTopicPartition, error) {
	ctx, stop := context.WithTimeout(ctx, f.k.patience)
	defer stop()
	leader, id, err := f.k.leader(ctx, f.span)
	if err != nil {
		return nil, err
	}
	part := kmsg.NewFetchRequestTopicPartition()
	part.Partition, part.FetchOffset, part.PartitionMaxBytes = f.Partition, f.next, fetchBytes
	topic := kmsg.NewFetchRequestTopic()
	topic.Topic, topic.TopicID = f.topic, id
	topic.Partitions = append(topic.Partitions, part)
	request := kmsg.NewPtrFetchRequest()
	request.MinBytes, request.MaxBytes, request.MaxWaitMillis = 1, fetchBytes, fetchWait
	request.IsolationLevel = committed
	if f.look {
		request.IsolationLevel = uncommitted
	}
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, leader)
	if err != nil {
		return nil, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return nil, cmp.Or(kerr.ErrorForCode(answer.ErrorCode), error(kerr.UnknownServerError))
	}
	return &answer.Topics[0].Partitions[0], nil
}

// again returns an error that ends reading. Otherwise it has waited.
func (f *fetcher) again(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if _, final := errors.AsType[*InputError](err); final {
		return err
	}
	f.k.forget(f.topic)
	if lost(err) {
		rest := f.span
		rest.Start = f.next
		if err := f.k.check(ctx, []span{rest}); err != nil {
			return err
		}
	}
	now := time.Now()
	if f.failed.IsZero() {
		f.failed = now
	}
	if now.Sub(f.failed) > f.k.patience {
		return fmt.Errorf("%s, offset %d: %w", f.place(), f.next, err)
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(fetchPause):
		return nil
	}
}

// lost are the errors that may mean that offsets, or their topic, are no more.
func lost(err error) bool {
	for _, e := range []error{kerr.OffsetOutOfRange, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.InconsistentTopicID} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
