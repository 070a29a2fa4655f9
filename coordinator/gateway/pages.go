package gateway

import "net/http"

// Page is a part of the API that the gateway serves.
type Page struct {
	Pattern string // as http.ServeMux takes it
	Leader  bool   // served where the leader is; others hand requests on
	Serve   func(w http.ResponseWriter, r *http.Request) error
}

// Pages are all that the gateway serves. An error is the API's to answer.
func (g *Gateway) Pages() []Page {
	return []Page{
		{Pattern: "/invocations", Serve: g.counted("/invocations", g.proxy)},
		{Pattern: "/ping", Serve: g.health},
		{Pattern: "/health", Serve: g.health},
		{Pattern: "/version", Serve: g.health},
		{Pattern: "GET /v1/gateway/status", Serve: g.status},
		{Pattern: "POST /v1/gateway/stats", Leader: true, Serve: g.takeReport},
		{Pattern: "POST /v1/students/{student}/attempts", Leader: true, Serve: g.counted("/v1/students/attempts", g.attempts)},
		{Pattern: "POST /v1/attempts/seal", Leader: true, Serve: g.sealNow},
		{Pattern: "GET /v1/attempts", Leader: true, Serve: g.logStatus},
	}
}
