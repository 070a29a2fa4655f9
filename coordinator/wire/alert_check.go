package wire

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
)

// AlertsSpec is the section "alerts" of a coordinator's file.
type AlertsSpec struct {
	Rules     []AlertRule     `yaml:"rules"`
	Receivers []AlertReceiver `yaml:"receivers"`
}

// What a rule may watch.
const (
	WhenJobFailed   = "job-failed"
	WhenWaiting     = "stage-waiting"
	WhenWorkerLost  = "worker-lost"
	WhenNoWorkers   = "no-workers"
	WhenLate        = "schedule-late"
	WhenDataGate    = "data-gate"
	WhenDrift       = "drift"
	WhenRolledBack  = "model-rolled-back"
	WhenDegraded    = "deployment-degraded"
	WhenLeaderFlaps = "leader-changes"
)

// AlertConditions lists them.
func AlertConditions() []string {
	return []string{
		WhenJobFailed, WhenWaiting, WhenWorkerLost, WhenNoWorkers, WhenLate, WhenDataGate, WhenDrift, WhenRolledBack, WhenDegraded,
		WhenLeaderFlaps,
	}
}

// AlertLabels lists the labels that rules may group by. Job is a job's name, run
// its id.
func AlertLabels() []string {
	return []string{"job", "run", "stage", "schedule", "worker", "model"}
}

// DefaultAlertRules are those of a cluster that names receivers alone: whatever
// needs a person, told once, and again only where nothing works meanwhile.
func DefaultAlertRules() []AlertRule {
	return []AlertRule{
		{Name: WhenJobFailed, When: WhenJobFailed},
		{Name: WhenDataGate, When: WhenDataGate, Group: []string{"job"}},
		{Name: WhenDrift, When: WhenDrift, Group: []string{"job"}},
		{Name: WhenWaiting, When: WhenWaiting, For: "15m"},
		{Name: WhenWorkerLost, When: WhenWorkerLost, For: "1m"},
		{Name: WhenNoWorkers, When: WhenNoWorkers, For: "1m", Again: "4h"},
		{Name: WhenLate, When: WhenLate, Group: []string{"schedule"}},
		{Name: WhenRolledBack, When: WhenRolledBack, Group: []string{"model"}},
		{Name: WhenDegraded, When: WhenDegraded, For: "2m", Group: []string{"model"}, Again: "4h"},
		{Name: WhenLeaderFlaps, When: WhenLeaderFlaps},
	}
}

// Filled is the section with the default rules where receivers come without any.
func (s AlertsSpec) Filled() AlertsSpec {
	if len(s.Rules) == 0 && len(s.Receivers) > 0 {
		s.Rules = DefaultAlertRules()
	}
	return s
}

// Noter records a fault of the key at a path, "alerts.rules[0].when".
type Noter func(path, format string, args ...any)

// ParseChecked reads as ParseStrict does, and then lets check note faults of
// keys; all of them come back, with their lines.
func ParseChecked(file string, text []byte, into any, check func(Noter)) error {
	d := newDecoder(file, nil)
	if root := d.document(text); root != nil {
		d.decode(root, into)
		check(d.at)
	}
	if len(d.faults) > 0 {
		return &SpecError{Faults: d.sorted()}
	}
	return nil
}

// Check notes every fault of the section, which is at path.
func (s AlertsSpec) Check(path string, note Noter) {
	if len(s.Rules) > 0 && len(s.Receivers) == 0 {
		note(path+".rules", "are given, but no receivers: nobody would be told")
	}
	names := map[string]bool{}
	for k, r := range s.Receivers {
		at := fmt.Sprintf("%s.receivers[%d]", path, k)
		name(at, r.Name, names, note)
		r.check(at, note)
	}
	receivers := names
	names = map[string]bool{}
	for k, r := range s.Rules {
		at := fmt.Sprintf("%s.rules[%d]", path, k)
		name(at, r.Name, names, note)
		r.check(at, receivers, note)
	}
}

// name checks the name of an entry, and that no other has it.
func name(at, name string, seen map[string]bool, note Noter) {
	switch {
	case name == "":
		note(at, "has no name")
	case strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		note(at+".name", "%q has blanks", name)
	case seen[name]:
		note(at+".name", "%q is taken by another", name)
	}
	seen[name] = true
}

func (r AlertRule) check(at string, receivers map[string]bool, note Noter) {
	oneOf(at+".when", r.When, AlertConditions(), note)
	duration(at+".for", r.For, note)
	duration(at+".again", r.Again, note)
	for k, g := range r.Group {
		oneOf(fmt.Sprintf("%s.group[%d]", at, k), g, AlertLabels(), note)
	}
	for k, to := range r.To {
		if !receivers[to] {
			note(fmt.Sprintf("%s.to[%d]", at, k), "%q is no receiver", to)
		}
	}
}

func oneOf(at, got string, known []string, note Noter) {
	if slices.Contains(known, got) {
		return
	}
	hint := "known: " + strings.Join(known, ", ")
	if near := Nearest(got, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	note(at, "%q is unknown; %s", got, hint)
}

// duration checks a text that may be empty.
func duration(at, text string, note Noter) {
	if text == "" {
		return
	}
	if d, err := time.ParseDuration(text); err != nil || d <= 0 {
		note(at, "%q is no duration above zero, such as 2m", text)
	}
}

func (r AlertReceiver) check(at string, note Noter) {
	oneOf(at+".kind", r.Kind, []string{"webhook", "slack", "email"}, note)
	duration(at+".timeout", r.Timeout, note)
	unwanted := map[string]string{"server": r.Server, "from": r.From, "to": strings.Join(r.To, ","), "user": r.User, "password": r.Secret}
	if r.Kind == "email" {
		unwanted = map[string]string{"url": r.URL}
		r.checkEmail(at, note)
	} else {
		r.checkURL(at, note)
	}
	for _, key := range []string{"url", "server", "from", "to", "user", "password"} {
		if unwanted[key] != "" {
			note(at+"."+key, "does not go with kind %s", r.Kind)
		}
	}
}

// ForMS is For in milliseconds, 0 where there is none.
func (r AlertRule) ForMS() int64 { return milliseconds(r.For) }

// AgainMS is Again in milliseconds, 0 where there is none.
func (r AlertRule) AgainMS() int64 { return milliseconds(r.Again) }

// Reference reports whether a text is a reference to a secret.
func Reference(text string) bool {
	kind, rest, ok := strings.Cut(text, ":")
	return ok && (kind == "env" || kind == "file") && rest != "" && !strings.HasPrefix(rest, "//")
}

// checkURL never repeats the URL: who knows Slack's may write to its channel.
func (r AlertReceiver) checkURL(at string, note Noter) {
	switch u, err := url.Parse(r.URL); {
	case r.URL == "":
		note(at, "has no url")
	case Reference(r.URL):
	case r.Kind == "slack":
		note(at+".url", "is a secret: name it by reference, env:NAME or file:PATH")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		note(at+".url", "is no http or https URL, nor a reference env:NAME or file:PATH")
	case u.User != nil:
		note(at+".url", "holds a password: name the URL by reference, env:NAME or file:PATH")
	}
}

func (r AlertReceiver) checkEmail(at string, note Noter) {
	if host, port, err := net.SplitHostPort(r.Server); err != nil || host == "" || port == "" {
		note(at+".server", "%q is not HOST:PORT", r.Server)
	}
	if _, err := mail.ParseAddress(r.From); err != nil {
		note(at+".from", "%q is no mail address", r.From)
	}
	if len(r.To) == 0 {
		note(at, "has no to: who gets the mail?")
	}
	for k, to := range r.To {
		if _, err := mail.ParseAddress(to); err != nil {
			note(fmt.Sprintf("%s.to[%d]", at, k), "%q is no mail address", to)
		}
	}
	if (r.User == "") != (r.Secret == "") {
		note(at, "has one of user and password; give both or none")
	}
	if r.Secret != "" && !Reference(r.Secret) {
		note(at+".password", "is a secret: name it by reference, env:NAME or file:PATH")
	}
	if r.NoTLS && r.Secret != "" {
		note(at+".insecure", "would send the password in the clear")
	}
}

// ReasonLeft begins the reason of a node that is down because it left in order.
const ReasonLeft = "left in order"
