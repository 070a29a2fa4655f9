package source

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
)

// partitionsAhead is how many partitions are read at a time. Rows are handed on in order
// all the same: the partitions that come later wait with a few chunks ready.
const partitionsAhead = 4

// tombstone is why a record without a value is left out.
const tombstone = "tombstone"

// kafkaRow is a record, taken apart.
type kafkaRow struct {
	offset int64
	none   bool   // a tombstone
	fault  *Fault // nil: values hold it
	values Values
}

// kafkaChunk is what one request gave of a partition, or why there is no more.
type kafkaChunk struct {
	rows []kafkaRow
	err  error
}

// Read implements Source.
func (k *kafka) Read(ctx context.Context, plan json.RawMessage, r *Reader) error {
	p, err := parseKafkaPlan(plan)
	if err != nil {
		return err
	}
	var spans []span
	for _, s := range p.spans() {
		if s.holds() {
			spans = append(spans, s)
		}
	}
	if err := k.check(ctx, spans); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	queue := make(chan chan kafkaChunk, partitionsAhead-1)
	x := newExtractor(r.Names())
	group.Go(func() {
		defer close(queue)
		for _, s := range spans {
			out := make(chan kafkaChunk, 2)
			select {
			case queue <- out:
			case <-ctx.Done():
				return
			}
			group.Go(func() { k.readSpan(ctx, s, x, out) })
		}
	})
	for _, s := range spans {
		out, ok := <-queue
		if !ok {
			return ctx.Err()
		}
		if err := take(s, out, r); err != nil {
			return err
		}
		if ctx.Err() != nil { // s may have ended early
			return ctx.Err()
		}
	}
	return nil
}

// take hands the rows of one partition on.
func take(s span, in <-chan kafkaChunk, r *Reader) error {
	var row *kafkaRow
	at := func() string { return fmt.Sprintf("%s, offset %d", s.place(), row.offset) }
	for chunk := range in {
		if chunk.err != nil {
			return chunk.err
		}
		for k := range chunk.rows {
			row = &chunk.rows[k]
			var err error
			switch {
			case row.none:
				r.Leave(tombstone)
			case row.fault != nil:
				err = r.Bad(at(), row.fault)
			default:
				err = r.Row(at, &row.values)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// check finds out whether spans are still all there.
func (k *kafka) check(ctx context.Context, spans []span) error {
	var topics []string
	for _, s := range spans {
		if len(topics) == 0 || topics[len(topics)-1] != s.topic {
			topics = append(topics, s.topic)
		}
	}
	if len(topics) == 0 {
		return nil
	}
	now, err := k.offsets(ctx, topics)
	if err != nil {
		return err
	}
	at := map[string]span{}
	for _, s := range (kafkaPlan{now}).spans() {
		at[s.place()] = s
	}
	for _, s := range spans {
		has, ok := at[s.place()]
		if !ok {
			return s.fault("the partition is gone: its topic was made anew since offset %d was planned", s.End)
		}
		if err := covers(has, s); err != nil {
			return err
		}
	}
	return nil
}

// readSpan fetches a partition's records and takes them apart. It closes out,
// with an error before unless all of s is there.
func (k *kafka) readSpan(ctx context.Context, s span, x *extractor, out chan<- kafkaChunk) {
	defer close(out)
	send := func(c kafkaChunk) bool {
		select {
		case out <- c:
			return true
		case <-ctx.Done():
			return false
		}
	}
	f := fetcher{k: k, span: s, next: s.Start}
	for f.next < s.End {
		records, err := f.fetch(ctx)
		if err != nil {
			send(kafkaChunk{err: err})
			return
		}
		rows := make([]kafkaRow, len(records))
		for j, record := range records {
			rows[j].offset, rows[j].none = record.Offset, record.Value == nil
			if !rows[j].none {
				rows[j].fault = x.values(string(record.Value), &rows[j].values)
			}
		}
		if len(rows) > 0 && !send(kafkaChunk{rows: rows}) {
			return
		}
	}
}
