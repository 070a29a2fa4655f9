package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"cohort/coordinator/wire"
)

// admin reports whether a request carries the admin token. A wrong one is
// refused: whoever sends one counts on it.
func (a *api) admin(r *http.Request) (bool, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return false, nil
	}
	token, ok := strings.CutPrefix(header, "Bearer ")
	// Hashes are of one length, so that the time tells nothing of the token's.
	want, got := sha256.Sum256([]byte(a.AdminToken)), sha256.Sum256([]byte(token))
	if !ok || a.AdminToken == "" || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return false, &wire.Error{Code: wire.CodeDenied, Message: "the token is not the cluster's admin token"}
	}
	return true, nil
}
