package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"cohort/coordinator/wire"
)

// plain prints a line for each change of a stage and each epoch.
type plain struct {
	w      io.Writer
	stages map[string]string    // name → what was last said of it, from its start on
	told   map[string]time.Time // likewise, when, of a stage with parts
	wait   patience
	epoch  int    // the last one said
	drawn  bool   // the graph
	counts string // what was last said of a large graph
	said   time.Time
}

func newPlain(w io.Writer) *plain {
	return &plain{w: w, stages: map[string]string{}, told: map[string]time.Time{}}
}

func (p *plain) say(text string) { _, _ = fmt.Fprintln(p.w, text) }

func (p *plain) end() {}

func (p *plain) show(j wire.JobView) {
	if reason, ok := p.wait.due(j, time.Now()); ok {
		p.say(reason)
	}
	if large(j) {
		p.count(j)
		return
	}
	if !p.drawn && len(j.Stages) > 1 {
		p.say(strings.Join(drawGraph(j.Stages), "\n"))
	}
	p.drawn = true
	for _, s := range j.Stages {
		p.stage(s)
	}
	p.epochs(j)
}

// countEvery is how often the counts of a large graph are said.
const countEvery = 2 * time.Second

func (p *plain) count(j wire.JobView) {
	text, now := counts(j), time.Now()
	if text == p.counts || now.Sub(p.said) < countEvery && !j.Status.Final() {
		return
	}
	p.counts, p.said = text, now
	p.say(text)
}

// epochs says the newest finished epoch.
func (p *plain) epochs(j wire.JobView) {
	r, n := finished(j.Progress)
	if n <= p.epoch {
		return
	}
	p.epoch = n
	p.say(strings.Join(append([]string{fmt.Sprintf("epoch %d/%d", n, r.Epochs)}, figures(r)...), "  "))
}

func (p *plain) stage(s wire.StageView) {
	text := string(s.Status)
	if s.Status == wire.Done && s.Started > 0 {
		text += " in " + span(time.Duration(s.Ended-s.Started)*time.Millisecond)
	}
	if s.Reused != "" && s.Status == wire.Done {
		text = oneLine(s.Reason) // "unchanged since …"
	}
	if s.Status == wire.Pending && s.Reason != "" {
		text = oneLine(s.Reason) // "waits for …"
	}
	if parts := partsLine(s); parts != "" && s.Status != wire.Stopped {
		p.parts(s, text, parts)
		return
	}
	if text == p.stages[s.Name] || s.Status == wire.Stopped { // the job's own end says why
		return
	}
	if p.stages[s.Name] != "" || s.Status != wire.Pending || !waits(s) {
		p.stages[s.Name] = text
		p.say(s.Name + " " + text)
	}
}

// parts says how far the trials or folds of a stage are, now and then.
func (p *plain) parts(s wire.StageView, text, parts string) {
	now := time.Now()
	if s.Status == wire.Running || s.Status == wire.Pending {
		text = parts
		idle := s.Status == wire.Pending && partsEnded(s) == 0
		if idle || now.Sub(p.told[s.Name]) < countEvery {
			return
		}
	} else {
		text += ", " + parts
	}
	if text == p.stages[s.Name] {
		return
	}
	p.stages[s.Name], p.told[s.Name] = text, now
	p.say(s.Name + " " + text)
}
