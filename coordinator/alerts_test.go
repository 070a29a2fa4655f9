package coordinator_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/alert"
	"cohort/coordinator/alert/notify"
	"cohort/coordinator/wire"
)

// inbox is a receiver that every coordinator tells.
type inbox struct {
	mu  sync.Mutex
	got []string
}

func (b *inbox) Send(_ context.Context, n alert.Notice) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, fmt.Sprintf("%s %s %d", n.Alert.Rule, n.Kind, n.Alert.Count))
	return nil
}

func (b *inbox) all() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

// dead is a receiver that never answers.
type dead struct{}

func (dead) Send(ctx context.Context, _ alert.Notice) error {
	<-ctx.Done()
	return ctx.Err()
}

// One incident, one notice: also where many jobs fail, a receiver hangs, and
// another coordinator leads.
func TestSimulatedIncidentIsToldOnceWhoeverLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		box := &inbox{}
		w := newWorldWith(t, seed(t), []wire.AlertRule{{Name: "broken", When: wire.WhenJobFailed}, {Name: "lost", When: wire.WhenWorkerLost, For: "1m"}},
			[]notify.Named{{Receiver: box, Name: "box"}, {Receiver: dead{}, Name: "dead"}})
		defer w.close()
		w.leader()
		api := w.client("user")
		for k := range 5 { // there is no worker yet
			r, err := api.Submit(t.Context(), graph(fmt.Sprint("j", k)))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := api.Stop(t.Context(), r.ID, wire.StopRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		w.startWorker("w1")
		sleep(time.Minute)
		if got := box.all(); len(got) != 0 {
			t.Errorf("jobs that a person stopped: %v", got)
		}
		if err := w.workers["w1"].Close(); err != nil {
			t.Fatal(err)
		}
		delete(w.workers, "w1")
		sleep(2 * time.Minute)
		want := []string{"lost firing 1"}
		if d := cmp.Diff(want, box.all()); d != "" {
			t.Fatal(d)
		}
		old := w.leader()
		if err := w.coordinators[old].Close(); err != nil {
			t.Fatal(err)
		}
		delete(w.coordinators, old)
		w.net.Host(old).CloseRaft()
		sleep(5 * time.Minute)
		if d := cmp.Diff(want, box.all()); d != "" {
			t.Errorf("under the next leader: %s", d)
		}
		alerts, err := api.Alerts(t.Context(), 0)
		if err != nil || len(alerts) != 1 || alerts[0].Notified["box"] == 0 || alerts[0].Notified["dead"] != 0 {
			t.Errorf("kept: %+v, %v", alerts, err)
		}
		w.startWorker("w1")
		sleep(time.Minute)
		want = append(want, "lost resolved 1")
		if d := cmp.Diff(want, box.all()); d != "" {
			t.Error(d)
		}
		if err := w.workers["w1"].Drain(t.Context()); err != nil { // it leaves in order
			t.Fatal(err)
		}
		if err := w.workers["w1"].Close(); err != nil {
			t.Fatal(err)
		}
		delete(w.workers, "w1")
		sleep(5 * time.Minute)
		if d := cmp.Diff(want, box.all()); d != "" {
			t.Errorf("a worker that left: %s", d)
		}
	})
}
