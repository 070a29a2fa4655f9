package lake_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"cohort/dataplane"
	"cohort/dataplane/batch"
	"cohort/dataplane/lake"
)

func stores(t *testing.T) map[string]lake.Blobs {
	t.Helper()
	folder, err := lake.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cache, err := lake.OpenCache(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return map[string]lake.Blobs{"folder": folder, "cache": cache, "memory": lake.NewMemory()}
}

func TestABlobComesBackUnderItsHash(t *testing.T) {
	for name, b := range stores(t) {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			data := []byte("some bytes")
			hash, size, err := b.Put(ctx, bytes.NewReader(data))
			if err != nil || size != int64(len(data)) || hash != lake.Hash(data) {
				t.Fatalf("%s, %d, %v", hash, size, err)
			}
			got, err := lake.Read(ctx, b, hash)
			if err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%q, %v", got, err)
			}
			for _, missing := range []string{lake.Hash(nil), "../../etc/passwd", ""} {
				if _, err := b.Get(ctx, missing); !errors.Is(err, lake.ErrNotFound) {
					t.Errorf("%q: %v", missing, err)
				}
				if has, err := b.Has(ctx, missing); has || err != nil {
					t.Errorf("%q: %v, %v", missing, has, err)
				}
			}
			if has, err := b.Has(ctx, hash); !has || err != nil {
				t.Errorf("%v, %v", has, err)
			}
		})
	}
}

type broken struct{}

func (broken) Read(p []byte) (int, error) { p[0] = 1; return 1, io.ErrClosedPipe }

func TestAFailedPutLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	b, err := lake.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Put(t.Context(), broken{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := b.Put(ctx, strings.NewReader("x")); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if err := os.WriteFile(filepath.Join(dir, "tmp", "put-torn"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lake.OpenFolder(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "tmp", "*")); len(left) != 0 {
		t.Errorf("a killed process's files stay: %v", left)
	}
}

func TestAnAlteredBlobIsNotReturned(t *testing.T) {
	dir := t.TempDir()
	b, err := lake.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := lake.Write(t.Context(), b, []byte("right"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, hash[:2], hash), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lake.Read(t.Context(), b, hash); !errors.Is(err, lake.ErrCorrupt) {
		t.Errorf("read: %v", err)
	}
	if err := b.Remove(hash); err != nil {
		t.Error(err)
	}
	if err := b.Remove(hash); err != nil {
		t.Errorf("a second removal: %v", err)
	}
	if _, err := lake.OpenFolder(filepath.Join("/proc", "no-such")); err == nil {
		t.Error("a folder that can't be made was opened")
	}
}

// event draws events that often belong together.
func event(t *rapid.T) dataplane.Event {
	return dataplane.Event{
		Student: fmt.Sprintf("%032x", rapid.IntRange(0, 5).Draw(t, "student")),
		Time:    int64(rapid.IntRange(0, 4).Draw(t, "time")), ID: fmt.Sprint(rapid.IntRange(0, 12).Draw(t, "id")),
		Item: rapid.SampledFrom([]string{"", "p1", "p2"}).Draw(t, "item"), Skill: fmt.Sprint(rapid.IntRange(1, 12).Draw(t, "skill")),
		Correct: rapid.Bool().Draw(t, "correct"),
	}
}

// The order in which events come leaves no trace, and reading gives them back.
func TestADatasetIsAFunctionOfItsEvents(t *testing.T) {
	first := int(rand.Uint32N(1 << 20))
	if s := os.Getenv("COHORT_SEED"); s != "" {
		_, _ = fmt.Sscan(s, &first) // no number: 0
	}
	t.Logf("COHORT_SEED=%d", first)
	for k := range 10 { // each writes up to 16 Parquet files twice
		ctx, b := context.Background(), lake.NewMemory()
		events := rapid.SliceOfN(rapid.Custom(event), 1, 40).Example(first + k)
		write := func(v []dataplane.Event) (*lake.Manifest, string) {
			e := lake.NewEvents()
			for _, x := range v {
				if err := e.Add(x); err != nil {
					t.Fatal(err)
				}
			}
			m, id, err := lake.WriteDataset(ctx, b, e, "mask")
			if err != nil {
				t.Fatal(err)
			}
			return m, id
		}
		m, id := write(events)
		var back []dataplane.Event
		if err := lake.ReadEvents(ctx, b, id, func(e dataplane.Event) error { back = append(back, e); return nil }); err != nil {
			t.Fatal(err)
		}
		want := slices.Clone(events)
		slices.SortFunc(want, dataplane.Compare)
		slices.SortFunc(back, dataplane.Compare)
		if d := cmp.Diff(want, back); d != "" {
			t.Fatal(d)
		}
		rand.New(rand.NewPCG(1, uint64(len(events)))).Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		if _, again := write(events); again != id {
			t.Fatalf("another order gives %s, not %s", again, id)
		}
		if m.Events != int64(len(events)) {
			t.Fatalf("the manifest counts %d events of %d", m.Events, len(events))
		}
	}
}

func add(t *testing.T, e *lake.Events, rows ...dataplane.Event) {
	t.Helper()
	for k, r := range rows {
		if r.Time == 0 {
			r.Time = int64(k + 1)
		}
		if r.Student == "" {
			r.Student = "s"
		}
		if err := e.Add(r); err != nil {
			t.Fatal(err)
		}
	}
}

// read decodes all histories of a shard set.
func read(t *testing.T, b lake.Blobs, s *lake.ShardSet) []dataplane.History {
	t.Helper()
	var all []dataplane.History
	for _, info := range s.Shards {
		if info.Hash == "" {
			continue
		}
		data, err := lake.Read(t.Context(), b, info.Hash)
		if err != nil {
			t.Fatal(err)
		}
		messages, err := info.Cut(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			h, err := batch.DecodeHistories(m)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, h...)
		}
	}
	return all
}

func TestMultiSkillRowsBecomeAnswers(t *testing.T) {
	b := lake.NewMemory()
	e := lake.NewEvents()
	add(t, e,
		dataplane.Event{Item: "p", Skill: "10", Correct: true},
		dataplane.Event{Item: "p", Skill: "9", Correct: true}, // one answer with the row before
		dataplane.Event{Item: "p", Skill: "9", Correct: true}, // the skill again: a new answer
		dataplane.Event{Item: "p", Skill: "10"},               // another answer
		dataplane.Event{Item: "q", Skill: "9"},                // another item
		dataplane.Event{Skill: "9"},                           // no item
		dataplane.Event{Skill: "10"},                          // no item: nothing says that it is the same answer
	)
	_, id, err := lake.WriteDataset(t.Context(), b, e, "mask")
	if err != nil {
		t.Fatal(err)
	}
	for multi, want := range map[string][]string{
		lake.Combine: {"9+10 1", "9 1", "10 0", "9 0", "9 0", "10 0"},
		lake.First:   {"10 1", "9 1", "10 0", "9 0", "9 0", "10 0"},
		lake.Repeat:  {"10 1", "9 1", "9 1", "10 0", "9 0", "9 0", "10 0"},
	} {
		s, _, err := lake.WriteShards(t.Context(), b, id, multi, 2)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, h := range read(t, b, s) {
			for k := range h.Skill {
				got = append(got, fmt.Sprint(s.Skills[h.Skill[k]], " ", h.Correct[k]))
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", multi, d)
		}
	}
	if s, _, err := lake.WriteShards(t.Context(), b, id, lake.Combine, 2); err != nil || !slices.Equal(s.Skills, []string{"9", "10", "9+10"}) {
		t.Errorf("vocabulary %v, %v: want shortlex order", s.Skills, err)
	}
	for _, bad := range []struct {
		multi  string
		shards int
	}{{"mix", 2}, {lake.Combine, 0}, {lake.Combine, 1 << 20}} {
		if _, _, err := lake.WriteShards(t.Context(), b, id, bad.multi, bad.shards); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func TestShardsOnlyDivideTheStudents(t *testing.T) {
	b := lake.NewMemory()
	e := lake.NewEvents()
	for k := range 200 {
		add(t, e, dataplane.Event{Student: fmt.Sprintf("%032x", k%23), Time: int64(k), Skill: fmt.Sprint(k % 5), Correct: k%3 == 0})
	}
	_, id, err := lake.WriteDataset(t.Context(), b, e, "mask")
	if err != nil {
		t.Fatal(err)
	}
	var first []dataplane.History
	for _, shards := range []int{1, 4, 64} {
		s, _, err := lake.WriteShards(t.Context(), b, id, lake.Repeat, shards)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, b, s)
		slices.SortFunc(got, func(a, b dataplane.History) int { return strings.Compare(a.Student, b.Student) })
		if first == nil {
			first = got
		}
		if d := cmp.Diff(first, got); d != "" || len(got) != 23 || s.Answers != 200 || s.Students != 23 {
			t.Errorf("%d shards: %d students, %d answers: %s", shards, s.Students, s.Answers, d)
		}
	}
}

func TestFoldsComeBack(t *testing.T) {
	b := lake.NewMemory()
	f := lake.NewFolds("mask")
	if err := errors.Join(f.Set("a", 1), f.Set("b", 2), f.Set("a", 1)); err != nil {
		t.Fatal(err)
	}
	if err := f.Set("a", 3); !errors.Is(err, lake.ErrTwoFolds) {
		t.Error(err)
	}
	hash, err := lake.WriteFolds(t.Context(), b, f)
	if err != nil {
		t.Fatal(err)
	}
	got, err := lake.ReadFolds(t.Context(), b, hash)
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := got.Fold("b"); k != 2 || !ok || got.Len() != 2 {
		t.Errorf("fold %d, %v of %d", k, ok, got.Len())
	}
	if _, ok := got.Fold("z"); ok {
		t.Error("a stranger has a fold")
	}
}

func TestDamagedManifestsAreRefused(t *testing.T) {
	b := lake.NewMemory()
	for name, text := range map[string]string{"text": "no JSON", "version": `{"version":7}`} {
		hash, err := lake.Write(t.Context(), b, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := lake.ReadManifest(t.Context(), b, hash); !errors.Is(err, lake.ErrCorrupt) {
			t.Errorf("%s, dataset: %v", name, err)
		}
		if _, err := lake.ReadShardSet(t.Context(), b, hash); !errors.Is(err, lake.ErrCorrupt) {
			t.Errorf("%s, shards: %v", name, err)
		}
		if _, err := lake.ReadFolds(t.Context(), b, hash); !errors.Is(err, lake.ErrCorrupt) {
			t.Errorf("%s, folds: %v", name, err)
		}
	}
	part, err := lake.Write(t.Context(), b, []byte("no Parquet"))
	if err != nil {
		t.Fatal(err)
	}
	id, err := lake.Write(t.Context(), b, fmt.Appendf(nil, `{"version":1,"parts":[{"hash":%q}]}`, part))
	if err != nil {
		t.Fatal(err)
	}
	if err := lake.ReadEvents(t.Context(), b, id, nil); !errors.Is(err, lake.ErrCorrupt) {
		t.Errorf("a part that is no Parquet: %v", err)
	}
	if _, err := (lake.ShardInfo{Messages: []lake.Message{{Bytes: 9}}}).Cut([]byte("short")); !errors.Is(err, lake.ErrCorrupt) {
		t.Error(err)
	}
	if err := lake.NewEvents().Add(dataplane.Event{}); err == nil {
		t.Error("an event without a student was taken")
	}
}

// FuzzDataset reads arbitrary bytes as a manifest and as a part.
func FuzzDataset(f *testing.F) {
	b := lake.NewMemory()
	e := lake.NewEvents()
	if err := e.Add(dataplane.Event{Student: "s", Skill: "k"}); err != nil {
		f.Fatal(err)
	}
	m, id, err := lake.WriteDataset(f.Context(), b, e, "mask")
	if err != nil {
		f.Fatal(err)
	}
	text, err := lake.Read(f.Context(), b, id)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, p := range m.Parts {
		if p.Hash != "" {
			data, err := lake.Read(f.Context(), b, p.Hash)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := lake.NewMemory()
		hash, err := lake.Write(t.Context(), b, data)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = lake.ReadManifest(t.Context(), b, hash)
		_, _ = lake.ReadShardSet(t.Context(), b, hash)
		_, _ = lake.ReadFolds(t.Context(), b, hash)
		id, err := lake.Write(t.Context(), b, fmt.Appendf(nil, `{"version":1,"parts":[{"hash":%q,"events":1}]}`, hash))
		if err != nil {
			t.Fatal(err)
		}
		_ = lake.ReadEvents(t.Context(), b, id, func(dataplane.Event) error { return nil })
	})
}

// impatient cancels at the first blob, and counts them.
type impatient struct {
	lake.Blobs
	cancel context.CancelFunc
	puts   atomic.Int32
}

func (b *impatient) Put(ctx context.Context, r io.Reader) (string, int64, error) {
	b.puts.Add(1)
	b.cancel()
	return b.Blobs.Put(ctx, r)
}

// At most the parts that were being encoded at the time are still written.
func TestACancelledDatasetEncodesNoFurtherPart(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	b := &impatient{Blobs: lake.NewMemory(), cancel: cancel}
	e := lake.NewEvents()
	for k := range 500 { // a few in every part
		add(t, e, dataplane.Event{Student: fmt.Sprint(k), Skill: "s"})
	}
	if _, _, err := lake.WriteDataset(ctx, b, e, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := b.puts.Load(); n > 3 { // two at once, and one that passed the check before
		t.Errorf("%d parts were written", n)
	}
}
