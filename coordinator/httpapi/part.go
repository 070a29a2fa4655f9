package httpapi

import "net/http"

// Part is a part of the API that another package serves. Its errors are answered
// as the API's own.
type Part struct {
	Pattern string // as http.ServeMux takes it
	Leader  bool   // handed on to the leader elsewhere
	Serve   func(w http.ResponseWriter, r *http.Request) error
}

func (a *api) serveParts() {
	for _, p := range a.Parts {
		if p.Leader {
			a.leader(p.Pattern, p.Serve)
		} else {
			a.local(p.Pattern, p.Serve)
		}
	}
}
