package worker

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"cohort/coordinator/wire"
)

// maxLines bounds the log lines of a task that wait for the next report.
const maxLines = 500

// reports gathers progress and log lines of tasks and sends them in the
// background: a task never waits for the coordinator.
type reports struct {
	api interface {
		Progress(ctx context.Context, p wire.Progress) error
	}
	sending sync.Mutex // one report at a time, so that they arrive in order

	mu   sync.Mutex // guards below
	open map[wire.TokenOf]*report
}

type report struct {
	last    wire.Progress
	lines   []string
	dropped int
	dirty   bool
}

func newReports(api Coordinator) *reports {
	return &reports{api: api, open: map[wire.TokenOf]*report{}}
}

// entry is called with the lock held.
func (r *reports) entry(of wire.TokenOf) *report {
	e := r.open[of]
	if e == nil {
		e = &report{}
		r.open[of] = e
	}
	e.dirty = true
	return e
}

// put takes a task's newest progress; its lines are added to those that wait.
func (r *reports) put(of wire.TokenOf, p wire.Progress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entry(of)
	e.add(p.Lines...)
	p.Lines = nil
	p.Task, p.Token = of.Task, of.Token
	e.last = p
}

// line adds a log line.
func (r *reports) line(of wire.TokenOf, text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entry(of).add(text)
}

func (e *report) add(lines ...string) {
	e.lines = append(e.lines, lines...)
	if over := len(e.lines) - maxLines; over > 0 {
		e.lines = append([]string(nil), e.lines[over:]...)
		e.dropped += over
	}
}

// forget ends a task's reports.
func (r *reports) forget(of wire.TokenOf) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, of)
}

// run sends what is new, several times a second, until ctx ends.
func (r *reports) run(ctx context.Context) {
	for pause(ctx, reportEvery) {
		r.mu.Lock()
		var dirty []wire.TokenOf
		for of, e := range r.open {
			if e.dirty {
				dirty = append(dirty, of)
			}
		}
		r.mu.Unlock()
		for _, of := range dirty {
			r.flush(ctx, of)
		}
	}
}

// flush sends a task's report if there is something new. Lines that do not get
// through wait for the next one.
func (r *reports) flush(ctx context.Context, of wire.TokenOf) {
	r.sending.Lock()
	defer r.sending.Unlock()
	p, dropped, ok := r.take(of)
	if !ok {
		return
	}
	lines := p.Lines
	if dropped > 0 {
		p.Lines = append([]string{fmt.Sprintf("(%d lines left out)", dropped)}, lines...)
	}
	call, cancel := context.WithTimeout(ctx, reportWait)
	defer cancel()
	if err := r.api.Progress(call, p); err == nil || final(err) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if e := r.open[of]; e != nil {
		newer := e.lines
		e.lines, e.dirty = lines, true
		e.dropped += dropped
		e.add(newer...)
	}
}

func (r *reports) take(of wire.TokenOf) (p wire.Progress, dropped int, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.open[of]
	if e == nil || !e.dirty {
		return p, 0, false
	}
	p, dropped = e.last, e.dropped
	p.Task, p.Token, p.Lines = of.Task, of.Token, e.lines
	e.lines, e.dropped, e.dirty = nil, 0, false
	return p, dropped, true
}

// handler logs to next and copies each record into the task's report.
func (r *reports) handler(of wire.TokenOf, next slog.Handler) slog.Handler {
	return &taskLog{reports: r, of: of, next: next}
}

type taskLog struct {
	reports *reports
	of      wire.TokenOf
	next    slog.Handler
	attrs   string
}

func (l *taskLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelInfo }

func (l *taskLog) Handle(ctx context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Time.UTC().Format(time.RFC3339))
	if r.Level != slog.LevelInfo {
		b.WriteString(" " + r.Level.String())
	}
	b.WriteString(" " + r.Message + l.attrs)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(attr(a))
		return true
	})
	l.reports.line(l.of, b.String())
	if l.next.Enabled(ctx, r.Level) {
		return l.next.Handle(ctx, r)
	}
	return nil
}

func attr(a slog.Attr) string {
	v := a.Value.String()
	if strings.ContainsAny(v, " \n\t\"") {
		return fmt.Sprintf(" %s=%q", a.Key, v)
	}
	return " " + a.Key + "=" + v
}

func (l *taskLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	c := *l
	for _, a := range attrs {
		c.attrs += attr(a)
	}
	c.next = l.next.WithAttrs(attrs)
	return &c
}

func (l *taskLog) WithGroup(name string) slog.Handler {
	c := *l
	c.next = l.next.WithGroup(name)
	return &c
}
