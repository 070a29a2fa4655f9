// Package alert decides which incidents a cluster has, and who is to be told of
// them. It is pure: state, time and what the leader remembers come as arguments.
package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// Facts are what the leader knows beside the state.
type Facts struct {
	LeaderChanges int // within FlapWindow, as this coordinator saw them
}

// FlapWindow is how far back leader changes count.
const FlapWindow = 10 * time.Minute

// Input is what a decision is made of.
type Input struct {
	View  View
	Facts Facts
	Rules []wire.AlertRule
	Now   int64            // Unix milliseconds
	Seen  map[string]int64 // the last Decision's; a new leader begins with none
}

// Decision is what changes: incidents that open, change or are over.
type Decision struct {
	Changes []wire.Alert
	Seen    map[string]int64 // since when each thing has been seen to be wrong
}

// fact is a thing that is wrong now. Its text must not change while it lasts.
type fact struct {
	key    string // among those of its condition
	labels map[string]string
	text   string
	todo   string // for a person
	since  int64  // 0: not known, counted from when it is first seen
}

// Evaluate compares what is wrong with the incidents that are open.
func Evaluate(in Input) Decision {
	d := &decider{Input: in, out: Decision{Seen: map[string]int64{}}, facts: find(in)}
	open := map[string]map[string]*wire.Alert{} // rule → group → incident
	for _, a := range in.View.OpenAlerts(nil) {
		r, known := ruleNamed(in.Rules, a.Rule)
		if !known { // its rule is gone
			d.resolve(a)
			continue
		}
		if open[a.Rule] == nil {
			open[a.Rule] = map[string]*wire.Alert{}
		}
		group := groupOf(r, a.Labels)
		if older := open[a.Rule][group]; older != nil { // the rule told them apart before
			d.resolve(older)
		}
		open[a.Rule][group] = a
	}
	for _, r := range in.Rules {
		d.apply(r, open[r.Name])
	}
	return d.out
}

type decider struct {
	Input
	facts map[string][]fact // by condition
	out   Decision
}

// apply brings the incidents of a rule up to date. One that is open stays so as
// long as anything of its group is wrong, also under a leader that has not seen it
// for long.
func (d *decider) apply(r wire.AlertRule, open map[string]*wire.Alert) {
	groups := map[string][]fact{} // those that have lasted; of a group that has none yet, none
	for _, f := range d.facts[r.When] {
		key := groupOf(r, f.labels)
		ripe := groups[key]
		if d.since(r.When, f)+r.ForMS() <= d.Now {
			ripe = append(ripe, f)
		}
		groups[key] = ripe
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		if ripe := groups[key]; len(ripe) > 0 {
			d.fire(r, key, ripe, open[key])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(open)) {
		if _, wrong := groups[key]; !wrong {
			d.resolve(open[key])
		}
	}
}

// since is when a thing went wrong, as far as is known.
func (d *decider) since(when string, f fact) int64 {
	if f.since != 0 {
		return f.since
	}
	key := when + "\x00" + f.key
	at, ok := d.Seen[key]
	if !ok {
		at = d.Now
	}
	d.out.Seen[key] = at
	return at
}

// fire opens an incident, or changes the one that is open.
func (d *decider) fire(r wire.AlertRule, key string, things []fact, open *wire.Alert) {
	text, labels := describe(things), shared(things)
	if open == nil {
		d.out.Changes = append(d.out.Changes, wire.Alert{
			ID: identity(r.Name, key, d.Now), Rule: r.Name, Labels: labels, Status: wire.AlertFiring, Text: text,
			Count: len(things), Since: d.Now,
		})
		return
	}
	if open.Text == text && open.Count >= len(things) && maps.Equal(open.Labels, labels) {
		return
	}
	a := *open
	a.Text, a.Labels = text, labels
	if len(things) > a.Count {
		a.Count, a.Grown = len(things), afterAll(d.Now, open)
	}
	d.out.Changes = append(d.out.Changes, a)
}

func (d *decider) resolve(open *wire.Alert) {
	a := *open
	a.Status, a.Ended = wire.AlertResolved, afterAll(d.Now, open)
	d.out.Changes = append(d.out.Changes, a)
}

// afterAll is now, or later than any notice where the clock of a leader before
// was ahead of this one's.
func afterAll(now int64, a *wire.Alert) int64 {
	for _, at := range a.Notified {
		now = max(now, at+1)
	}
	return now
}

// groupOf tells the incidents of a rule apart.
func groupOf(r wire.AlertRule, labels map[string]string) string {
	parts := make([]string, len(r.Group))
	for k, name := range r.Group {
		parts[k] = labels[name]
	}
	return strings.Join(parts, "\x00")
}

// identity is the id of an incident that opens now.
func identity(rule, group string, now int64) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d", rule, group, now))
	return "al-" + hex.EncodeToString(sum[:4])
}

// shared are the labels that all things have alike, those of the group among them.
func shared(things []fact) map[string]string {
	labels := maps.Clone(things[0].labels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, f := range things[1:] {
		maps.DeleteFunc(labels, func(k, v string) bool { return f.labels[k] != v })
	}
	return labels
}

// mostTold is how many things an incident's text names.
const mostTold = 5

// describe says what is wrong and what to do. What is told is the first by key, so
// that the text is the same as long as the things are.
func describe(things []fact) string {
	sorted := slices.Clone(things)
	slices.SortFunc(sorted, func(a, b fact) int { return cmp.Compare(a.key, b.key) })
	var texts []string
	for _, f := range sorted[:min(mostTold, len(sorted))] {
		texts = append(texts, f.text)
	}
	text := strings.Join(texts, "; ")
	if more := len(sorted) - mostTold; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text + ". " + sorted[0].todo
}

// View is the part of the state that incidents are found in.
type View interface {
	Jobs(w *state.Watch, limit int) []*wire.Job
	OpenJobs() []*wire.Job
	Stages(w *state.Watch, job string) []*wire.Stage
	Waiting(job string) []*wire.Stage
	Nodes(w *state.Watch) []*wire.Node
	OpenAlerts(w *state.Watch) []*wire.Alert
	Deployments(w *state.Watch) []*wire.Deployment
	Replicas(model string) map[int][]string
	Evaluation(w *state.Watch, id string) (*wire.Evaluation, bool)
}
