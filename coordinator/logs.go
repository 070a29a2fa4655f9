package coordinator

import (
	"context"
	"strings"
	"sync"
	"time"

	"cohort/coordinator/httpapi"
	"cohort/coordinator/wire"
	"cohort/dataplane/stream"
)

// pageLines is how many lines a page of a log holds.
const pageLines = 500

// streamLogs keeps logs on JetStream.
type streamLogs struct{ conn *stream.Conn }

var _ httpapi.Logs = streamLogs{}

func (s streamLogs) Append(ctx context.Context, task string, lines []string) error {
	job, _, _ := strings.Cut(task, "/")
	return s.conn.Log(ctx, job, task, lines)
}

func (s streamLogs) Read(ctx context.Context, job string, from uint64, wait time.Duration) (wire.LogsReply, error) {
	entries, next, err := s.conn.ReadLog(ctx, job, from, pageLines, wait)
	if err != nil {
		return wire.LogsReply{}, err
	}
	reply := wire.LogsReply{Lines: []wire.LogLine{}, Next: next}
	for _, e := range entries {
		reply.Lines = append(reply.Lines, wire.LogLine{Seq: e.Seq, Time: e.Time, Task: e.Task, Text: e.Text})
	}
	return reply, nil
}

// memoryLogs keeps the last lines of all jobs, for a node without a stream.
type memoryLogs struct {
	mu      sync.Mutex // guards below
	lines   []wire.LogLine
	seq     uint64
	changed chan struct{}
}

var _ httpapi.Logs = (*memoryLogs)(nil)

// keepLines bounds the memory of logs.
const keepLines = 10_000

func newMemoryLogs() *memoryLogs { return &memoryLogs{changed: make(chan struct{})} }

func (m *memoryLogs) Append(_ context.Context, task string, lines []string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, text := range lines {
		m.seq++
		m.lines = append(m.lines, wire.LogLine{Seq: m.seq, Time: time.Now().UnixMilli(), Task: task, Text: text})
	}
	if over := len(m.lines) - keepLines; over > 0 {
		m.lines = append([]wire.LogLine(nil), m.lines[over:]...)
	}
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

func (m *memoryLogs) Read(ctx context.Context, job string, from uint64, wait time.Duration) (wire.LogsReply, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		reply, changed := m.page(job, from)
		if len(reply.Lines) > 0 {
			return reply, nil
		}
		select {
		case <-changed:
		case <-timer.C:
			return reply, nil
		case <-ctx.Done():
			return reply, nil
		}
	}
}

// page is what is there from a sequence number on.
func (m *memoryLogs) page(job string, from uint64) (wire.LogsReply, <-chan struct{}) {
	m.mu.Lock()
	defer m.mu.Unlock()
	reply := wire.LogsReply{Lines: []wire.LogLine{}, Next: max(from, 1)}
	for _, l := range m.lines {
		if l.Seq >= from && strings.HasPrefix(l.Task, job+"/") && len(reply.Lines) < pageLines {
			reply.Lines = append(reply.Lines, l)
			reply.Next = l.Seq + 1
		}
	}
	return reply, m.changed
}
