package stage

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"cohort/coordinator/wire"
	"cohort/dataplane/lake"
	"cohort/dataplane/source"
	"cohort/dataplane/stream"
	"cohort/worker/supervise"
)

func TestMain(m *testing.M) {
	if supervise.Asked(os.Args) {
		// os.Exit would have a test binary write of its coverage into the command's output.
		syscall.Exit(supervise.Main(context.Background()))
	}
	// A stage is run whole for each draw: fewer of them, unless the flag asks.
	if err := flag.Set("rapid.checks", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// bench is a place to run stages at.
type bench struct {
	t    *testing.T
	env  Env
	log  bytes.Buffer
	seen []wire.Progress
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t}
	b.env = Env{
		Blobs:    lake.NewMemory(),
		Progress: func(p wire.Progress) { b.seen = append(b.seen, p) },
		Logger:   slog.New(slog.NewTextHandler(&b.log, nil)),
	}
	return b
}

func (b *bench) put(text string) string {
	hash, _, err := b.env.Blobs.Put(b.t.Context(), strings.NewReader(text))
	if err != nil {
		b.t.Fatal(err)
	}
	return hash
}

func (b *bench) run(kind wire.StageKind, settings any, inputs map[string]string) (wire.TaskResult, error) {
	text, err := json.Marshal(settings)
	if err != nil {
		b.t.Fatal(err)
	}
	return Run(b.t.Context(), b.env, wire.Assignment{
		Task:  wire.Task{ID: "job/stage/0", Attempt: 1},
		Stage: wire.Stage{Job: "job", Name: "stage", Kind: kind, Settings: text, Inputs: inputs},
	})
}

const events = "user,problem,skill,correct,time\n" +
	"ann,p1,s1,1,1\nann,p2,s2,0,2\nbob,p1,s1,1,1\nbob,p3,s2,1,3\ncy,p1,s1,0,1\ncy,p2,s2,0,2\n"

func importSettings() wire.ImportSettings {
	return wire.ImportSettings{
		Name: "school", File: "events.csv",
		Columns:  wire.Columns{Student: "user", Item: "problem", Skill: "skill", Correct: wire.Correct{Column: "correct"}, Time: "time"},
		FoldFile: "folds.csv", FoldStudent: "user", FoldColumn: "fold",
	}
}

func TestImportThenShard(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := map[string]string{"events": b.put(events), "folds": b.put("user,fold\nann,1\nbob,2\ncy,3\n")}
	r, err := b.run(wire.StageImport, importSettings(), in)
	if err != nil {
		t.Fatal(err)
	}
	d := r.Dataset
	if d == nil || d.ID != r.Outputs["dataset"] || d.Name != "school" || d.Events != 6 || d.Students != 3 || d.Skills != 2 || d.Mask == "" {
		t.Errorf("dataset %+v, outputs %v", d, r.Outputs)
	}
	folds, err := lake.ReadFolds(t.Context(), b.env.Blobs, r.Outputs["folds"])
	if err != nil || folds.Len() != 3 {
		t.Fatalf("folds: %v", err)
	}
	bob := source.NewMasker([]byte(source.DefaultMaskKey)).Mask("bob")
	if f, ok := folds.Fold(bob); !ok || f != 2 {
		t.Errorf("fold of bob: %d, %v", f, ok)
	}
	if s := b.log.String(); !strings.Contains(s, "WARN") || !strings.Contains(s, "mask.key") {
		t.Errorf("no warning of the default key in %q", s)
	}
	if len(b.seen) == 0 {
		t.Error("no progress")
	}
	var told struct{ Dataset imported }
	if err := json.Unmarshal(r.Result, &told); err != nil || told.Dataset.Rows != 6 || told.Dataset.ID != d.ID {
		t.Errorf("result %s: %v", r.Result, err)
	}
	again := newBench(t)
	in["events"], in["folds"] = again.put(events), again.put("user,fold\nann,1\nbob,2\ncy,3\n")
	if other, err := again.run(wire.StageImport, importSettings(), in); err != nil || other.Outputs["dataset"] != d.ID || other.Outputs["folds"] != r.Outputs["folds"] {
		t.Errorf("the same files gave %v, then %v (%v)", r.Outputs, other.Outputs, err)
	}
	sharded, err := b.run(wire.StageShard, wire.ShardSettings{MultiSkill: "combine", Shards: 4}, r.Outputs)
	if err != nil {
		t.Fatal(err)
	}
	set, err := lake.ReadShardSet(t.Context(), b.env.Blobs, sharded.Outputs["shards"])
	if err != nil || set.Students != 3 || set.Answers != 6 || len(set.Shards) != 4 || set.Dataset != d.ID {
		t.Errorf("shard set %+v: %v", set, err)
	}
}

func TestANamedKeyMasksWithoutAWarning(t *testing.T) {
	t.Setenv("SCHOOL_KEY", "a key of some length")
	b := newBench(t)
	s := importSettings()
	s.MaskKey = "env:SCHOOL_KEY"
	r, err := b.run(wire.StageImport, s, map[string]string{"events": b.put(events)})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.log.String(), "WARN") || strings.Contains(b.log.String(), "some length") {
		t.Errorf("log %q", b.log.String())
	}
	if want := source.NewMasker([]byte("a key of some length")).Fingerprint(); r.Dataset.Mask != want || r.Outputs["folds"] != "" {
		t.Errorf("mask %q, want %q; outputs %v", r.Dataset.Mask, want, r.Outputs)
	}
}

func TestWrongFilesAreNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		events, folds string
		change        func(*wire.ImportSettings)
		want          []string
	}{
		"strangers":   {events, "user,fold\nann,1\n", nil, []string{"events.csv", "row 4", "user", "2 students", "folds.csv"}},
		"no_rows":     {"user,problem,skill,correct,time\n", "", nil, []string{"events.csv", "no "}},
		"empty":       {"", "", nil, []string{"events.csv", "empty"}},
		"no_column":   {"user,problem,correct,time\nann,p,1,1\n", "", nil, []string{"events.csv", "skill"}},
		"text":        {events + "dan,p1,s1,maybe,4\n", "", nil, []string{"events.csv", "row 8", "correct", "maybe"}},
		"bad_fold":    {events, "user,fold\nann,one\n", nil, []string{"folds.csv", "row 2", "fold", "one"}},
		"no_key":      {events, "", func(s *wire.ImportSettings) { s.MaskKey = "env:COHORT_TEST_NO_SUCH" }, []string{"COHORT_TEST_NO_SUCH"}},
		"strange_key": {events, "", func(s *wire.ImportSettings) { s.MaskKey = "magic" }, []string{"job file: mask key", "env:NAME"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			s := importSettings()
			if c.change != nil {
				c.change(&s)
			}
			in := map[string]string{"events": b.put(c.events)}
			if c.folds != "" {
				in["folds"] = b.put(c.folds)
			}
			_, err := b.run(wire.StageImport, s, in)
			if _, ok := errors.AsType[*source.InputError](err); !ok {
				t.Fatalf("error %v (%T), want an input error", err, err)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not name %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "magic") {
				t.Errorf("%q is more than a line", err)
			}
		})
	}
}

func TestMissingBlobsAreErrors(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	none := strings.Repeat("0", 64)
	for what, in := range map[string]map[string]string{
		"events": {"events": none}, "folds": {"events": b.put(events), "folds": none}, "dataset": {"dataset": none},
	} {
		kind, settings := wire.StageImport, any(importSettings())
		if what == "dataset" {
			kind, settings = wire.StageShard, wire.ShardSettings{MultiSkill: "combine", Shards: 2}
		}
		if _, err := b.run(kind, settings, in); !errors.Is(err, lake.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestShardsAreOnTheStream(t *testing.T) {
	t.Parallel()
	server, err := stream.StartServer(t.Context(), stream.ServerConfig{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	b := newBench(t)
	if b.env.Stream, err = server.Connect(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer b.env.Stream.Close()
	r, err := b.run(wire.StageImport, importSettings(), map[string]string{"events": b.put(events)})
	if err != nil {
		t.Fatal(err)
	}
	if r, err = b.run(wire.StageShard, wire.ShardSettings{MultiSkill: "combine", Shards: 2}, r.Outputs); err != nil {
		t.Fatal(err)
	}
	id := r.Outputs["shards"]
	set, err := lake.ReadShardSet(t.Context(), b.env.Blobs, id)
	if err != nil {
		t.Fatal(err)
	}
	for k, s := range set.Shards {
		if s.Hash == "" {
			continue
		}
		messages, err := b.env.Stream.FetchShard(t.Context(), id, k, len(s.Messages))
		if err != nil {
			t.Fatal(err)
		}
		all, err := lake.Read(t.Context(), b.env.Blobs, s.Hash)
		if err != nil || !bytes.Equal(bytes.Join(messages, nil), all) {
			t.Errorf("shard %d: other bytes on the stream than in the lake (%v)", k, err)
		}
	}
	b.env.Stream.Close() // publishing fails: the lake is enough
	again, err := b.run(wire.StageShard, wire.ShardSettings{MultiSkill: "combine", Shards: 2}, map[string]string{"dataset": set.Dataset})
	if err != nil || again.Outputs["shards"] != id || !strings.Contains(b.log.String(), "not published") {
		t.Errorf("without a stream: %v, %v", again.Outputs, err)
	}
}

func TestTrivialStages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.run(wire.StageNoop, wire.NoopSettings{}, nil); err != nil {
		t.Error(err)
	}
	if _, err := b.run(wire.StageNoop, wire.NoopSettings{FailAttempts: 1}, nil); err == nil {
		t.Error("a noop that should fail did not")
	}
	for _, kind := range []wire.StageKind{wire.StageTrain, "polka"} {
		if _, err := b.run(kind, nil, nil); err == nil || !strings.Contains(err.Error(), string(kind)) {
			t.Errorf("%s: %v", kind, err)
		}
	}
	for _, kind := range []wire.StageKind{wire.StageImport, wire.StageShard, wire.StageNoop} {
		_, err := b.run(kind, "no object", nil)
		if _, ok := errors.AsType[*source.InputError](err); !ok {
			t.Errorf("%s with bad settings: %v", kind, err)
		}
	}
	enough := fmt.Errorf("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if _, err := Run(ctx, b.env, wire.Assignment{Stage: wire.Stage{Kind: wire.StageIdle}}); !errors.Is(err, enough) {
		t.Errorf("idle: %v", err)
	}
}
