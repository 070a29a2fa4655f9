package wire

// The API of incidents and silences.
//
//	GET  /v1/alerts?ended=N           []AlertView: open ones, oldest first, then the last N that ended
//	GET  /v1/alerts/{id}              AlertView
//	POST /v1/alerts/{id}/ack          AckRequest      SubmitReply
//	GET  /v1/silences                 []Silence, those that are over too
//	POST /v1/silences                 SilenceRequest  SubmitReply
//	POST /v1/silences/{id}/end                        SubmitReply

// AlertView is an incident as a person or a program sees it.
type AlertView struct {
	Alert
	Silence string `json:"silence,omitempty"` // that holds back its notices now
}

// AckRequest says that who asks takes care of an incident.
type AckRequest struct {
	Note string `json:"note,omitempty"`
}

// SilenceRequest holds back notices. At least one of Rule, Labels and All is given.
type SilenceRequest struct {
	Rule   string            `json:"rule,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	All    bool              `json:"all,omitempty"` // whatever it is
	ForMS  int64             `json:"for_ms"`
	Reason string            `json:"reason"`
}
