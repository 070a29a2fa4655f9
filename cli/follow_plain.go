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
	stages map[string]string // name → what was last said of it, from its start on
	wait   patience
	epoch  int // the last one said
}

func newPlain(w io.Writer) *plain { return &plain{w: w, stages: map[string]string{}} }

func (p *plain) say(text string) { _, _ = fmt.Fprintln(p.w, text) }

func (p *plain) end() {}

func (p *plain) show(j wire.JobView) {
	if reason, ok := p.wait.due(j, time.Now()); ok {
		p.say(reason)
	}
	for _, s := range j.Stages {
		p.stage(s)
	}
	p.epochs(j)
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
	if s.Status == wire.Pending && s.Reason != "" {
		text = oneLine(s.Reason) // "waits for …"
	}
	if text == p.stages[s.Name] || s.Status == wire.Stopped { // the job's own end says why
		return
	}
	if p.stages[s.Name] != "" || s.Status != wire.Pending {
		p.stages[s.Name] = text
		p.say(s.Name + " " + text)
	}
}
