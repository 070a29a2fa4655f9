package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"cohort/coordinator/wire"
)

const (
	barUnits = 10000 // a bar's resolution
	leastBar = 12    // columns, where the terminal is not narrow
)

// bars draws a progress bar for each stage that has started.
type bars struct {
	progress *mpb.Progress
	color    bool
	stages   map[string]*stageBar
	wait     patience
	drawn    bool  // the graph
	lines    plain // of graphs too large for bars
}

func newBars(w io.Writer, color bool) *bars {
	return &bars{
		progress: mpb.New(mpb.WithOutput(w), mpb.WithWidth(100), mpb.WithAutoRefresh()),
		color:    color,
		stages:   map[string]*stageBar{},
	}
}

func (b *bars) say(text string) { _, _ = fmt.Fprintln(b.progress, text) }

// end leaves the bars as they stand.
func (b *bars) end() {
	for _, s := range b.stages {
		s.bar.Abort(false)
	}
	b.progress.Wait()
}

func (b *bars) show(j wire.JobView) {
	if reason, ok := b.wait.due(j, time.Now()); ok {
		b.say(reason)
	}
	if large(j) {
		b.lines.w = b.progress
		b.lines.count(j)
		return
	}
	if !b.drawn && len(j.Stages) > 1 {
		b.say(strings.Join(drawGraph(j.Stages), "\n"))
	}
	b.drawn = true
	for _, s := range j.Stages {
		if s.Status == wire.Pending {
			continue
		}
		bar := b.stages[s.Name]
		if bar == nil {
			bar = b.add(s.Name)
		}
		bar.show(j, s)
	}
}

func (b *bars) add(name string) *stageBar {
	s := &stageBar{start: time.Now()}
	style := mpb.BarStyle().Lbound("[").Filler("=").Tip(">").Padding(" ").Rbound("]")
	if b.color {
		style = style.FillerMeta(green).TipMeta(green)
	}
	s.bar = b.progress.New(barUnits, style,
		mpb.BarWidth(24),
		mpb.PrependDecorators(decor.Name(name, decor.WCSyncSpaceR)),
		mpb.AppendDecorators(decor.Any(func(st decor.Statistics) string { return s.words(st.AvailableWidth) })))
	b.stages[name] = s
	return s
}

func green(s string) string { return "\x1b[32m" + s + "\x1b[0m" }

// A stageBar is one stage's line.
type stageBar struct {
	bar   *mpb.Bar
	start time.Time
	first float64 // what was done when the line was first drawn
	row   int64   // likewise, of rows whose total is not known
	since time.Time

	mu    sync.Mutex // guards below: the bar's goroutine reads
	parts []string   // the most important first
}

// words are as many of the line's parts as fit into width beside a bar.
func (s *stageBar) words(width int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := ""
	if width > 3*leastBar {
		width -= leastBar
	}
	for _, part := range s.parts {
		if width > 0 && len(line)+len(part)+1 > width {
			break
		}
		line += " " + part
	}
	return line
}

func (s *stageBar) show(j wire.JobView, v wire.StageView) {
	done, parts := 0.0, []string{string(v.Status)}
	switch reports := reportsOf(j, v.Name); {
	case v.Status == wire.Done:
		done = 1
		if v.Reused != "" {
			parts = []string{oneLine(v.Reason)}
		} else if v.Started > 0 {
			parts = []string{"done in " + span(time.Duration(v.Ended-v.Started)*time.Millisecond)}
		}
	case len(reports) > 0:
		done = fraction(reports)
		parts = s.running(reports, done)
	case len(v.Parts) > 0:
		done, parts = partsDone(v), []string{partsLine(v)}
	case v.Reason != "":
		parts = append(parts, oneLine(v.Reason))
	}
	s.mu.Lock()
	s.parts = parts
	s.mu.Unlock()
	s.bar.SetCurrent(int64(done * barUnits))
}

// partsDone is the share of a stage's trials or folds that have ended, of those
// that it is to have.
func partsDone(v wire.StageView) float64 {
	total, _ := partsOf(v)
	return min(1, float64(partsEnded(v))/float64(max(1, total)))
}

func (s *stageBar) running(reports []wire.Progress, done float64) []string {
	if s.first == 0 {
		s.first, s.start = done, time.Now()
	}
	r, _ := finished(reports)
	var parts []string
	switch {
	case r.Epochs > 0:
		parts = append([]string{fmt.Sprintf("epoch %d/%d", r.Epoch, r.Epochs)}, figures(r)...)
	case r.Message != "":
		parts = append([]string{oneLine(r.Message)}, s.pace(r)...)
	}
	if left := s.left(done); left != "" {
		parts = append(parts, left)
	}
	return parts
}

// pace is how many rows are done of a total that nobody knows, and how fast.
func (s *stageBar) pace(r wire.Progress) []string {
	if r.Done == 0 || r.Total > 0 {
		return nil
	}
	parts := []string{grouped(r.Done)}
	if s.row == 0 || r.Done < s.row {
		s.row, s.since = r.Done, time.Now()
	} else if passed := time.Since(s.since).Seconds(); passed > 1 {
		parts = append(parts, grouped(int64(float64(r.Done-s.row)/passed))+"/s")
	}
	return parts
}

// left is the time left at the pace so far; early stopping may make it less.
func (s *stageBar) left(done float64) string {
	passed := time.Since(s.start)
	if done-s.first < 0.005 || passed < 2*time.Second {
		return ""
	}
	return "at most " + span(time.Duration(float64(passed)*(1-done)/(done-s.first))) + " left"
}
