package wire

import "net/http"

// Status maps an error class to an HTTP status.
func (c Code) Status() int {
	switch c {
	case OK:
		return http.StatusOK
	case CodeInvalid:
		return http.StatusBadRequest
	case CodeGate:
		return http.StatusPreconditionFailed
	case CodeNotFound:
		return http.StatusNotFound
	case CodeConflict:
		return http.StatusConflict
	case CodeDenied:
		return http.StatusForbidden
	case CodeNoLeader:
		return http.StatusServiceUnavailable
	case CodeInternal:
	}
	return http.StatusInternalServerError
}
