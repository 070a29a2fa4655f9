package state_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

func incident(id string) wire.Alert {
	return wire.Alert{ID: id, Rule: "r", Status: wire.AlertFiring, Text: "broken", Count: 1, Since: 5}
}

// alertBodies are commands on two incidents and a silence.
func alertBodies(t *rapid.T, k int) map[wire.Number]any {
	a := incident(rapid.SampledFrom([]string{"a1", "a2"}).Draw(t, "incident"))
	if a.Since = int64(k); rapid.Bool().Draw(t, "over") {
		a.Status, a.Ended = wire.AlertResolved, int64(k)
	}
	return map[wire.Number]any{
		wire.CmdPutAlerts: wire.PutAlerts{
			Alerts: []wire.Alert{a}, Told: []wire.Told{{ID: a.ID, Receiver: "ops", At: int64(k)}},
		},
		wire.CmdAckAlert: wire.AckAlert{ID: a.ID, By: "ann"},
		wire.CmdPutSilence: wire.PutSilence{Silence: wire.Silence{
			ID: "s", Rule: "r", By: "ann", Reason: "known", Until: int64(1000 * rapid.IntRange(1, 60).Draw(t, "until")),
		}},
	}
}

func (l *log) alert(id string) wire.Alert {
	l.t.Helper()
	a, ok := l.s.Read().Alert(nil, id)
	if !ok {
		l.t.Fatalf("no alert %s", id)
	}
	return *a
}

func (l *log) putAlert(a wire.Alert) {
	l.t.Helper()
	l.must(wire.CmdPutAlerts, wire.PutAlerts{Alerts: []wire.Alert{a}})
}

func TestTheLeaderDoesNotOverwriteAPersonsWordNorANotice(t *testing.T) {
	l := newLog(t)
	l.putAlert(incident("a"))
	l.must(wire.CmdAckAlert, wire.AckAlert{ID: "a", By: "ann", Note: "mine"})
	l.refused(wire.CodeConflict, wire.CmdAckAlert, wire.AckAlert{ID: "a", By: "ann", Note: "mine"})
	l.refused(wire.CodeNotFound, wire.CmdAckAlert, wire.AckAlert{ID: "b"})
	l.must(wire.CmdPutAlerts, wire.PutAlerts{Told: []wire.Told{{ID: "a", Receiver: "x", At: 9}, {ID: "gone", Receiver: "x", At: 9}}})
	l.must(wire.CmdPutAlerts, wire.PutAlerts{Told: []wire.Told{{ID: "a", Receiver: "x", At: 8}, {ID: "a", Receiver: "y", At: 7}}})
	stale := incident("a") // as the leader read it before
	stale.Count, stale.Text = 2, "more"
	l.putAlert(stale)
	a := l.alert("a")
	if a.Status != wire.AlertAcknowledged || a.By != "ann" || a.Note != "mine" || a.Count != 2 || a.Text != "more" {
		t.Errorf("got %+v", a)
	}
	if d := cmp.Diff(map[string]int64{"x": 9, "y": 7}, a.Notified); d != "" {
		t.Error(d)
	}
	stale.Status, stale.Ended = wire.AlertResolved, 9
	l.putAlert(stale)
	if a := l.alert("a"); a.Status != wire.AlertResolved || a.Ended != 10 || a.By != "ann" {
		t.Errorf("over: %+v", a)
	}
	l.putAlert(incident("a"))
	if a := l.alert("a"); a.Status != wire.AlertResolved {
		t.Errorf("open again: %+v", a)
	}
	l.refused(wire.CodeConflict, wire.CmdAckAlert, wire.AckAlert{ID: "a", By: "bob"})
	l.refused(wire.CodeInvalid, wire.CmdPutAlerts, wire.PutAlerts{Alerts: []wire.Alert{{ID: "a"}}})
}

func TestTheHistoryOfIncidentsIsBounded(t *testing.T) {
	l := newLog(t)
	l.putAlert(incident("open"))
	for k := range 1005 {
		a := incident(fmt.Sprint("a", k))
		a.Status, a.Ended = wire.AlertResolved, int64(10_000-k) // the last to come ended first
		l.putAlert(a)
	}
	v := l.s.Read()
	ended := v.EndedAlerts(nil, 0)
	if len(ended) != 1000 || ended[0].ID != "a0" || ended[999].ID != "a999" || len(v.EndedAlerts(nil, 3)) != 3 {
		t.Errorf("%d are kept, from %s to %s", len(ended), ended[0].ID, ended[len(ended)-1].ID)
	}
	if open := v.OpenAlerts(nil); len(open) != 1 || open[0].ID != "open" {
		t.Errorf("open: %+v", open)
	}
}

func TestSilencesBeginAndEnd(t *testing.T) {
	l := newLog(t)
	s := wire.Silence{ID: "s", Rule: "r", Labels: map[string]string{"job": "j"}, Until: l.now + 1000, By: "ann", Reason: "known"}
	l.must(wire.CmdPutSilence, wire.PutSilence{Silence: s})
	l.refused(wire.CodeConflict, wire.CmdPutSilence, wire.PutSilence{Silence: s})
	l.refused(wire.CodeNotFound, wire.CmdPutSilence, wire.PutSilence{Silence: wire.Silence{ID: "t", Until: 1}})
	l.refused(wire.CodeInvalid, wire.CmdPutSilence, wire.PutSilence{Silence: wire.Silence{ID: "t", Until: l.now + 1000}})
	for _, c := range []struct {
		rule, job string
		now       int64
		want      bool
	}{{"r", "j", 0, true}, {"q", "j", 0, false}, {"r", "i", 0, false}, {"r", "j", s.Until, false}} {
		if got := s.Holds(&wire.Alert{Rule: c.rule, Labels: map[string]string{"job": c.job, "run": "x"}}, c.now); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	l.must(wire.CmdPutSilence, wire.PutSilence{Silence: wire.Silence{ID: "s", Until: l.now - 1}})
	got := l.s.Read().Silences(nil)
	if len(got) != 1 || got[0].Until >= l.now || got[0].Reason != "known" || got[0].By != "ann" {
		t.Errorf("got %+v", got)
	}
	l.putAlert(incident("a"))
	var b bytes.Buffer
	if _, err := l.s.Read().WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	restored := state.New()
	if err := restored.Restore(&b); err != nil {
		t.Fatal(err)
	}
	if restored.Read().Hash() != l.s.Read().Hash() || len(restored.Read().OpenAlerts(nil)) != 1 || len(restored.Read().Silences(nil)) != 1 {
		t.Error("restored otherwise")
	}
}
