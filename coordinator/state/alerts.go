package state

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"cohort/coordinator/wire"
)

// keepAlerts is how many incidents that are over are kept.
const keepAlerts = 1000

// applyAlerts is the end of apply's switch.
func (t *tx) applyAlerts(env wire.Envelope) (id string, refused *wire.Error) {
	switch env.Number {
	case wire.CmdPutAlerts:
		return do(env, t.putAlerts)
	case wire.CmdAckAlert:
		return do(env, t.ackAlert)
	case wire.CmdPutSilence:
		return do(env, t.putSilence)
	default:
		panic(fmt.Sprintf("state: command %d is unknown to this binary: upgrade it", env.Number))
	}
}

func (t *tx) alert(id string) *wire.Alert {
	return first[wire.Alert](t.Txn, tableAlerts, "id", id)
}

func (t *tx) putAlerts(c wire.PutAlerts) (string, *wire.Error) {
	for _, a := range c.Alerts {
		if a.ID == "" || a.Rule == "" || a.Since == 0 {
			return "", refuse(wire.CodeInvalid, "an incident needs an id, a rule and a beginning")
		}
		t.putAlert(a)
	}
	for _, told := range c.Told {
		if old := t.alert(told.ID); old != nil {
			t.setAlert(*old, func(a *wire.Alert) { tell(a, told.Receiver, told.At) })
		}
	}
	t.dropAlerts()
	return "", nil
}

// setAlert stores a changed copy.
func (t *tx) setAlert(a wire.Alert, change func(*wire.Alert)) {
	change(&a)
	a.ModifyIndex = t.index
	t.put(tableAlerts, &a)
}

// tell never goes back: notices may be kept in another order than they were sent.
func tell(a *wire.Alert, receiver string, at int64) {
	a.Notified = maps.Clone(a.Notified)
	if a.Notified == nil {
		a.Notified = map[string]int64{}
	}
	a.Notified[receiver] = max(a.Notified[receiver], at)
}

// putAlert stores what the leader found, but for what is a person's (who takes
// care of it) and for the notices, which are told apart. What is over stays so.
func (t *tx) putAlert(a wire.Alert) {
	old := t.alert(a.ID)
	if old == nil {
		a.By, a.Note, a.CreateIndex = "", "", t.index
		t.setAlert(a, func(*wire.Alert) {})
		return
	}
	if old.Status == wire.AlertResolved {
		return
	}
	a.By, a.Note, a.Notified, a.Since, a.CreateIndex = old.By, old.Note, old.Notified, old.Since, old.CreateIndex
	if a.Status == wire.AlertFiring {
		a.Status = old.Status
	}
	if a.Status == wire.AlertResolved { // whoever was told it before is to be told that it is over
		for _, at := range a.Notified {
			a.Ended = max(a.Ended, at+1)
		}
	}
	t.setAlert(a, func(*wire.Alert) {})
}

// dropAlerts forgets the oldest of what is over.
func (t *tx) dropAlerts() {
	over := list[wire.Alert](nil, t.Txn, tableAlerts, "over")
	for _, a := range over[:max(0, len(over)-keepAlerts)] {
		must(0, t.Delete(tableAlerts, a))
	}
}

func (t *tx) ackAlert(c wire.AckAlert) (string, *wire.Error) {
	a := t.alert(c.ID)
	switch {
	case a == nil:
		return "", refuse(wire.CodeNotFound, "no alert %s", c.ID)
	case a.Status == wire.AlertResolved:
		return "", refuse(wire.CodeConflict, "alert %s is over", a.ID)
	case a.Status == wire.AlertAcknowledged && a.By == c.By && a.Note == c.Note:
		return "", refuse(wire.CodeConflict, "alert %s is acknowledged by %s already", a.ID, a.By)
	}
	t.setAlert(*a, func(a *wire.Alert) { a.Status, a.By, a.Note = wire.AlertAcknowledged, c.By, c.Note })
	return a.ID, nil
}

func (t *tx) putSilence(c wire.PutSilence) (string, *wire.Error) {
	s := c.Silence
	switch old := first[wire.Silence](t.Txn, tableSilences, "id", s.ID); {
	case s.ID == "":
		return "", refuse(wire.CodeInvalid, "a silence needs an id")
	case old != nil && s.Until > t.now:
		return "", refuse(wire.CodeConflict, "silence %s exists", s.ID)
	case old != nil:
		ended := *old
		ended.Until, ended.ModifyIndex = min(old.Until, s.Until), t.index
		t.put(tableSilences, &ended)
	case s.Until <= t.now:
		return "", refuse(wire.CodeNotFound, "no silence %s", s.ID)
	case s.Reason == "":
		return "", refuse(wire.CodeInvalid, "a silence needs a reason")
	default:
		s.CreateIndex, s.ModifyIndex = t.index, t.index
		t.put(tableSilences, &s)
	}
	t.dropSilences()
	return s.ID, nil
}

// dropSilences forgets the silences that are over, oldest first, but for some.
func (t *tx) dropSilences() {
	var over []*wire.Silence
	for _, s := range list[wire.Silence](nil, t.Txn, tableSilences, "id") {
		if s.Until <= t.now {
			over = append(over, s)
		}
	}
	slices.SortFunc(over, func(a, b *wire.Silence) int { return cmp.Or(cmp.Compare(a.Until, b.Until), cmp.Compare(a.ID, b.ID)) })
	for _, s := range over[:max(0, len(over)-keepAlerts)] {
		must(0, t.Delete(tableSilences, s))
	}
}

// overKey is the index of incidents that are over, oldest first.
func overKey(a *wire.Alert) []byte {
	if a.Status != wire.AlertResolved {
		return nil
	}
	return append(number(uint64(a.Ended)), text(a.ID)...)
}

// firingKey is the index of those that are not.
func firingKey(a *wire.Alert) []byte {
	if a.Status == wire.AlertResolved {
		return nil
	}
	return append(number(a.CreateIndex), text(a.ID)...)
}

// Alert finds an incident.
func (v *View) Alert(w *Watch, id string) (*wire.Alert, bool) {
	return get[wire.Alert](v, w, tableAlerts, id)
}

// OpenAlerts lists the incidents that are not over, oldest first.
func (v *View) OpenAlerts(w *Watch) []*wire.Alert {
	return all[wire.Alert](v, w, tableAlerts, "open")
}

// EndedAlerts lists up to limit of the incidents that are over, the last to end
// first; 0 is all.
func (v *View) EndedAlerts(w *Watch, limit int) []*wire.Alert {
	w.add(must(v.txn.Get(tableAlerts, "over")).WatchCh())
	w.add(v.dropped)
	return collect[wire.Alert](must(v.txn.GetReverse(tableAlerts, "over")), limit)
}

// Silences lists the silences by id, those that are over too.
func (v *View) Silences(w *Watch) []*wire.Silence {
	return all[wire.Silence](v, w, tableSilences, "id")
}
