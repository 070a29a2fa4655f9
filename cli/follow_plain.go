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
	stages map[string]string // name → what was last said of it
	reason string
	epoch  int     // the last one said
	auc    float64 // of that epoch
}

func newPlain(w io.Writer) *plain { return &plain{w: w, stages: map[string]string{}} }

func (p *plain) say(text string) { fmt.Fprintln(p.w, text) }

func (p *plain) end() {}

func (p *plain) show(j wire.JobView) {
	if j.Reason != p.reason && j.Reason != "" && !j.Status.Final() {
		p.say("waiting: " + oneLine(j.Reason))
	}
	p.reason = j.Reason
	for _, s := range j.Stages {
		p.stage(s)
	}
	p.epochs(j)
}

// epochs says a finished epoch once its figures are in: they follow the count
// of steps by the time that validation takes.
func (p *plain) epochs(j wire.JobView) {
	n := finished(j.Progress)
	if n <= p.epoch || j.ValidAUC == 0 || j.ValidAUC == p.auc {
		return
	}
	p.epoch, p.auc = n, j.ValidAUC
	p.say(strings.Join(append([]string{fmt.Sprintf("epoch %d/%d", n, j.Epochs)}, figures(j)...), "  "))
}

func (p *plain) stage(s wire.StageView) {
	text := string(s.Status)
	if s.Status == wire.Done && s.Started > 0 {
		text += " in " + span(time.Duration(s.Ended-s.Started)*time.Millisecond)
	}
	if s.Reason != "" && s.Status != wire.Pending {
		text += ": " + oneLine(s.Reason)
	}
	before := p.stages[s.Name]
	p.stages[s.Name] = text
	if before != text && s.Status != wire.Pending {
		p.say(s.Name + " " + text)
	}
}
