package serve_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"cohort/coordinator/wire"
	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dkt/checkpoint"
	"cohort/dkt/infer"
	"cohort/kernels"
	"cohort/kernels/cpu"
	"cohort/worker/serve"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const window = 6

func vocabulary() []string { return []string{"7", "a b", `quo"te`, "ünder"} }

func shape() kernels.Shape { return kernels.Shape{Skills: 4, Embed: 3, Hidden: 10, Layers: 2} }

// kept is a model in a store, as a stage names it.
type kept struct {
	blobs    *lake.Memory
	params   *kernels.Params
	inputs   *dataplane.Inputs
	manifest wire.ModelManifest
	settings wire.ServeSettings
	stage    wire.Stage
}

// keep stores a model, which spoil may change between the manifest and its
// signature.
func keep(t *testing.T, spoil func(k *kept)) *kept {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	ok(t, err)
	k := &kept{blobs: lake.NewMemory(), params: kernels.InitParams(shape(), 5)}
	k.manifest = wire.ModelManifest{FormatVersion: 1, Model: "m", Engine: "kernels", Skills: vocabulary(), Window: window}
	k.settings = wire.ServeSettings{Model: "m", Version: 3, Public: public}
	spoil(k)
	f, err := checkpoint.Weights(k.params, vocabulary(), k.inputs)
	ok(t, err)
	weights, _, err := k.blobs.Put(t.Context(), f)
	ok(t, err)
	if k.manifest.WeightsHash == "" {
		k.manifest.WeightsHash = kernels.HashWeights(k.params)
	}
	if k.manifest.Weights == "" {
		k.manifest.Weights = weights
	}
	text, err := json.Marshal(k.manifest)
	ok(t, err)
	hash, _, err := k.blobs.Put(t.Context(), bytes.NewReader(text))
	ok(t, err)
	if k.settings.Signature == nil {
		k.settings.Signature = ed25519.Sign(private, wire.SignedText(hash))
	}
	k.stage = wire.Stage{Name: "serve", Kind: wire.StageServe, Run: wire.Service, Inputs: map[string]string{"manifest": hash, "weights": weights}}
	k.stage.Settings, err = json.Marshal(k.settings)
	ok(t, err)
	return k
}

func sound(*kept) {}

func (k *kept) config(t *testing.T) serve.Config {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ok(t, err)
	return serve.Config{Listener: l, Blobs: k.blobs, Stage: k.stage, Threads: 2, Kernels: "auto", Version: "1.2.3", Logger: slog.New(slog.DiscardHandler)}
}

// start serves a model until the test ends.
func start(t *testing.T, c serve.Config) *serve.Replica {
	t.Helper()
	r, err := serve.Start(t.Context(), c)
	ok(t, err)
	t.Cleanup(func() {
		http.DefaultClient.CloseIdleConnections()
		ok(t, r.Close())
	})
	return r
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// answer is what a request is answered with.
type answer struct {
	status int
	kind   string
	body   string
}

func send(method, url, kind, text string) (a answer, err error) {
	req, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(text))
	if err != nil {
		return a, err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close() //nolint:errcheck // read only
	b, err := io.ReadAll(resp.Body)
	return answer{resp.StatusCode, resp.Header.Get("Content-Type"), string(b)}, err
}

func ask(t *testing.T, r *serve.Replica, path, kind, text string) answer {
	t.Helper()
	a, err := send(http.MethodPost, "http://"+r.Addr()+path, kind, text)
	ok(t, err)
	return a
}

// want is P of every skill after codes, by the package below.
func want(t *testing.T, codes ...int32) []float32 {
	t.Helper()
	m, err := infer.New(kernels.InitParams(shape(), 5), window, "")
	ok(t, err)
	r := m.Whole(codes)
	ok(t, m.NewLane().All([]*cpu.Run{r}))
	return infer.Probabilities(r.Logits)
}

func predictions[T any](t *testing.T, a answer) (p []T) {
	t.Helper()
	var v struct {
		Predictions []T `json:"predictions"`
	}
	if a.status != http.StatusOK || a.kind != "application/json" {
		t.Fatalf("%+v", a)
	}
	ok(t, json.Unmarshal([]byte(a.body), &v))
	return v.Predictions
}

func TestTheScoringProtocolIsAnswered(t *testing.T) {
	r := start(t, keep(t, sound).config(t))
	long := make([]int32, 2*window+3)
	for k := range long {
		long[k] = int32(k % 8)
	}
	longText, _ := json.Marshal(long)
	for name, k := range map[string]struct {
		kind, text string
		want       [][]float32
	}{
		"seed":      {"application/json", `{"inputs": [[1, 2, 3]]}`, [][]float32{want(t, 1, 2, 3)}},
		"charset":   {"application/json; charset=UTF-8", `{"inputs": [[1, 2.0], [7]]}`, [][]float32{want(t, 1, 2), want(t, 7)}},
		"instances": {"application/json", `{"instances": [[0], {"skills": ["ünder", 7], "correct": [1, false]}]}`, [][]float32{want(t, 0), want(t, 7, 0)}},
		"long":      {"application/json", fmt.Sprintf(`{"inputs": [%s]}`, longText), [][]float32{want(t, long[2*window:]...)}},
		"split": {
			"application/json",
			`{"dataframe_split": {"columns": ["n", "correct", "student", "skill"], "index": [4, 5, 6], "data": [[0, 1, "x", "a b"], [0, 0, 12, 7], [0, 1.0, "x", "7"]]}}`,
			[][]float32{want(t, 3, 1), want(t, 0)},
		},
		"records": {
			"application/json", `{"dataframe_records": [{"student": "x", "skill": "quo\"te", "correct": true}, {"correct": 0, "skill": 7, "student": "x"}]}`,
			[][]float32{want(t, 5, 0)},
		},
		"csv":    {"text/csv", "student,skill,correct\nx,a b,1\ny,\"quo\"\"te\",0\nx,7,0\n", [][]float32{want(t, 3, 0), want(t, 4)}},
		"picked": {"application/json", `{"inputs": [[1]], "params": {"skills": ["ünder", 7], "output": "list"}}`, [][]float32{{want(t, 1)[3], want(t, 1)[0]}}},
	} {
		if d := cmp.Diff(k.want, predictions[[]float32](t, ask(t, r, "/invocations", k.kind, k.text))); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
	named := predictions[map[string]float32](t, ask(t, r, "/invocations", "application/json", `{"inputs": [[1]], "params": {"output": "named"}}`))
	p := want(t, 1)
	if d := cmp.Diff([]map[string]float32{{"7": p[0], "a b": p[1], `quo"te`: p[2], "ünder": p[3]}}, named); d != "" {
		t.Error(d)
	}
	for path, text := range map[string]string{"/ping": "\n", "/health": "\n", "/version": "1.2.3"} {
		if a, err := send(http.MethodGet, "http://"+r.Addr()+path, "", ""); err != nil || a.status != http.StatusOK || a.body != text {
			t.Errorf("%s: %+v, %v", path, a, err)
		}
	}
}

func TestWrongRequestsAreNamed(t *testing.T) {
	r := start(t, keep(t, sound).config(t))
	for text, want := range map[string]string{
		`[[1, 2]]`:                              "the request is no JSON object",
		``:                                      "the request is no JSON object",
		`{"inputs": [[1]`:                       "the request is no JSON: unexpected end",
		`{}`:                                    "the request has none of inputs, instances",
		`{"inputs": [[1]], "instances": [[1]]}`: "both inputs and instances",
		`{"input": [[1]]}`:                      `field "input" is unknown`,
		`{"inputs": [[1]], "param": 1}`:         `field "param" is unknown`,
		`{"inputs": 3}`:                         "inputs is no list",
		`{"inputs": []}`:                        "inputs is empty",
		`{"inputs": [1, 2]}`:                    "inputs[0] is 1, want a list",
		`{"inputs": [null]}`:                    "inputs[0] is null, want a list",
		`{"inputs": [[1], []]}`:                 "inputs[1] is empty",
		`{"inputs": [[1, 8]]}`:                  "inputs[0][1]: code 8 is not from 0 to 7",
		`{"inputs": [[-1]]}`:                    "inputs[0][0]: code -1",
		`{"inputs": [[1.5]]}`:                   "inputs[0][0] is 1.5, want an interaction code",
		`{"inputs": [[1, "a"]]}`:                `inputs[0][1] is "a", want`,
		`{"inputs": [[1, null]]}`:               "inputs[0][1] is null, want",
		`{"inputs": [[99999999999]]}`:           "inputs[0][0] is 99999999999",
		`{"inputs": [{"skills": []}]}`:          "want a list of interaction codes",
		`{"instances": [{"skills": ["b"], "correct": [1]}]}`:                                                        `instances[0].skills[0]: skill "b" is not one of the 4`,
		`{"instances": [[1], {"skills": ["7"], "correct": []}]}`:                                                    "instances[1] has 1 skills and 0 of correct",
		`{"instances": [{"skills": ["7"], "correct": [2]}]}`:                                                        "instances[0].correct[0] is 2, want 0 or 1",
		`{"instances": [{"skills": [[7]], "correct": [1]}]}`:                                                        "instances[0].skills[0] is [7], want the name",
		`{"instances": [{"skill": ["7"], "correct": [1]}]}`:                                                         `instances[0]: field "skill" is unknown`,
		`{"instances": [{"skills": "7", "correct": [1]}]}`:                                                          `instances[0] is {"skills": "7", "correct": [1]}, want`,
		`{"dataframe_split": {"columns": ["student", "skill"], "data": []}}`:                                        `column "correct" is missing`,
		`{"dataframe_split": {"columns": ["student", "skill", "correct"], "data": []}}`:                             "dataframe_split.data is empty",
		`{"dataframe_split": {"columns": ["student", "skill", "correct"], "data": [["s", "7"]]}}`:                   "dataframe_split.data[0] has 2 values",
		`{"dataframe_split": {"columns": ["student", "skill", "correct"], "data": [["s", "7", 1], ["s", "x", 1]]}}`: `dataframe_split.data[1], column skill: skill "x"`,
		`{"dataframe_split": [1]}`:                                                                                  "dataframe_split: want",
		`{"dataframe_records": [{"skill": "7", "correct": 1}]}`:                                                     `dataframe_records[0]: column "student" is missing`,
		`{"dataframe_records": [{"student": null, "skill": "7", "correct": 1}]}`:                                    "dataframe_records[0], column student: want",
		`{"dataframe_records": [{"student": "secret", "skill": "7", "correct": ""}]}`:                               "dataframe_records[0], column correct is , want 0 or 1",
		`{"dataframe_records": {}}`:                                                                                 "dataframe_records: want a list",
		`{"inputs": [[1]], "params": []}`:                                                                           "params is no object",
		`{"inputs": [[1]], "params": {"top": 3}}`:                                                                   "params.top is unknown",
		`{"inputs": [[1]], "params": {"skills": []}}`:                                                               "params.skills: want a list of 1 to 4",
		`{"inputs": [[1]], "params": {"skills": ["7", "x"]}}`:                                                       `params.skills[1]: skill "x"`,
		`{"inputs": [[1]], "params": {"skills": ["7", 7]}}`:                                                         `params.skills[1]: skill "7" is there twice`,
		`{"inputs": [[1]], "params": {"output": "xml"}}`:                                                            "params.output is xml",
		`{"inputs": [` + strings.Repeat("[1],", 10_000) + `[1]]}`:                                                   "inputs has 10001 sequences, at most 10000",
	} {
		wrong(t, ask(t, r, "/invocations", "application/json", text), text, want)
	}
	for text, want := range map[string]string{
		"":                                    "the CSV has no header",
		"student,skill\n":                     `the CSV's header: column "correct" is missing`,
		"student,skill,correct\n":             "the CSV is empty",
		"student,skill,correct\nsecret,7,2\n": "row 2 of the CSV, column correct is 2",
		"student,skill,correct\nx,7,1\nx,q,1": `row 3 of the CSV, column skill: skill "q"`,
		"student,skill,correct\nx,7\n":        "row 2 of the CSV: record on line 2: wrong number of fields",
	} {
		wrong(t, ask(t, r, "/invocations", "text/csv", text), text, want)
	}
	for _, kind := range []string{"", "text/plain", "application/xml", "application/json; charset=latin1", "text/csv; header=present", "a/b/c"} {
		if a := ask(t, r, "/invocations", kind, `{"inputs": [[1]]}`); a.status != http.StatusUnsupportedMediaType || !strings.HasPrefix(a.kind, "text/plain") {
			t.Errorf("%q: %+v", kind, a)
		}
	}
	if a, err := send(http.MethodGet, "http://"+r.Addr()+"/invocations", "", ""); err != nil || a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %+v, %v", a, err)
	}
}

func wrong(t *testing.T, a answer, text, want string) {
	t.Helper()
	var e struct {
		Code    string `json:"error_code"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || a.status != http.StatusBadRequest || e.Code != "BAD_REQUEST" {
		t.Errorf("%.80s: %+v", text, a)
	}
	if !strings.Contains(e.Message, want) || strings.Contains(e.Message, "\n") || strings.Contains(e.Message, "secret") {
		t.Errorf("%.80s: %q, want %q", text, e.Message, want)
	}
}

func TestAModelThatIsNotAsItWasSignedIsNotServed(t *testing.T) {
	other := func(f func(k *kept)) func(t *testing.T) *kept { return func(t *testing.T) *kept { return keep(t, f) } }
	for name, c := range map[string]struct {
		make func(t *testing.T) *kept
		want string
	}{
		"signature": {other(func(k *kept) { k.settings.Signature = make([]byte, 64) }), "its signature is not by"},
		"key":       {other(func(k *kept) { k.settings.Public = k.settings.Public[1:] }), "its signature is not by"},
		"another manifest": {func(t *testing.T) *kept {
			k := keep(t, sound)
			hash, _, err := k.blobs.Put(t.Context(), strings.NewReader(`{"format_version": 1, "model": "m"}`))
			ok(t, err)
			k.stage.Inputs["manifest"] = hash
			return k
		}, "its signature is not by"},
		"another model":   {other(func(k *kept) { k.manifest.Model = "n" }), "its manifest is of model n"},
		"format":          {other(func(k *kept) { k.manifest.FormatVersion = 2 }), "format 2"},
		"engine":          {other(func(k *kept) { k.manifest.Engine = "graph" }), "engine graph"},
		"another weights": {other(func(k *kept) { k.manifest.Weights = strings.Repeat("0", 64) }), "its weights are not those of its manifest"},
		"other numbers":   {other(func(k *kept) { k.manifest.WeightsHash = "abc" }), "its weights hash to"},
		"other skills":    {other(func(k *kept) { k.manifest.Skills = []string{"1", "2", "3", "4"} }), "other skills"},
		"window":          {other(func(k *kept) { k.manifest.Window = 0 }), "window is 0"},
		"inputs": {other(func(k *kept) {
			s := shape()
			s.Kinds = 4
			k.params, k.inputs = kernels.InitParams(s, 1), &dataplane.Inputs{Names: []string{"elapsed"}}
		}), "further inputs"},
	} {
		k := c.make(t)
		r, err := serve.Start(t.Context(), k.config(t))
		if err == nil {
			t.Errorf("%s: served", name)
			ok(t, r.Close())
			continue
		}
		if _, fatal := errors.AsType[*source.InputError](err); !fatal || !strings.HasPrefix(err.Error(), "model m, version 3: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	k := keep(t, sound)
	k.stage.Settings = []byte("{")
	if _, err := serve.Start(t.Context(), k.config(t)); err == nil || !strings.Contains(err.Error(), "settings of stage serve") {
		t.Errorf("settings: %v", err)
	}
}

// altered gives other bytes than were stored, and checks nothing.
type altered struct {
	*lake.Memory
	hash string
}

func (a altered) Get(ctx context.Context, hash string) (io.ReadCloser, error) {
	rc, err := a.Memory.Get(ctx, hash)
	if err != nil || hash != a.hash {
		return rc, err
	}
	b, err := io.ReadAll(rc)
	b[len(b)-3] ^= 1
	return io.NopCloser(bytes.NewReader(b)), err
}

func TestAlteredBytesAreNotServed(t *testing.T) {
	for _, input := range []string{"weights", "manifest"} {
		k := keep(t, sound)
		c := k.config(t)
		c.Blobs = altered{k.blobs, k.stage.Inputs[input]}
		if r, err := serve.Start(t.Context(), c); err == nil || !strings.Contains(err.Error(), "corrupt") {
			t.Errorf("%s: %v, %v", input, r, err)
		}
	}
}
