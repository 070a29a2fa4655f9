package wire

// AlertRule says when a person must act.
type AlertRule struct {
	Name string `yaml:"name" json:"name"`
	// When names what is watched: job-failed, stage-waiting, worker-lost,
	// no-workers, schedule-late, data-gate, drift, model-rolled-back,
	// deployment-degraded, leader-changes. A refusal for lack of improvement is none.
	When  string   `yaml:"when" json:"when"`
	For   string   `yaml:"for" json:"for,omitempty"`     // how long it must hold, such as 2m; empty: at once
	Group []string `yaml:"group" json:"group,omitempty"` // labels that make incidents of one rule different: job, model, worker
	To    []string `yaml:"to" json:"to,omitempty"`       // names of receivers; empty: all
	Again string   `yaml:"again" json:"again,omitempty"` // reminder while it is neither over nor acknowledged, such as 4h; empty: none
}

// AlertReceiver is where incidents are told. Secrets are references, env:NAME or file:PATH.
type AlertReceiver struct {
	Name    string   `yaml:"name" json:"name"`
	Kind    string   `yaml:"kind" json:"kind"` // webhook | slack | email
	URL     string   `yaml:"url" json:"url,omitempty"`
	Server  string   `yaml:"server" json:"server,omitempty"` // of email, HOST:PORT
	From    string   `yaml:"from" json:"from,omitempty"`
	To      []string `yaml:"to" json:"to,omitempty"`
	User    string   `yaml:"user" json:"user,omitempty"`
	Secret  string   `yaml:"password" json:"password,omitempty"`
	NoTLS   bool     `yaml:"insecure" json:"insecure,omitempty"`
	Timeout string   `yaml:"timeout" json:"timeout,omitempty"`
}

// AlertStatus is where an incident stands.
type AlertStatus string

// The statuses of an incident.
const (
	AlertFiring       AlertStatus = "firing"
	AlertAcknowledged AlertStatus = "acknowledged"
	AlertResolved     AlertStatus = "resolved"
)

// Alert is an incident: all that fires under one rule and group until it is over.
type Alert struct {
	ID       string            `json:"id"`
	Rule     string            `json:"rule"`
	Labels   map[string]string `json:"labels"`
	Status   AlertStatus       `json:"status"`
	Text     string            `json:"text"`  // what is wrong, and what to do
	Count    int               `json:"count"` // things that fire under it, at most at once
	Since    int64             `json:"since_ms"`
	Ended    int64             `json:"ended_ms,omitempty"`
	Grown    int64             `json:"grown_ms,omitempty"` // when Count last rose
	Notified map[string]int64  `json:"notified,omitempty"` // receiver → when it was last told
	By       string            `json:"by,omitempty"`       // who acknowledged it
	Note     string            `json:"note,omitempty"`
	Meta
}

// Silence holds back the notices of incidents that match, not the incidents.
type Silence struct {
	ID     string            `json:"id"`
	Rule   string            `json:"rule,omitempty"` // empty: all
	Labels map[string]string `json:"labels,omitempty"`
	Until  int64             `json:"until_ms"`
	By     string            `json:"by"`
	Reason string            `json:"reason"`
	Meta
}

// PutAlerts opens, changes and resolves incidents, and keeps who was told.
type PutAlerts struct {
	Alerts []Alert `json:"alerts,omitempty"`
	Told   []Told  `json:"told,omitempty"`
}

// Told says that a receiver took the notice of how an incident stood at a time.
type Told struct {
	ID       string `json:"id"`
	Receiver string `json:"receiver"`
	At       int64  `json:"at_ms"`
}

// AckAlert says that a person takes care of an incident.
type AckAlert struct {
	ID   string `json:"id"`
	By   string `json:"by"`
	Note string `json:"note,omitempty"`
}

// PutSilence begins a silence, or ends the one of its ID with Until in the past.
type PutSilence struct {
	Silence Silence `json:"silence"`
}

// Holds reports whether a silence holds back the notices of an incident now,
// Unix milliseconds.
func (s *Silence) Holds(a *Alert, now int64) bool {
	if now >= s.Until || s.Rule != "" && s.Rule != a.Rule {
		return false
	}
	for k, v := range s.Labels {
		if a.Labels[k] != v {
			return false
		}
	}
	return true
}
