package httpapi

import (
	"io"
	"maps"
	"net/http"

	"cohort/coordinator/wire"
)

// headerForwarded marks a request that a coordinator handed on; it is not
// handed on again, so that two who each take the other for the leader do not
// play ball with it.
const headerForwarded = "Cohort-Forwarded"

func noLeader() error {
	return &wire.Error{Code: wire.CodeNoLeader, Message: "no leader is known; the coordinators are electing one, or too few are up"}
}

// forward hands a request to the leader and copies the answer.
func (a *api) forward(w http.ResponseWriter, r *http.Request) error {
	base := a.LeaderURL()
	if base == "" || r.Header.Get(headerForwarded) != "" {
		return noLeader()
	}
	out, err := http.NewRequestWithContext(r.Context(), r.Method, base+r.URL.RequestURI(), r.Body)
	if err != nil {
		return err
	}
	out.Header = r.Header.Clone()
	out.Header.Set(headerForwarded, a.ID)
	out.ContentLength = r.ContentLength
	reply, err := a.Transport.RoundTrip(out)
	if err != nil {
		a.Logger.Debug("the leader does not answer", "leader", base, "error", err)
		return noLeader()
	}
	defer reply.Body.Close() //nolint:errcheck // read only
	maps.Copy(w.Header(), reply.Header)
	w.WriteHeader(reply.StatusCode)
	if _, err := io.Copy(w, reply.Body); err != nil {
		a.Logger.Debug("copy of the leader's answer broke off", "error", err)
	}
	return nil
}
