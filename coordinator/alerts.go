package coordinator

import (
	"context"
	"time"

	"cohort/coordinator/alert"
	"cohort/coordinator/alert/notify"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
)

// alertTick is how often the leader looks for incidents and for notices to give.
const alertTick = time.Second

// watcher is a coordinator's view of incidents, in a loop of its own: nothing that
// it waits for holds up the leader's other duties.
type watcher struct {
	node    *Node
	courier *notify.Courier
	seen    map[string]int64 // as alert.Decision says; nil out of office
	term    uint64
	changes []int64 // when the leader changed, within alert.FlapWindow
}

// watchAlerts runs until ctx ends.
func (n *Node) watchAlerts(ctx context.Context) {
	if len(n.cfg.Rules) == 0 {
		return
	}
	w := &watcher{node: n, courier: notify.Start(ctx, n.cfg.Receivers, n.log), term: n.consensus.Term()}
	defer w.courier.Wait()
	ticker := time.NewTicker(alertTick)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			w.look(ctx, time.Now())
		}
	}
}

func (w *watcher) look(ctx context.Context, now time.Time) {
	w.count(now)
	_, in := w.node.office.Serving() //nolint:contextcheck // only whether it is
	v := w.node.state.Read()
	if !in || v.Level() < wire.CmdPutAlerts.Level() {
		w.seen = nil
		w.courier.Sync(nil)
		return
	}
	w.evaluate(ctx, v, now.UnixMilli())
	w.tell(ctx, w.node.state.Read(), now.UnixMilli())
}

// count notes a new term.
func (w *watcher) count(now time.Time) {
	if term := w.node.consensus.Term(); term != w.term {
		w.term = term
		w.changes = append(w.changes, now.UnixMilli())
	}
	for len(w.changes) > 0 && now.UnixMilli()-w.changes[0] > alert.FlapWindow.Milliseconds() {
		w.changes = w.changes[1:]
	}
}

func (w *watcher) evaluate(ctx context.Context, v *state.View, now int64) {
	d := alert.Evaluate(alert.Input{
		View: v, Facts: alert.Facts{LeaderChanges: len(w.changes)}, Rules: w.node.cfg.Rules, Now: now, Seen: w.seen,
	})
	w.seen = d.Seen
	if len(d.Changes) == 0 {
		return
	}
	for _, a := range d.Changes {
		w.node.log.Info("incident", "alert", a.ID, "rule", a.Rule, "status", string(a.Status), "text", a.Text)
	}
	w.node.propose(ctx, wire.CmdPutAlerts, wire.PutAlerts{Alerts: d.Changes})
}

// mostEnded is how many incidents that are over are looked at for notices: the
// others ended long ago.
const mostEnded = 200

// tell keeps what was told, and hands the courier what is to be told now. A
// receiver whose notice was taken but not kept, because this node fell, gets it
// again from the next leader.
func (w *watcher) tell(ctx context.Context, v *state.View, now int64) {
	told := w.courier.Told()
	w.courier.Sync(alert.Due(alert.Mail{
		Open: v.OpenAlerts(nil), Ended: v.EndedAlerts(nil, mostEnded), Silences: v.Silences(nil), Rules: w.node.cfg.Rules,
		Receivers: w.courier.Receivers(), Told: told, Now: now,
	}))
	var keep []wire.Told
	for receiver, incidents := range told {
		for id, at := range incidents {
			if a, ok := v.Alert(nil, id); !ok || a.Notified[receiver] >= at {
				w.courier.Kept(wire.Told{ID: id, Receiver: receiver, At: at})
				continue
			}
			keep = append(keep, wire.Told{ID: id, Receiver: receiver, At: at})
		}
	}
	if len(keep) > 0 {
		w.node.propose(ctx, wire.CmdPutAlerts, wire.PutAlerts{Told: keep})
	}
}
