package alert

import (
	"slices"
	"time"

	"cohort/coordinator/wire"
)

// Kind says what a notice is about.
type Kind string

// The kinds.
const (
	Fired    Kind = "firing"
	Grew     Kind = "grown"
	Reminded Kind = "reminder"
	Over     Kind = "resolved"
)

// Notice is what one receiver is to be told of one incident.
type Notice struct {
	Receiver string
	Kind     Kind
	Alert    wire.Alert
	At       int64 // to be kept as told
	After    int64 // when it was told last
	Held     bool  // to be kept as told though a silence held it back
}

// Waits of notices.
const (
	// Gather is how long an incident's first notice waits for what goes wrong with it.
	Gather = 5 * time.Second
	// Regroup is the least time between two notices of an incident that grows.
	Regroup = 5 * time.Minute
	// Stale is how long after its end an incident is told, where a receiver was down.
	Stale = time.Hour
)

// Mail is what notices are found in.
type Mail struct {
	Open, Ended []*wire.Alert
	Silences    []*wire.Silence
	Rules       []wire.AlertRule
	Receivers   []string
	Told        map[string]map[string]int64 // receiver → incident → told by this process; the state may not hold it yet
	Now         int64
}

// Due lists the notices to be given now, one at most for each incident and receiver.
func Due(m Mail) []Notice {
	var due []Notice
	for _, a := range slices.Concat(m.Open, m.Ended) {
		rule, ok := ruleNamed(m.Rules, a.Rule)
		silent := slices.ContainsFunc(m.Silences, func(s *wire.Silence) bool { return s.Holds(a, m.Now) })
		for _, r := range m.Receivers {
			if ok && len(rule.To) > 0 && !slices.Contains(rule.To, r) {
				continue
			}
			told := max(a.Notified[r], m.Told[r][a.ID])
			if kind, ok := m.kind(a, rule, told, silent); ok {
				due = append(due, Notice{
					Receiver: r, Kind: kind, Alert: *a, After: told, At: max(m.Now, a.Grown, a.Ended), Held: silent && kind == Over,
				})
			}
		}
	}
	return due
}

func ruleNamed(rules []wire.AlertRule, name string) (wire.AlertRule, bool) {
	for _, r := range rules {
		if r.Name == name {
			return r, true
		}
	}
	return wire.AlertRule{}, false
}

func (m Mail) kind(a *wire.Alert, rule wire.AlertRule, told int64, silent bool) (Kind, bool) {
	if a.Status == wire.AlertResolved {
		brief := told == 0 && (a.Ended-a.Since < Gather.Milliseconds() || a.By != "") // whoever took care of it knows
		return Over, told < a.Ended && m.Now-a.Ended < Stale.Milliseconds() && !brief
	}
	switch again := rule.AgainMS(); {
	case silent, a.Status == wire.AlertAcknowledged:
		return "", false
	case told == 0:
		return Fired, m.Now-a.Since >= Gather.Milliseconds()
	case a.Grown > told && m.Now-told >= Regroup.Milliseconds():
		return Grew, true
	default:
		return Reminded, again > 0 && m.Now-told >= again
	}
}
