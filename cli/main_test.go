package cli_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cohort/cli"
	"cohort/coordinator/wire"
)

// outcome is what a command line came to.
type outcome struct {
	code     int
	out, err string
}

// cohort runs a command line in this process, without the caller's
// environment.
func cohort(t *testing.T, stdin string, env []string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // nothing here takes so long
	defer cancel()
	return cohortIn(ctx, stdin, env, args...)
}

func cohortIn(ctx context.Context, stdin string, env []string, args ...string) outcome {
	var out, err shared
	code := cli.Main(ctx, append([]string{"cohort"}, args...), strings.NewReader(stdin), &out, &err, env)
	return outcome{code, out.String(), err.String()}
}

// shared is a buffer that is read while a command writes it.
type shared struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shared) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// expect checks the code, and that a failure says what it should in one line.
func (o outcome) expect(t *testing.T, code int, part string) {
	t.Helper()
	if o.code != code {
		t.Errorf("exit code %d, want %d; stderr: %s", o.code, code, o.err)
	}
	if !strings.Contains(o.err, part) {
		t.Errorf("stderr %q does not say %q", o.err, part)
	}
	if strings.Contains(o.err, "goroutine ") || strings.Contains(o.err, "panic") {
		t.Errorf("a stack trace reached the user: %s", o.err)
	}
}

func (o outcome) oneLine(t *testing.T) {
	t.Helper()
	if strings.Count(o.err, "\n") != 1 {
		t.Errorf("stderr is not one line: %q", o.err)
	}
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// fake is a coordinator that answers what a test tells it to.
type fake struct {
	mu       sync.Mutex
	answers  map[string][]any // "GET /v1/jobs/x" → one answer a call, the last one for ever
	requests []string
	bodies   []string
	tokens   []string // Authorization headers
}

func newFake(t *testing.T, answers map[string][]any) (*fake, string) {
	t.Helper()
	f := &fake{answers: answers}
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return f, s.URL
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var body bytes.Buffer
	_, _ = body.ReadFrom(r.Body)
	key := r.Method + " " + r.URL.Path
	f.requests, f.bodies = append(f.requests, key), append(f.bodies, body.String())
	f.tokens = append(f.tokens, r.Header.Get("Authorization"))
	list := f.answers[key]
	if len(list) == 0 {
		list = []any{&wire.Error{Code: wire.CodeNotFound, Message: strings.TrimPrefix(r.URL.Path, "/v1/") + " is unknown"}}
	}
	if len(list) > 1 {
		f.answers[key] = list[1:]
	}
	w.Header().Set(wire.HeaderIndex, "7")
	if e, ok := list[0].(*wire.Error); ok {
		w.WriteHeader(map[wire.Code]int{
			wire.CodeInvalid: 400, wire.CodeGate: 412, wire.CodeNotFound: 404, wire.CodeConflict: 409,
			wire.CodeDenied: 403, wire.CodeNoLeader: 503, wire.CodeInternal: 500,
		}[e.Code])
	}
	if blob, ok := list[0].([]byte); ok {
		_, _ = w.Write(blob)
		return
	}
	_ = json.NewEncoder(w).Encode(list[0])
}

// asked reports whether a request has come.
func (f *fake) asked(request string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.requests, request)
}

func (f *fake) body(request string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for k, r := range f.requests {
		if r == request {
			return f.bodies[k]
		}
	}
	return ""
}

func sha(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))
}
