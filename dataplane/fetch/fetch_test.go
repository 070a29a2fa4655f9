package fetch_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cohort/dataplane"
	"cohort/dataplane/fetch"
	"cohort/dataplane/lake"
	"cohort/dataplane/stream"
)

// shardSet stores a small dataset and its shards.
func shardSet(t *testing.T, b lake.Blobs) (*lake.ShardSet, string) {
	t.Helper()
	e := lake.NewEvents()
	for k := range 100 {
		err := e.Add(dataplane.Event{Student: fmt.Sprintf("%032x", k%9), Time: int64(k), Skill: fmt.Sprint(k % 4), Correct: k%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, id, err := lake.WriteDataset(t.Context(), b, e, "mask")
	if err != nil {
		t.Fatal(err)
	}
	s, set, err := lake.WriteShards(t.Context(), b, id, lake.Repeat, 3)
	if err != nil {
		t.Fatal(err)
	}
	return s, set
}

func TestShardsComeFromTheCacheTheStreamOrTheLake(t *testing.T) {
	b := lake.NewMemory()
	set, id := shardSet(t, b)
	srv, err := stream.StartServer(t.Context(), stream.ServerConfig{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	conn, err := srv.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var said strings.Builder
	log := slog.New(slog.NewTextHandler(&said, nil))

	s, want, err := fetch.New("", b, nil, log).Histories(t.Context(), id)
	if err != nil || len(want) != 9 || s.Answers != set.Answers {
		t.Fatalf("lake only: %d students, %v", len(want), err)
	}
	cache := t.TempDir()
	for name, c := range map[string]struct{ dir string }{"no-cache": {""}, "cache": {cache}} {
		for _, round := range []string{"refilled", "streamed", "emptied"} {
			said.Reset()
			if round == "emptied" {
				if err := conn.Purge(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			_, got, err := fetch.New(c.dir, b, conn, log).Histories(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, %s: %s", name, round, d)
			}
			refilled := strings.Contains(said.String(), "refilled from the lake")
			if name == "no-cache" && round == "streamed" && refilled || name == "no-cache" && round == "emptied" && !refilled {
				t.Errorf("%s, %s: refilled %v", name, round, refilled)
			}
		}
	}
}

func TestACorruptCacheIsFetchedAgain(t *testing.T) {
	b := lake.NewMemory()
	_, id := shardSet(t, b)
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	_, want, err := fetch.New(dir, b, nil, log).Histories(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	cached, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	if err != nil || len(cached) == 0 {
		t.Fatalf("nothing is cached: %v", err)
	}
	for _, path := range cached {
		if err := os.WriteFile(path, []byte("spoilt"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, got, err := fetch.New(dir, b, nil, log).Histories(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if _, _, err := fetch.New("/proc/no-such", b, nil, log).Histories(t.Context(), id); err != nil {
		t.Errorf("without a place to cache: %v", err)
	}
}

func TestWhatIsNowhereIsAnError(t *testing.T) {
	if _, _, err := fetch.New("", lake.NewMemory(), nil, slog.New(slog.DiscardHandler)).Histories(t.Context(), lake.Hash(nil)); err == nil {
		t.Error("a shard set out of nothing")
	}
}
