package gateway

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	bolt "go.etcd.io/bbolt"

	"cohort/coordinator/wire"
)

func TestLatenciesFallIntoBucketsThatEndAboveThem(t *testing.T) {
	at := -1
	for us := int64(0); us < 100_000_000; us += 1 + us/50 {
		k := bucket(time.Duration(us) * time.Microsecond)
		if k < at || top(k) <= us || us >= 8 && float64(top(k)) > float64(us)*1.13+1 {
			t.Fatalf("%d µs is in bucket %d, that ends at %d", us, k, top(k))
		}
		at = k
	}
	if k := bucket(time.Hour); k != latencies-1 {
		t.Errorf("an hour is in bucket %d", k)
	}
}

func TestLiveStatisticsAreOfLately(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{meters: meters{all: map[version]*meter{}}, reports: reports{all: map[string]report{}}}
		for k := range 200 {
			took := time.Millisecond
			if k >= 195 {
				took = 100 * time.Millisecond
			}
			g.meters.of("m", 2).request(time.Now(), took, k%50 == 0)
		}
		for k := range 4 {
			g.meters.of("m", 2).answer(0.75, k < 2)
		}
		s := g.Live("m")[2]
		if s.Version != 2 || s.Requests != 200 || s.Errors != 4 || s.P99MS < 100 || s.P99MS > 113 || s.Answers != 4 || s.Right != 2 || s.Calibration() != 0.25 {
			t.Errorf("%+v", s)
		}
		g.meters.of("other", 1).request(time.Now(), time.Millisecond, false)
		if all := g.meters.windows(time.Now(), "m"); len(all) != 1 || len(all["m"]) != 1 {
			t.Errorf("of one model: %+v", all)
		}
		// What another gateway saw is added, while its report is new.
		w := wire.LiveWindow{Since: 1, Requests: 800, Latency: make([]int64, latencies)}
		w.Latency[bucket(time.Millisecond)] = 800
		g.reports.put(wire.GatewayReport{Gateway: "c2", Models: map[string]map[int]wire.LiveWindow{"m": {2: w}}})
		if s := g.Live("m")[2]; s.Requests != 1000 || s.Errors != 4 || s.P99MS > 2 || s.Since != 1 {
			t.Errorf("with another's: %+v", s)
		}
		<-time.After(slots * time.Second)
		if s := g.Live("m")[2]; s.Requests != 0 || s.Answers != 4 {
			t.Errorf("ten seconds later: %+v", s)
		}
		<-time.After(answerAge)
		if all := g.Live("m"); len(all) != 0 || len(g.meters.all) != 1 {
			t.Errorf("much later: %+v", all)
		}
		g.Serving = func() (context.Context, bool) { return t.Context(), true }
		g.LeaderURL = func() string { return "" }
		g.report(t.Context())
		if len(g.meters.all) != 0 {
			t.Error("the leader forgets nothing")
		}
	})
}

func TestTheGatewayMeasuresWhatItHandsOn(t *testing.T) {
	o := newOffice(t, "")
	good, bad := newFake(t), newFake(t)
	bad.status.Store(http.StatusInternalServerError)
	o.deploy(deployed(routes(50, 50), []*fake{good}, []*fake{bad}))
	for range 40 {
		o.send("/invocations", ``)
	}
	live := o.Live("m")
	if live[1].Errors != 0 || live[2].Errors != live[2].Requests || live[1].Requests+live[2].Requests != 40 || live[2].Errors == 0 {
		t.Errorf("%+v", live)
	}
	o.deploy(deployed(routes(100), []*fake{good}))
	want, p := 0.0, 0.0
	for k, right := range []bool{true, false, true, true} {
		if k > 0 {
			want += p
		}
		_, r := o.attempt("ann", string(rune('a'+k)), "s1", right)
		p = r.P["s1"]
		o.attempt("ann", string(rune('a'+k)), "s1", right) // again: counts once
	}
	// The first answer of a window has nothing before it.
	if s := o.Live("m")[1]; s.Answers != 3 || s.Right != 2 || math.Abs(s.Predicted-want) > 1e-12 {
		t.Errorf("%+v, want predictions of %v", s, want)
	}
	var status wire.GatewayStatus
	_, text, _ := o.get("/v1/gateway/status")
	if err := json.Unmarshal([]byte(text), &status); err != nil || len(status.Models) != 1 || len(status.Models[0].Replicas) != 1 || len(status.Models[0].Live) != 2 {
		t.Errorf("%s, %v", text, err)
	}
	if code, text, _ := o.send("/v1/gateway/stats", `{}`); code != http.StatusBadRequest {
		t.Errorf("a bare report: %d %s", code, text)
	}
}

// A version all of whose replicas fail is to blame, though another answers.
func TestAVersionThatDoesNotAnswerIsToBlame(t *testing.T) {
	o := newOffice(t, "")
	good, dead := newFake(t), newFake(t)
	o.deploy(deployed(routes(50, 50), []*fake{good}, []*fake{dead}))
	dead.kill()
	until(t, "a fault of version 2", func() bool {
		if status, text, _ := o.send("/invocations", ``); status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
		return o.Live("m")[2].Errors > 0
	})
	if s := o.Live("m")[1]; s.Errors != 0 || s.Requests == 0 {
		t.Errorf("%+v", s)
	}
}

// What the gateway itself can't read is told of, and no replica is to blame.
func TestAFaultOfTheIndexIsNoReplicas(t *testing.T) {
	o := newOffice(t, t.TempDir())
	o.deploy(deployed(routes(100), []*fake{newFake(t), newFake(t)}))
	for k := range fakeWindow + 2 {
		o.attempt("ann", string(rune('a'+k)), "s1", true)
	}
	if err := o.seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := o.index.(*file).db.Update(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte(bucketAttempts)).Delete(placeKey("ann", fakeWindow))
	}); err != nil {
		t.Fatal(err)
	}
	before := o.Live("m")[1].Requests
	o.deploy(deployed(routes(100), []*fake{newFake(t), newFake(t)})) // who know nobody
	status, r := o.attempt("ann", "z", "s1", true)
	if s := o.Live("m")[1]; status != http.StatusAccepted || !strings.Contains(r.Why, "the index of attempts lacks some") || s.Errors != 0 || s.Requests != before {
		t.Errorf("%d %q, %+v", status, r.Why, s)
	}
	for _, one := range o.table.Load().models["m"].pools[1] {
		if one.shunned.Load() != 0 {
			t.Errorf("replica %s is shunned", one.addr)
		}
	}
}
