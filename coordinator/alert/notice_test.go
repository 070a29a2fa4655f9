package alert_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/alert"
	"cohort/coordinator/wire"
)

// due lists the notices that are due as "RECEIVER KIND", and keeps them as told.
func (w *world) due(receivers ...string) []string {
	w.t.Helper()
	v := w.s.Read()
	var told []wire.Told
	list := []string{}
	for _, n := range alert.Due(alert.Mail{
		Open: v.OpenAlerts(nil), Ended: v.EndedAlerts(nil, 10), Silences: v.Silences(nil), Rules: w.rules, Receivers: receivers, Now: w.now,
	}) {
		told = append(told, wire.Told{ID: n.Alert.ID, Receiver: n.Receiver, At: n.At})
		text := fmt.Sprint(n.Receiver, " ", n.Kind)
		if n.Held {
			text += " held"
		}
		list = append(list, text)
	}
	if len(told) > 0 {
		w.must(wire.CmdPutAlerts, wire.PutAlerts{Told: told})
	}
	slices.Sort(list)
	return list
}

func (w *world) told(want ...string) {
	w.t.Helper()
	if d := cmp.Diff(append([]string{}, want...), w.due("mail", "chat")); d != "" {
		w.t.Error(d)
	}
}

func (w *world) fail(name string) {
	w.t.Helper()
	w.run(wire.Job{ID: name, Name: name}, wire.StageNoop, wire.CauseFatal, "broken")
}

func TestAnIncidentIsToldOnceThenWhenItGrowsThenWhenItIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wire.AlertRule{Name: "r", When: wire.WhenJobFailed, Again: "1h"})
	w.node("w1")
	for k := range 30 {
		w.fail(fmt.Sprint("j", k))
	}
	w.look()
	w.told() // it gathers
	w.after(5 * time.Second)
	w.told("chat firing", "mail firing")
	w.after(time.Second)
	w.told()
	w.fail("more")
	w.after(time.Second)
	w.told()
	w.after(5 * time.Minute)
	w.told("chat grown", "mail grown")
	w.after(59 * time.Minute)
	w.told()
	w.after(time.Minute)
	w.told("chat reminder", "mail reminder")
	w.rules[0].To = []string{"mail"}
	w.after(25 * time.Hour)
	w.told("mail resolved")
	w.after(time.Second)
	w.told()
}

func TestAcknowledgedIsNotReminded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wire.AlertRule{Name: "r", When: wire.WhenJobFailed, Again: "1h"})
	w.node("w1")
	w.fail("a")
	w.look()
	w.after(5 * time.Second)
	w.told("chat firing", "mail firing")
	id := w.s.Read().OpenAlerts(nil)[0].ID
	w.must(wire.CmdAckAlert, wire.AckAlert{ID: id, By: "ann"})
	w.fail("b")
	w.after(2 * time.Hour)
	w.told()
	a, _ := w.s.Read().Alert(nil, id)
	if a.Status != wire.AlertAcknowledged || a.By != "ann" || a.Count != 2 {
		t.Errorf("got %+v", a)
	}
	w.after(25 * time.Hour)
	w.told("chat resolved", "mail resolved")
}

func TestASilenceHoldsBackNoticesNotIncidents(t *testing.T) {
	t.Parallel()
	rule := wire.AlertRule{Name: "r", When: wire.WhenJobFailed, Group: []string{"job"}}
	w := newWorld(t, rule)
	w.node("w1")
	w.must(wire.CmdPutSilence, wire.PutSilence{Silence: wire.Silence{
		ID: "s", Rule: "r", Labels: map[string]string{"job": "a"}, Until: w.now + 3600*second, Reason: "known",
	}})
	w.fail("a")
	w.fail("b")
	w.look()
	w.after(5 * time.Second)
	w.told("chat firing", "mail firing") // of b
	w.expect("r map[job:a run:a] 1", "r map[job:b run:b] 1")
	w.run(wire.Job{ID: "a2", Name: "a"}, wire.StageNoop, wire.CauseNone, "")
	w.after(time.Minute)
	w.told("chat resolved held", "mail resolved held")
	w.run(wire.Job{ID: "a3", Name: "a"}, wire.StageNoop, wire.CauseFatal, "broken")
	w.after(time.Minute)
	w.told()
	w.after(time.Hour) // the silence is over, the incident is not
	w.told("chat firing", "mail firing")
}

func TestAnIncidentThatCameAndWent(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wire.AlertRule{Name: "r", When: wire.WhenJobFailed})
	w.node("w1")
	w.fail("a")
	w.look()
	w.run(wire.Job{ID: "a2", Name: "a"}, wire.StageNoop, wire.CauseNone, "")
	w.after(4 * time.Second)
	w.after(5 * time.Second)
	w.told() // too brief for anyone to mind
	w.run(wire.Job{ID: "a3", Name: "a"}, wire.StageNoop, wire.CauseFatal, "broken")
	w.look()
	w.run(wire.Job{ID: "a4", Name: "a"}, wire.StageNoop, wire.CauseNone, "")
	w.after(10 * time.Minute) // the receivers were down
	w.told("chat resolved", "mail resolved")
	w.run(wire.Job{ID: "a5", Name: "a"}, wire.StageNoop, wire.CauseFatal, "broken")
	w.look()
	w.run(wire.Job{ID: "a6", Name: "a"}, wire.StageNoop, wire.CauseNone, "")
	w.after(10 * time.Minute)
	w.now += 3600 * second
	w.told() // nobody needs to hear of it by now
}

// A leader whose clock is behind the one before must still tell the end.
func TestClocksOfLeadersDiffer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, wire.AlertRule{Name: "r", When: wire.WhenJobFailed})
	w.node("w1")
	w.fail("a")
	w.look()
	w.after(5 * time.Second)
	w.told("chat firing", "mail firing")
	w.now -= 60 * second
	w.run(wire.Job{ID: "a2", Name: "a"}, wire.StageNoop, wire.CauseNone, "")
	w.look()
	w.told("chat resolved", "mail resolved")
	w.after(time.Hour)
	w.told()
}
