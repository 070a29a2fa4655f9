package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cohort/dataplane"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// LogEntry is one line of a task's log.
type LogEntry struct {
	Seq  uint64
	Time int64 // Unix milliseconds
	Task string
	Text string
}

// headerTask carries the task, whose subject is escaped.
const headerTask = "Cohort-Task"

// maxLogLine bounds a line; the rest is cut.
const maxLogLine = 16 << 10

// Log adds lines to a task's log.
func (c *Conn) Log(ctx context.Context, job, task string, lines []string) error {
	subject := dataplane.LogSubject(job, task)
	for _, line := range lines {
		m := nats.NewMsg(subject)
		m.Header.Set(headerTask, task)
		m.Data = []byte(line[:min(len(line), maxLogLine)])
		if _, err := c.js.PublishMsg(ctx, m); err != nil {
			return fmt.Errorf("log: %w", err)
		}
	}
	return nil
}

// ReadLog reads up to limit lines of a job's tasks from sequence number from
// on, waiting up to wait for the first. next is where to read on.
func (c *Conn) ReadLog(ctx context.Context, job string, from uint64, limit int, wait time.Duration) (lines []LogEntry, next uint64, err error) {
	from = max(from, 1)
	s, err := c.js.Stream(ctx, dataplane.StreamLogs)
	if err != nil {
		return nil, from, fmt.Errorf("read log: %w", err)
	}
	consumer, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{dataplane.JobLogSubject(job)}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from,
	})
	if err != nil {
		return nil, from, fmt.Errorf("read log: %w", err)
	}
	next = from
	add := func(m jetstream.Msg) {
		at, err := m.Metadata()
		if err != nil {
			return // no message of a stream
		}
		lines = append(lines, LogEntry{at.Sequence.Stream, at.Timestamp.UnixMilli(), m.Headers().Get(headerTask), string(m.Data())})
		next = at.Sequence.Stream + 1
	}
	batch, err := consumer.FetchNoWait(limit)
	if err == nil {
		for m := range batch.Messages() {
			add(m)
		}
		err = batch.Error()
	}
	if len(lines) == 0 && wait > 0 && err == nil {
		var m jetstream.Msg
		if m, err = consumer.Next(jetstream.FetchMaxWait(wait)); err == nil {
			add(m)
		}
	}
	if err != nil && !quietEnd(err) {
		return lines, next, fmt.Errorf("read log: %w", err)
	}
	return lines, next, nil
}

// quietEnd tells the errors that only say that nothing more is there now.
func quietEnd(err error) bool {
	return errors.Is(err, nats.ErrTimeout) || errors.Is(err, jetstream.ErrNoMessages) || errors.Is(err, context.Canceled)
}
