package httpapi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"cohort/coordinator/consensus"
	"cohort/coordinator/httpapi"
	"cohort/coordinator/state"
	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
)

// Errors are answered by what they are; what is the cluster's own fault is logged,
// and no student with it.
func TestAnErrorIsAnsweredByWhatItIs(t *testing.T) {
	for _, c := range []struct {
		err  error
		code wire.Code
		log  bool
	}{
		{&wire.Error{Code: wire.CodeConflict, Message: "no"}, wire.CodeConflict, false},
		{fmt.Errorf("propose: %w", consensus.ErrNotLeader), wire.CodeNoLeader, false},
		{context.Canceled, wire.CodeNoLeader, false},
		{fmt.Errorf("manifest: %w", lake.ErrNotFound), wire.CodeNotFound, false},
		{errors.New("the disk is full"), wire.CodeInternal, true},
	} {
		var log bytes.Buffer
		s := &solo{state: state.New()}
		h := httpapi.New(httpapi.Deps{ID: "c1", State: s.state, Consensus: s, Logger: slog.New(slog.NewTextHandler(&log, nil)), Parts: []httpapi.Part{{
			Pattern: "POST /v1/students/{student}/attempts", Leader: true,
			Serve: func(http.ResponseWriter, *http.Request) error { return c.err },
		}}})
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/students/ann-smith/attempts", nil))
		if w.Code != c.code.Status() || httpapi.Fault(c.err).Code != c.code || !strings.Contains(w.Body.String(), c.err.Error()) {
			t.Errorf("%v: %d %s", c.err, w.Code, w.Body)
		}
		if text := log.String(); (text != "") != c.log || strings.Contains(text, "ann-smith") || c.log && !strings.Contains(text, "/v1/students/{student}/attempts") {
			t.Errorf("%v: the log says %q", c.err, text)
		}
	}
}
