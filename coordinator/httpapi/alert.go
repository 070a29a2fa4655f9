package httpapi

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func (a *api) serveAlerts() {
	a.leader("GET /v1/alerts", a.alerts)
	a.leader("GET /v1/alerts/{id}", a.alert)
	a.leader("POST /v1/alerts/{id}/ack", a.ackAlert)
	a.leader("GET /v1/silences", a.silences)
	a.leader("POST /v1/silences", a.silence)
	a.leader("POST /v1/silences/{id}/end", a.endSilence)
}

// longestSilence bounds a silence: one that is forgotten must not last for ever.
const longestSilence = 30 * 24 * time.Hour

func (a *api) alerts(w http.ResponseWriter, r *http.Request) error {
	ended, err := count(r, "ended", 0)
	if err != nil {
		return err
	}
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		found := v.OpenAlerts(on)
		if ended > 0 {
			found = slices.Concat(found, v.EndedAlerts(on, ended))
		}
		views, silences := []wire.AlertView{}, v.Silences(on)
		for _, k := range found {
			views = append(views, alertView(k, silences))
		}
		return views, nil
	})
}

func (a *api) alert(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("id")
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		k, ok := v.Alert(on, id)
		if !ok {
			return nil, notFound("alert", id)
		}
		return alertView(k, v.Silences(on)), nil
	})
}

func alertView(k *wire.Alert, silences []*wire.Silence) wire.AlertView {
	view := wire.AlertView{Alert: *k}
	if k.Status == wire.AlertResolved {
		return view
	}
	now := time.Now().UnixMilli()
	for _, s := range silences {
		if s.Holds(k, now) {
			view.Silence = s.ID
		}
	}
	return view
}

func (a *api) ackAlert(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.AckRequest](r)
	if err != nil {
		return err
	}
	return a.write(w, r, wire.CmdAckAlert, wire.AckAlert{ID: r.PathValue("id"), By: r.Header.Get(wire.HeaderActor), Note: q.Note})
}

func (a *api) silences(w http.ResponseWriter, r *http.Request) error {
	return a.read(w, r, func(v *state.View, on *state.Watch) (any, error) {
		if all := v.Silences(on); all != nil {
			return all, nil
		}
		return []wire.Silence{}, nil
	})
}

func (a *api) silence(w http.ResponseWriter, r *http.Request) error {
	q, err := body[wire.SilenceRequest](r)
	if err != nil {
		return err
	}
	if err := checkSilence(q); err != nil {
		return err
	}
	return a.write(w, r, wire.CmdPutSilence, wire.PutSilence{Silence: wire.Silence{
		ID: silenceID(), Rule: q.Rule, Labels: q.Labels, Until: time.Now().UnixMilli() + q.ForMS,
		By: r.Header.Get(wire.HeaderActor), Reason: q.Reason,
	}})
}

func checkSilence(q wire.SilenceRequest) error {
	switch {
	case strings.TrimSpace(q.Reason) == "":
		return invalid("a silence needs a reason, for whoever wonders why nothing is told")
	case q.ForMS < 1 || q.ForMS > longestSilence.Milliseconds():
		return invalid("a silence lasts up to %d hours, not %d ms", int(longestSilence.Hours()), q.ForMS)
	case q.All != (q.Rule == "" && len(q.Labels) == 0):
		return invalid("say what is silenced: a rule, labels, or all")
	}
	for name := range q.Labels {
		if !slices.Contains(wire.AlertLabels(), name) {
			return invalid("label %q is unknown; known: %s", name, strings.Join(wire.AlertLabels(), ", "))
		}
	}
	return nil
}

func silenceID() string {
	var b [3]byte
	_, _ = rand.Read(b[:]) // never fails
	return "si-" + hex.EncodeToString(b[:])
}

func (a *api) endSilence(w http.ResponseWriter, r *http.Request) error {
	return a.write(w, r, wire.CmdPutSilence, wire.PutSilence{Silence: wire.Silence{ID: r.PathValue("id"), Until: time.Now().UnixMilli() - 1}})
}
