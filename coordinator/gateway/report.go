package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"cohort/coordinator/wire"
)

// reportAge is how old another gateway's report may be.
const reportAge = 5 * time.Second

// maxReport bounds a report's body.
const maxReport = 4 << 20

// reports are the other gateways' last, on the leader.
type reports struct {
	mu  sync.Mutex // guards below
	all map[string]report
}

type report struct {
	at time.Time
	wire.GatewayReport
}

func (r *reports) put(one wire.GatewayReport) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	maps.DeleteFunc(r.all, func(_ string, old report) bool { return now.Sub(old.at) > reportAge })
	r.all[one.Gateway] = report{now, one}
}

// windows are what the others saw of a model.
func (r *reports) windows(model string, now time.Time) (all []map[int]wire.LiveWindow) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.all {
		if now.Sub(one.at) <= reportAge {
			all = append(all, one.Models[model])
		}
	}
	return all
}

// Live is what the gateways saw of a model's versions lately: on the leader all of
// them, elsewhere this one alone.
func (g *Gateway) Live(model string) map[int]wire.LiveStats {
	now := time.Now()
	seen := map[int][]wire.LiveWindow{}
	for _, by := range append(g.reports.windows(model, now), g.meters.windows(now, model)[model]) {
		for v, w := range by {
			seen[v] = append(seen[v], w)
		}
	}
	all := map[int]wire.LiveStats{}
	for v, windows := range seen {
		all[v] = live(v, windows)
	}
	return all
}

// report tells the leader, where another coordinator leads.
func (g *Gateway) report(ctx context.Context) {
	seen := g.meters.windows(time.Now(), "") // on the leader too: it forgets
	base := g.LeaderURL()
	if _, leads := g.Serving(); leads || base == "" || len(seen) == 0 { //nolint:contextcheck // only whether it leads
		return
	}
	text, err := json.Marshal(wire.GatewayReport{Gateway: g.ID, Models: seen})
	if err != nil {
		g.Logger.Error("live statistics could not be encoded", "error", err)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reportEvery)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/v1/gateway/stats", bytes.NewReader(text))
	if err != nil {
		return
	}
	reply, err := g.transport.RoundTrip(req)
	if err != nil {
		g.Logger.Debug("the leader takes no live statistics", "error", err)
		return
	}
	_, _ = io.Copy(io.Discard, reply.Body) // so that the connection is used again
	_ = reply.Body.Close()                 // read only
}

// takeReport keeps another gateway's report.
func (g *Gateway) takeReport(w http.ResponseWriter, r *http.Request) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReport))
	if err != nil {
		return invalid("the body can't be read, or is longer than %d bytes", maxReport)
	}
	var one wire.GatewayReport
	if err := json.Unmarshal(text, &one); err != nil || one.Gateway == "" {
		return invalid("the body is no report of a gateway")
	}
	g.reports.put(one)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// status says how the gateway fares.
func (g *Gateway) status(w http.ResponseWriter, _ *http.Request) error {
	_, leads := g.Serving()
	quiet := g.quiet()
	s := wire.GatewayStatus{Gateway: g.ID, Degraded: quiet > silence, Leader: leads, Silence: quiet.Seconds(), Models: []wire.GatewayModel{}}
	t, now := g.table.Load(), time.Now().UnixNano()
	for _, name := range t.names {
		m := t.models[name]
		row := wire.GatewayModel{Model: name, Routes: m.routes, Replicas: []wire.GatewayReplica{}, Live: []wire.LiveStats{}}
		for _, v := range slices.Sorted(maps.Keys(m.pools)) {
			for _, r := range m.pools[v] {
				row.Replicas = append(row.Replicas, wire.GatewayReplica{Version: v, Addr: r.addr, Outstanding: r.outstanding.Load(), Shunned: r.out(now)})
			}
		}
		seen := g.Live(name)
		for _, v := range slices.Sorted(maps.Keys(seen)) {
			row.Live = append(row.Live, seen[v])
		}
		s.Models = append(s.Models, row)
	}
	g.mark(w)
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(s)
}
