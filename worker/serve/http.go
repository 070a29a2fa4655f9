package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
)

// Bounds of a request.
const (
	maxBody   = 32 << 20
	maxRows   = 10_000    // sequences
	maxLength = 1_000_000 // answers of all sequences
)

// handler routes requests.
func (r *Replica) handler() http.Handler {
	mux := http.NewServeMux()
	alive := func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "\n") }
	mux.HandleFunc("GET /ping", alive)
	mux.HandleFunc("GET /health", alive)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, r.version) })
	mux.Handle("GET /metrics", r.metrics.handler())
	mux.Handle("POST /invocations", r.metrics.noted("/invocations", r.invocations))
	mux.Handle("POST /v1/step", r.metrics.noted("/v1/step", r.step))
	return mux
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, s) // who asked is gone, if it fails
}

func reply(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // likewise
}

// requestError is a request that is wrong, with what MLflow calls it.
type requestError struct {
	status int
	text   string
}

func (e *requestError) Error() string { return e.text }

func badf(format string, args ...any) error {
	return &requestError{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// refuse answers an error as MLflow's scoring server does.
func (r *Replica) refuse(w http.ResponseWriter, err error) {
	var bad *requestError
	switch {
	case errors.As(err, &bad) && bad.status == http.StatusUnsupportedMediaType:
		text(w, bad.status, bad.text)
	case errors.As(err, &bad):
		fault(w, bad.status, "BAD_REQUEST", bad.text)
	case errors.Is(err, context.DeadlineExceeded):
		fault(w, http.StatusGatewayTimeout, "DEADLINE_EXCEEDED", "Request processing time exceeded limit")
	case errors.Is(err, errBusy), errors.Is(err, errClosed):
		w.Header().Set("Retry-After", "1")
		fault(w, http.StatusServiceUnavailable, "TEMPORARILY_UNAVAILABLE", err.Error())
	case errors.Is(err, context.Canceled):
		fault(w, http.StatusServiceUnavailable, "CANCELLED", "the request was given up")
	default:
		r.log.Error("request failed", "error", err)
		fault(w, http.StatusInternalServerError, "INTERNAL_ERROR", err.Error())
	}
}

// fault is an error's body.
func fault(w http.ResponseWriter, status int, code, message string) {
	body, _ := json.Marshal(map[string]string{"error_code": code, "message": message}) // of strings: never fails
	reply(w, status, append(body, '\n'))
}

// contentType is a request's: application/json or text/csv, in UTF-8.
func contentType(req *http.Request) (string, error) {
	given := req.Header.Get("Content-Type")
	kind, params, err := mime.ParseMediaType(given)
	for key, value := range params {
		if key != "charset" || !strings.EqualFold(value, "utf-8") {
			err = errors.New("a parameter")
		}
	}
	if err != nil || kind != "application/json" && kind != "text/csv" {
		return "", &requestError{http.StatusUnsupportedMediaType, fmt.Sprintf(
			"This predictor only supports the content types text/csv and application/json, with no parameter but charset=utf-8. Got %q.", given)}
	}
	return kind, nil
}

// body reads a request's body, up to maxBody.
func body(w http.ResponseWriter, req *http.Request) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(w, req.Body, maxBody))
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", tooLong.Limit)}
	}
	if err != nil {
		return nil, badf("the body can't be read: %v", err)
	}
	return b, nil
}
