package worker

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"cohort/coordinator/wire"
)

// A promotion asks until the coordinator has its last word.
func TestAPromotionOutlivesItsCoordinator(t *testing.T) {
	simulated(t, func(t *testing.T, c *cluster) {
		cfg := config(t, c)
		report, _, err := cfg.Blobs.Put(t.Context(), bytes.NewReader([]byte(`{"evaluation":{"of":{"auc":0.8}}}`)))
		if err != nil {
			t.Fatal(err)
		}
		n, err := Start(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer end(t, c, n)
		c.versions = []wire.ModelVersion{{Version: 7, Manifest: "mine"}}
		inputs := map[string]string{"manifest": "mine", "evaluation": report}
		settings := `{"name":"m","gates":{"auc":0.5,"improvement":0.01}}`

		c.do(func() { c.down = true })
		c.assignWith("job/promote/0", wire.StagePromote, settings, inputs)
		pass(3 * time.Second)
		c.do(func() { c.down = false })
		c.until(t, "promotion", func() bool { return len(c.results) == 1 })
		if r := c.results[0]; r.Error != "" || !strings.Contains(string(r.Result), `"promoted":true,"version":7`) || len(c.promotions) != 1 || c.promotions[0].Stage != wire.Production {
			t.Errorf("%+v, asked for %+v", r, c.promotions)
		}

		c.promoted = wire.Outcome{Code: wire.CodeGate, Error: "refused"}
		for _, k := range []struct {
			settings string
			cause    wire.Cause
			result   string
		}{
			{settings, wire.CauseNone, `"promoted":false`},
			{`{"name":"m","gates":{"auc":0.9,"improvement":0.01}}`, wire.CauseGate, ""},
			{`{"name":"m","gates":{"auc":0.5,"improvement":0.01},"deploy":{"replicas":1}}`, wire.CauseNone, `"promoted":false`},
		} {
			done := len(c.results)
			c.assignWith("job/promote/0", wire.StagePromote, k.settings, inputs)
			c.until(t, "refusal", func() bool { return len(c.results) == done+1 })
			if r := c.results[done]; r.Cause != k.cause || !strings.Contains(string(r.Result), k.result) {
				t.Errorf("%s: %+v", k.settings, r)
			}
		}
		if last := c.promotions[len(c.promotions)-1]; last.Stage != "" || last.Version != 7 {
			t.Errorf("the last one asked for %+v", last)
		}
		c.promoted.Code = wire.CodeConflict
		c.assignWith("job/promote/0", wire.StagePromote, settings, inputs)
		c.until(t, "conflict", func() bool { return len(c.results) == 5 })
		if r := c.results[4]; r.Cause != wire.CauseTask || r.Error != "refused" {
			t.Errorf("a conflict: %+v", r)
		}
	})
}
