package cli_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
	"cohort/dkt/checkpoint"
	"cohort/kernels"
)

// A shelf is a fake registry of one model with two versions.
type shelf struct {
	answers map[string][]any
	weights []byte
	version wire.VersionView // 2, in production
}

func hashed(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// weightsFile is a small model as training leaves it.
func weightsFile(t *testing.T, seed float32) (file []byte, hash string) {
	t.Helper()
	p := kernels.NewParams(kernels.Shape{Skills: 2, Embed: 3, Hidden: 4, Layers: 1})
	for k := range p.Data {
		p.Data[k] = seed * float32(k)
	}
	f, err := checkpoint.Weights(p, []string{"add", "sub"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), kernels.HashWeights(p)
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	private := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	public := []byte(private.Public().(ed25519.PublicKey))
	s := &shelf{answers: map[string][]any{
		"GET /v1/keys": {[]wire.SigningKey{{ID: wire.KeyID(public), Public: public, Owner: "c1"}}},
	}}
	var list []wire.ModelVersion
	for n, stage := range []wire.ModelStage{wire.Archived, wire.Production} {
		file, hash := weightsFile(t, float32(n+1)/8)
		job := fmt.Sprint("weekly-", n+1)
		m := wire.ModelManifest{
			FormatVersion: 1, Model: "rasch", Weights: hashed(file), WeightsHash: hash, Engine: "kernels", Skills: []string{"add", "sub"}[:n+1], Window: 100,
			Spec: wire.ModelSpec{Cell: "lstm", Hidden: 4, Layers: 1}, Train: wire.TrainSpec{Optimizer: "adam", LR: 0.002 * float64(n+1)},
			Dataset: "d1", Binary: "v1.2.3",
		}
		manifest := marshal(t, m)
		v := wire.ModelVersion{
			Model: "rasch", Version: n + 1, Stage: stage, Manifest: hashed(manifest), Weights: m.Weights, WeightsHash: hash, Engine: m.Engine,
			Evaluation: job + "/evaluate", AUC: 0.7512 + 0.01*float64(n), Job: job, Key: wire.KeyID(public), Notes: "a\nnote",
		}
		v.Signature = ed25519.Sign(private, wire.SignedText(v.Manifest))
		e := wire.Evaluation{
			ID: v.Evaluation, Baseline: n, Of: wire.Measures{AUC: v.AUC, Answers: 12345}, Gain: 0.0133, GainLow: 0.001, GainHigh: 0.02, Quality: wire.QualityPassed,
			Segments: []wire.Segment{{Name: "new students", Candidate: wire.Measures{AUC: 0.71}}, {Name: "rare skills", Note: "too few answers"}},
		}
		e.Gates = wire.CheckGates(wire.DefaultGates(), e)
		view := wire.VersionView{ModelVersion: v, Found: &e}
		for _, name := range []string{fmt.Sprint(n + 1), string(stage), "latest"} {
			s.answers["GET /v1/models/rasch/versions/"+name] = []any{view}
		}
		s.answers["GET /v1/blobs/"+v.Manifest], s.answers["GET /v1/blobs/"+v.Weights] = []any{manifest}, []any{file}
		list = append(list, v)
		s.weights, s.version = file, view
	}
	model := wire.Model{Name: "rasch", Versions: 2, Production: 2, Previous: 1, Aliases: map[string]int{"pilot": 1}}
	s.answers["GET /v1/models"] = []any{[]wire.Model{model}}
	s.answers["GET /v1/models/rasch"] = []any{wire.ModelView{Model: model, List: list}}
	s.answers["GET /v1/models/rasch/history"] = []any{wire.HistoryReply{Model: "rasch", Production: 2, Changes: []wire.ModelChange{
		{Version: 1, What: wire.ChangeRegistered, To: wire.Development, Actor: "w1", Time: 1_700_000_000_000},
		{Version: 2, What: wire.ChangePromoted, To: wire.Production, Before: 1, Actor: "ann", Reason: "the exam", Passed: "auc", Time: 1_700_000_060_000},
		{Version: 1, What: wire.ChangeAlias, Alias: "pilot", Actor: "ann", Time: 1_700_000_120_000},
		{What: wire.ChangeAlias, Alias: "old", Actor: "ann", Time: 1_700_000_180_000},
	}}}
	return s
}

func (s *shelf) start(t *testing.T) (*fake, string) { return newFake(t, s.answers) }

func TestModelReads(t *testing.T) {
	t.Parallel()
	_, url := newShelf(t).start(t)
	for _, c := range []struct{ line, want string }{
		{"model list", "NAME   VERSIONS  PRODUCTION  STAGING  PREVIOUS  ALIASES\nrasch  2         2           -        1         pilot=1\n"},
		{"model list -q", "rasch\n"},
		{"model list rasch -q", "rasch@2\nrasch@1\n"},
		{"model list rasch", "VERSION  STAGE       AUC     ENGINE   JOB       MADE  ALIASES  NOTES\nrasch@2  production  0.7612  kernels  weekly-2  -     -        a note\nrasch@1  archived    0.7512  kernels  weekly-1  -     pilot    a note\n"},
		{"model history rasch -q", "rasch@2\n"},
		{"model history rasch", `in production now: rasch@2

TIME                  VERSION  CHANGE                                               BY   REASON
2023-11-14T22:16:20Z  -        alias old dropped                                    ann  -
2023-11-14T22:15:20Z  1        alias pilot                                          ann  -
2023-11-14T22:14:20Z  2        promoted to production in place of 1 passing over auc  ann  the exam
2023-11-14T22:13:20Z  1        registered                                           w1   -
`},
		{"model diff rasch@1 @2", "FIELD              RASCH@1   RASCH@2\nevaluation.of.auc  0.7512    0.7612\nskill sub          -         there\nskills             1         2\nstage              archived  production\ntrain.lr           0.002     0.004\n"},
		{"model diff rasch@2 rasch", "rasch@2 and rasch@2 do not differ\n"},
	} {
		o := cohort(t, "", nil, append(strings.Fields(c.line), "--addr", url)...)
		got := o.out
		if strings.HasPrefix(c.line, "model diff") { // hashes differ in ways of their own
			got = without(got, "weights")
		}
		if d := cmp.Diff(spaced(c.want), spaced(got)); d != "" || o.code != 0 {
			t.Errorf("%s: %+v\n%s", c.line, o, d)
		}
	}
}

// without drops the lines that begin with a word.
func without(text, word string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, word) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// spaced is text with single spaces between its columns.
func spaced(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestModelShowTellsLineageAndGates(t *testing.T) {
	t.Parallel()
	_, url := newShelf(t).start(t)
	o := cohort(t, "", nil, "model", "show", "rasch", "--addr", url)
	for _, part := range []string{
		"rasch@2", "production", "lstm, 4 hidden, 1 layers, engine kernels", "v1.2.3", "VERSION 1", "12,345", "new students", "too few answers",
		"AUC +1.33 % (95 %: +0.10 to +2.00 %)", "GATE         PASSES  WHY", "accuracy     NO", "improvement  yes",
	} {
		if !strings.Contains(o.out, part) || o.code != 0 {
			t.Errorf("show lacks %q: %d %s\n%s", part, o.code, o.err, o.out)
		}
	}
	var v struct {
		wire.VersionView
		Lineage wire.ModelManifest
	}
	o = cohort(t, "", nil, "model", "show", "rasch@1", "-o", "json", "--addr", url)
	if err := json.Unmarshal([]byte(o.out), &v); err != nil || v.Version != 1 || v.Lineage.Dataset != "d1" || len(v.Found.Gates) != 5 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestHistoryAtADate(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	s.answers["GET /v1/models/rasch/history"] = []any{wire.HistoryReply{Model: "rasch", At: 1}}
	_, url := s.start(t)
	o := cohort(t, "", nil, "model", "history", "rasch", "--at", "2023-11-14", "--addr", url)
	if o.code != 0 || !strings.HasPrefix(o.out, "in production at 2023-11-14T00:00:00Z: no version of rasch\n") {
		t.Errorf("%+v", o)
	}
	cohort(t, "", nil, "model", "history", "rasch", "--at", "monday", "--addr", url).expect(t, 2, `--at "monday"`)
}

func TestModelWrites(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, verb := range []string{"promote", "rollback", "alias", "notes", "delete"} {
		s.answers["POST /v1/models/rasch/"+verb] = []any{wire.Outcome{Index: 9, ID: "rasch"}}
	}
	s.answers["GET /v1/deployments/rasch"] = []any{wire.DeploymentView{Deployment: wire.Deployment{
		Model: "rasch", Routes: []wire.Route{{Version: 1, Percent: 100}},
	}}}
	for _, c := range []struct{ line, out, request, body string }{
		{"promote rasch", "rasch@2 is in production\n", "promote", `{"model":"rasch","version":2,"stage":"production"}`},
		{"promote rasch@1 --stage staging --check-index 7", "rasch@1 is in staging\n", "promote", `{"model":"rasch","version":1,"stage":"staging","check_index":7}`},
		{"promote rasch@1 --force --reason exam", "rasch@1 is in production\n", "promote", `{"model":"rasch","version":1,"stage":"production","force":true,"reason":"exam"}`},
		{"rollback rasch --reason complaints", "rasch@2 is in production\n", "rollback", `{"model":"rasch","version":0,"stage":"","rollback":true,"reason":"complaints"}`},
		{"rollback rasch@1", "rasch@2 is in production\n", "rollback", `{"model":"rasch","version":1,"stage":"","rollback":true}`},
		{"note rasch@1 fine", "rasch@1 noted\n", "notes", `{"model":"rasch","version":1,"notes":"fine"}`},
		{"alias rasch@1 pilot", "rasch@pilot is rasch@1\n", "alias", `{"model":"rasch","version":1,"alias":"pilot"}`},
		{"alias rasch pilot --drop", "rasch@pilot dropped\n", "alias", `{"model":"rasch","version":0,"alias":"pilot","drop":true}`},
		{"delete rasch@1 --reason old", "rasch@1 deleted\n", "delete", `{"model":"rasch","version":1,"reason":"old"}`},
		{"delete rasch@1 -o json", `{"index":9,"code":"","id":"rasch"}` + "\n", "delete", `{"model":"rasch","version":1}`},
		{"delete rasch@1 -q", "", "delete", `{"model":"rasch","version":1}`},
	} {
		f, url := s.start(t)
		o := cohort(t, "", nil, append(append([]string{"model"}, strings.Fields(c.line)...), "--addr", url)...)
		if o.out != c.out || o.code != 0 {
			t.Errorf("%s: %+v", c.line, o)
		}
		stays := strings.HasSuffix(c.out, "@2 is in production\n")
		if hint := "traffic stays with version 1; to move it: cohort deploy start --addr " + url + " rasch@2\n"; stays != (o.err == hint) {
			t.Errorf("%s says %q", c.line, o.err)
		}
		if got := f.body("POST /v1/models/rasch/" + c.request); got != c.body {
			t.Errorf("%s sent %s, want %s", c.line, got, c.body)
		}
	}
}

func TestRetentionKeepsWhatIsNeeded(t *testing.T) {
	t.Parallel()
	var list []wire.ModelVersion
	for n, stage := range []wire.ModelStage{wire.Archived, wire.Archived, wire.Development, wire.Archived, wire.Staging, wire.Production, wire.Development, wire.Development} {
		list = append(list, wire.ModelVersion{Model: "m", Version: n + 1, Stage: stage})
	}
	view := wire.ModelView{Model: wire.Model{Name: "m", Production: 6, Staging: 5, Previous: 4, Aliases: map[string]int{"pilot": 2}}, List: list}
	for keep, want := range map[string]string{"0": "m@1 m@3 m@7 m@8", "1": "m@1 m@3 m@7", "2": "m@1 m@3", "9": ""} {
		_, url := newFake(t, map[string][]any{"GET /v1/models/m": {view}, "POST /v1/models/m/delete": {wire.Outcome{}}})
		o := cohort(t, "", nil, "model", "delete", "m", "--keep", keep, "-q", "--addr", url)
		if got := strings.Join(strings.Fields(o.out), " "); got != want || o.code != 0 {
			t.Errorf("--keep %s deleted %q, want %q; %+v", keep, got, want, o)
		}
	}
	_, url := newFake(t, map[string][]any{"GET /v1/models/m": {view}, "POST /v1/models/m/delete": {
		&wire.Error{Code: wire.CodeConflict, Message: "has the alias x"}, wire.Outcome{}, &wire.Error{Code: wire.CodeDenied, Message: "no"},
	}})
	o := cohort(t, "", nil, "model", "delete", "m", "--keep", "0", "-q", "--addr", url)
	o.expect(t, 6, "no")
}

func TestVerifyAndExport(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	_, url := s.start(t)
	o := cohort(t, "", nil, "model", "verify", "rasch", "--addr", url)
	if o.code != 0 || strings.Count(o.out, "yes") != 4 {
		t.Errorf("%+v", o)
	}
	path := filepath.Join(t.TempDir(), "out.safetensors")
	if o := cohort(t, "", nil, "model", "export", "rasch@2", "--file", path, "--addr", url); o.code != 0 || sha(t, path) != s.version.Weights {
		t.Errorf("exported %+v", o)
	}
	if o := cohort(t, "", nil, "model", "export", "rasch", "--file", "-", "--addr", url); o.out != string(s.weights) {
		t.Errorf("to stdout: %d bytes, %+v", len(o.out), o.code)
	}
	onnx := cohort(t, "", nil, "model", "export", "rasch", "--format", "onnx", "--file", "-", "--addr", url)
	if onnx.code != 0 || !strings.Contains(onnx.out, s.version.WeightsHash) || !strings.Contains(onnx.out, `["add","sub"]`) {
		t.Errorf("onnx: %d %s", onnx.code, onnx.err)
	}
	cohort(t, "", nil, "model", "export", "rasch", "--format", "pickle", "--addr", url).expect(t, 2, `--format "pickle" is unknown`)
	cohort(t, "", nil, "model", "export", "rasch", "--file", "/no/such/file", "--addr", url).expect(t, 4, "/no/such")
}

// Whatever of a version is not as it was registered is named, with exit code 1,
// and is not exported either.
func TestWhatWasAlteredIsNamed(t *testing.T) {
	t.Parallel()
	other, _ := weightsFile(t, 3)
	for name, c := range map[string]struct {
		change func(s *shelf)
		want   string
	}{
		"weights": {func(s *shelf) {
			altered := bytes.Clone(s.weights)
			altered[len(altered)-1] ^= 1
			s.answers["GET /v1/blobs/"+s.version.Weights] = []any{altered}
		}, "weights WEIGHTS: altered or broken off"},
		"weights cut":  {func(s *shelf) { s.answers["GET /v1/blobs/"+s.version.Weights] = []any{s.weights[:40]} }, "weights WEIGHTS: altered"},
		"weights gone": {func(s *shelf) { delete(s.answers, "GET /v1/blobs/"+s.version.Weights) }, "weights WEIGHTS: blobs/"},
		"manifest":     {func(s *shelf) { s.answers["GET /v1/blobs/"+s.version.Manifest] = []any{[]byte("{}")} }, "manifest MANIFEST: altered"},
		"signature":    {func(s *shelf) { s.version.Signature[0] ^= 1 }, "the signature is not key"},
		"key":          {func(s *shelf) { s.answers["GET /v1/keys"] = []any{[]wire.SigningKey{}} }, "is unknown to the cluster"},
		"forged key": {func(s *shelf) {
			_, private, _ := ed25519.GenerateKey(nil)
			public := []byte(private.Public().(ed25519.PublicKey))
			s.version.Signature = ed25519.Sign(private, wire.SignedText(s.version.Manifest))
			s.answers["GET /v1/keys"] = []any{[]wire.SigningKey{{ID: s.version.Key, Public: public}}} // under the true key's name
		}, "the signature is not key"},
		"other weights": {func(s *shelf) {
			s.version.Weights = hashed(other)
			s.answers["GET /v1/blobs/"+hashed(other)] = []any{other}
		}, `weights is "`},
		"other numbers": {func(s *shelf) { s.version.WeightsHash = strings.Repeat("0", 64) }, "weights_sha256 is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShelf(t)
			c.change(s)
			s.answers["GET /v1/models/rasch/versions/production"] = []any{s.version}
			_, url := s.start(t)
			want := strings.NewReplacer("WEIGHTS", s.version.Weights, "MANIFEST", s.version.Manifest).Replace(c.want)
			o := cohort(t, "", nil, "model", "verify", "rasch", "--addr", url)
			o.expect(t, 1, "rasch@2 is not what was registered: ")
			o.expect(t, 1, want)
			o.oneLine(t)
			if !strings.Contains(o.out, "NO") {
				t.Errorf("the table shows none: %s", o.out)
			}
			file := filepath.Join(t.TempDir(), "x")
			cohort(t, "", nil, "model", "export", "rasch", "--file", file, "--addr", url).expect(t, 1, "is not what was registered")
			if _, err := os.Stat(file); err == nil {
				t.Error("it was exported")
			}
		})
	}
}

func TestWrongModelLines(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for text, code := range map[string]wire.Code{"gate": wire.CodeGate, "conflict": wire.CodeConflict, "denied": wire.CodeDenied} {
		s.answers["POST /v1/models/"+text+"/promote"] = []any{&wire.Error{Code: code, Message: text + " said so"}}
		view := s.version
		view.Model = text
		s.answers["GET /v1/models/"+text+"/versions/latest"] = []any{view}
	}
	_, url := s.start(t)
	for _, c := range []struct {
		line string
		code int
		part string
	}{
		{"show", 2, "needs MODEL"},
		{"show @2", 2, `"@2" names no model`},
		{"show rasch@", 2, `"rasch@" names no model`},
		{"show rasch@1@2", 2, "want NAME or NAME@VERSION"},
		{"show none", 4, "none/versions/latest is unknown"},
		{"show rasch@9", 4, "versions/9 is unknown"},
		{"diff rasch", 2, "needs B"},
		{"promote rasch --stage live", 2, `--stage "live" is unknown`},
		{"promote rasch --force", 2, "--force needs --reason"},
		{"promote gate", 3, "gate said so"},
		{"promote conflict", 5, "conflict said so"},
		{"promote denied --force --reason x", 6, "denied said so"},
		{"note rasch text", 2, `"rasch" names no version`},
		{"alias rasch pilot", 2, `"rasch" names no version`},
		{"delete rasch", 2, `"rasch" names no version`},
		{"delete rasch --keep -2", 2, "--keep is -2"},
		{"delete rasch@1 --keep 3", 2, "with --keep, want NAME"},
		{"promote rasch --token-file /no/such", 4, "--token-file: open /no/such"},
		{"verfy rasch", 2, `did you mean "cohort model verify"?`},
	} {
		o := cohort(t, "", nil, append(append([]string{"model"}, strings.Fields(c.line)...), "--addr", url)...)
		o.expect(t, c.code, c.part)
		o.oneLine(t)
	}
}

func TestTheAdminTokenIsSentAndNeverSaid(t *testing.T) {
	t.Parallel()
	const token = "hunter2-token"
	s := newShelf(t)
	s.answers["POST /v1/models/rasch/promote"] = []any{wire.Outcome{}}
	file, empty := write(t, "token", token+"\n"), write(t, "empty", "\n")
	line := []string{"model", "promote", "rasch", "--force", "--reason", "x", "--addr"}
	for name, c := range map[string]struct {
		env, args []string
		want      string
	}{
		"none":     {nil, nil, ""},
		"variable": {[]string{"COHORT_TOKEN=" + token}, nil, "Bearer " + token},
		"file":     {nil, []string{"--token-file", file}, "Bearer " + token},
		"both":     {[]string{"COHORT_TOKEN=other", "COHORT_TOKEN_FILE=" + file}, nil, "Bearer " + token},
	} {
		f, url := s.start(t)
		o := cohort(t, "", c.env, append(append(line, url), c.args...)...)
		if o.code != 0 || strings.Contains(o.out+o.err, token) || f.tokens[len(f.tokens)-1] != c.want {
			t.Errorf("%s: %+v, sent %q", name, o, f.tokens)
		}
	}
	_, url := s.start(t)
	cohort(t, "", nil, append(append(line, url), "--token-file", empty)...).expect(t, 1, "is empty")
	text := strings.ReplaceAll(cohort(t, "", nil, "job", "init", "coordinator").out, "# admin_token", "admin_token")
	config := write(t, "c.yaml", text)
	cohort(t, "", nil, "coordinator", "--config", config).expect(t, 1, "admin_token: env:COHORT_ADMIN: the environment has no COHORT_ADMIN")
	for _, given := range []string{token, "env:" + token, "file:https://" + token} {
		config = write(t, "c.yaml", strings.Replace(text, "env:COHORT_ADMIN", given, 1))
		o := cohort(t, "", nil, "coordinator", "--config", config)
		o.expect(t, 1, "admin_token: a secret is named by env:NAME or file:PATH")
		if strings.Contains(o.err, token) {
			t.Errorf("it says the token: %s", o.err)
		}
	}
}
