//go:build interop

package cli_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

// python is the interpreter that has the peers.
func python(t *testing.T) string {
	t.Helper()
	install := exec.CommandContext(t.Context(), "../.ci/interop/python/install")
	install.Stderr = os.Stderr
	path, err := install.Output()
	if err != nil {
		t.Fatalf("install Python: %v", err)
	}
	return strings.TrimSpace(string(path))
}

// peer runs a script of testdata on JSON and reads the JSON that it prints.
func peer(t *testing.T, script string, job, reply any) {
	t.Helper()
	text, err := json.Marshal(job)
	if err != nil {
		t.Fatal(err)
	}
	run := exec.CommandContext(t.Context(), python(t), "testdata/"+script)
	var stderr bytes.Buffer
	run.Stdin, run.Stderr = bytes.NewReader(text), &stderr
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, stderr.String())
	}
	if err := json.Unmarshal(out, reply); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// served is a cluster with a model that is really trained and serves: by the
// gateway, and by its one replica.
func served(t *testing.T) (gateway, replica string, v wire.VersionView, m wire.ModelManifest) {
	t.Helper()
	c, _, v := shelfCluster(t, 1)
	cohort(t, "", nil, "deploy", "start", "dkt", "--replicas", "1", "-q", "--addr", c.URL()).expect(t, 0, "")
	d := deploymentOf(t, c.URL())
	if len(d.Versions) != 1 || len(d.Versions[0].Addrs) != 1 {
		t.Fatalf("%+v", d)
	}
	var shown struct{ Lineage wire.ModelManifest }
	o := cohort(t, "", nil, "model", "show", "dkt", "-o", "json", "--addr", c.URL())
	if err := json.Unmarshal([]byte(o.out), &shown); err != nil {
		t.Fatalf("%+v: %v", o, err)
	}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return strings.TrimPrefix(c.URL(), "http://"), d.Versions[0].Addrs[0], v, shown.Lineage
}

// invoke posts to a server and answers status, body and, where it is one, the
// predictions.
func invoke(t *testing.T, addr, kind, body string) (status int, text string, p [][]float64) {
	t.Helper()
	r, err := http.Post("http://"+addr+"/invocations", kind, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close() //nolint:errcheck // tests
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	var reply struct{ Predictions [][]float64 }
	_ = json.Unmarshal(b, &reply) // an error's body has none
	return r.StatusCode, string(b), reply.Predictions
}

// protocol are requests whose status the scoring protocol settles, whatever a
// model takes.
func protocol() [][2]string {
	const ask = `{"inputs": [[1, 2, 3]]}`
	return [][2]string{
		{"application/json", ask},
		{"application/json; charset=utf-8", ask},
		{"application/json;charset=UTF-8", ask},
		{"application/json", `{"instances": [[1, 2, 3]]}`},
		{"application/json", `[[1, 2, 3]]`},
		{"application/json", `[]`},
		{"application/json", `3`},
		{"application/json", `{"inputs": [[1, 2, 3]`},
		{"application/json", `{}`},
		{"application/json", ``},
		{"application/json", `{"columns": ["a"], "data": [[1]]}`},
		{"application/json", `{"inputs": [[1]], "instances": [[1]]}`},
		{"application/json", `{"inputs": [[1]], "dataframe_split": {"columns": ["a"], "data": [[1]]}}`},
		{"application/json", `{"dataframe_split": [[1]]}`},
		{"application/json; charset=latin1", ask},
		{"application/json; encoding=utf-8", ask},
		{"text/plain", ask},
		{"application/xml", ask},
		{"", ask},
	}
}

// MLflow's own client is answered, by the replica and by the gateway alike, and so
// is every request that its documentation shows; what its own server refuses is
// refused with the same status.
func TestInteropMLflowsScoringClient(t *testing.T) {
	gateway, replica, _, m := served(t)
	// Skills 1, 0, 2 of the vocabulary, right, wrong, right.
	codes, skill := []int{3, 0, 5}, []string{m.Skills[1], m.Skills[0], m.Skills[2]}
	status, text, want := invoke(t, replica, "application/json", `{"inputs": [[3, 0, 5]]}`)
	if status != http.StatusOK || len(want) != 1 || len(want[0]) != len(m.Skills) {
		t.Fatalf("%d %s", status, text)
	}
	var judged []map[string]string
	for _, q := range protocol() {
		judged = append(judged, map[string]string{"type": q[0], "body": q[1]})
	}
	for name, addr := range map[string]string{"replica": replica, "gateway": gateway} {
		t.Run(name, func(t *testing.T) {
			host, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			var got struct {
				Version string
				Calls   map[string][][]float64
				Named   []map[string]float64
				Posts   map[string]struct {
					Status int
					Type   string
					Body   string
				}
				Judged []int
			}
			peer(t, "mlflow_peer.py", map[string]any{
				"host": host, "port": must(strconv.Atoi(port)), "codes": codes, "student": []string{"7", "7", "7"}, "skill": skill,
				"correct": []bool{true, false, true}, "judged": judged,
			}, &got)
			if got.Version != "test" || len(got.Calls) != 7 || len(got.Posts) != 8 || len(got.Judged) != len(judged) {
				t.Errorf("%+v", got)
			}
			for call, p := range got.Calls {
				if d := cmp.Diff(want, p); d != "" {
					t.Errorf("%s: %s", call, d)
				}
			}
			for k, s := range m.Skills {
				if len(got.Named) != 1 || got.Named[0][s] != want[0][k] {
					t.Errorf("skill %s of %v, want %v", s, got.Named, want[0][k])
				}
			}
			for post, a := range got.Posts {
				var reply struct{ Predictions [][]float64 }
				if err := json.Unmarshal([]byte(a.Body), &reply); err != nil || a.Status != http.StatusOK || a.Type != "application/json" {
					t.Errorf("%s: %+v, %v", post, a, err)
				}
				if d := cmp.Diff(want, reply.Predictions); d != "" {
					t.Errorf("%s: %s", post, d)
				}
			}
			for k, q := range protocol() {
				status, text, _ := invoke(t, addr, q[0], q[1])
				t.Logf("| %s | %s | %d | %s |", q[0], q[1], status, strings.TrimSpace(text))
				if status != got.Judged[k] {
					t.Errorf("%s %s: %d, MLflow's own server says %d", q[0], q[1], status, got.Judged[k])
				}
			}
		})
	}
}

// ragged are histories of 1 to so many answers.
func ragged(skills, longest int) [][]int {
	var all [][]int
	for n, length := range []int{1, 2, 17, longest - 1, longest, 40, 3} {
		h := make([]int, length)
		for k := range h {
			h[k] = (k*k*7 + k*(n+3) + n) % (2 * skills)
		}
		all = append(all, h)
	}
	return all
}

// What model export writes of a registered model says, in onnxruntime, what its
// replica answers; and the safetensors file is what Python's library reads.
func TestInteropExportsOfARegisteredModel(t *testing.T) {
	gateway, replica, v, m := served(t)
	dir := t.TempDir()
	files := map[string]string{}
	for _, format := range []string{"onnx", "safetensors"} {
		files[format] = filepath.Join(dir, "model."+format)
		cohort(t, "", nil, "model", "export", "dkt", "--format", format, "--file", files[format], "--addr", gateway).expect(t, 0, "")
	}
	in := ragged(len(m.Skills), m.Window)
	// A longer history is answered from its current window alone, as it was trained.
	long := ragged(len(m.Skills), 3*m.Window+5)[4]
	asked, windows := slices.Concat(in, [][]int{long}), ragged(len(m.Skills), m.Window)
	windows = append(windows, slices.Clone(long[3*m.Window:]))
	for _, w := range windows { // the file's codes are skill + skills·right, a request's 2·skill + right
		for k, code := range w {
			w[k] = code/2 + len(m.Skills)*(code%2)
		}
	}
	for _, fill := range []int{0, 2*len(m.Skills) - 1} {
		var got struct {
			P        [][]float64
			Meta     map[string]string
			Tensors  map[string]tensor
			Metadata map[string]string
		}
		peer(t, "export_peer.py", map[string]any{"onnx": files["onnx"], "safetensors": files["safetensors"], "interactions": windows, "fill": fill}, &got)
		for name, addr := range map[string]string{"replica": replica, "gateway": gateway} {
			body, err := json.Marshal(map[string]any{"inputs": asked})
			if err != nil {
				t.Fatal(err)
			}
			status, text, p := invoke(t, addr, "application/json", string(body))
			if status != http.StatusOK {
				t.Fatalf("%d %s", status, text)
			}
			t.Logf("%s: largest difference %.2g", name, farthest(t, got.P, p))
		}
		if got.Meta["model"] != "dkt" || got.Meta["weights_sha256"] != v.WeightsHash {
			t.Errorf("metadata %v", got.Meta)
		}
		if d := cmp.Diff(tensorsOf(t, files["safetensors"]), got.Tensors); d != "" || len(got.Metadata) == 0 {
			t.Errorf("metadata %v; %s", got.Metadata, d)
		}
	}
}

// farthest is the largest difference of two tables, which may be 1e-5.
func farthest(t *testing.T, a, b [][]float64) (worst float64) {
	t.Helper()
	if len(a) != len(b) {
		t.Fatalf("%d rows and %d", len(a), len(b))
	}
	for n := range a {
		if len(a[n]) != len(b[n]) {
			t.Fatalf("row %d has %d skills and %d", n, len(a[n]), len(b[n]))
		}
		for k := range a[n] {
			d := math.Abs(a[n][k] - b[n][k])
			if !(d <= worst) {
				worst = d
			}
			if !(d <= 1e-5) {
				t.Errorf("row %d, skill %d: %v and %v", n, k, a[n][k], b[n][k])
			}
		}
	}
	return worst
}

// tensor is one of a safetensors file.
type tensor struct {
	Type   string
	Shape  []int
	SHA256 string
}

// tensorsOf reads a safetensors file by its description alone.
func tensorsOf(t *testing.T, path string) map[string]tensor {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(text)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(text[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	all, names := map[string]tensor{}, map[string]string{"F32": "float32", "I32": "int32", "I64": "int64"}
	for name, raw := range header {
		if name == "__metadata__" {
			continue
		}
		var h struct {
			Dtype   string
			Shape   []int
			Offsets [2]uint64 `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &h); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", name, err))
		}
		sum := sha256.Sum256(text[8+n+h.Offsets[0] : 8+n+h.Offsets[1]])
		all[name] = tensor{Type: names[h.Dtype], Shape: h.Shape, SHA256: hex.EncodeToString(sum[:])}
	}
	return all
}
