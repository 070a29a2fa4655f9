package lake_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/dataplane/lake"

	"github.com/google/go-cmp/cmp"
)

func readRejects(b lake.Blobs, hash string) (all []lake.Reject, err error) {
	err = lake.ReadRejects(context.Background(), b, hash, func(r lake.Reject) error { all = append(all, r); return nil })
	return all, err
}

func TestRejectsComeBackInOrder(t *testing.T) {
	want := []lake.Reject{
		{At: "a/1, offset 9", Column: "right", Reason: `"<x>" is no answer`},
		{At: "a/1, offset 10", Column: "", Reason: "a"},
		{At: "a/1, offset 10", Column: "", Reason: "b"},
		{At: "a/1, offset 10", Column: "at", Reason: "a"},
		{At: "a/1, offset 010", Column: "at", Reason: "a"},
		{At: "a/02, offset 1"},
		{At: "a/2, offset 2"},
		{At: "a/10"},
		{At: "a/10, offset 18446744073709551616"},
		{At: "a/10, offset 18446744073709551617"},
		{At: "b"},
	}
	slices.SortFunc(want[3:5], func(a, b lake.Reject) int { return strings.Compare(a.At, b.At) }) // equal as numbers
	slices.SortFunc(want[1:5], lake.CompareRejects)
	b := lake.NewMemory()
	first := ""
	for seed := range uint64(5) {
		all := slices.Clone(want)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		hash, err := lake.WriteRejects(t.Context(), b, all)
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = hash
		}
		got, err := readRejects(b, hash)
		if d := cmp.Diff(want, got); d != "" || err != nil || hash != first {
			t.Fatalf("%v, %s and %s: %s", err, hash, first, d)
		}
	}
	hash, err := lake.WriteRejects(t.Context(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := readRejects(b, hash); len(got) != 0 || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	// Other bytes are another output of the stages that write rejects: raise their
	// versions with this hash.
	if want := "57a887af7814652f80a6c407ed4643a2e1e82b790fbf3c71c1d96bdfcfaf4ff2"; first != want {
		t.Errorf("other bytes than before: %s, want %s", first, want)
	}
}

func TestRejectsStopWhenTheyCannotGoOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	all := make([]lake.Reject, 100_000)
	for k := range all {
		all[k] = lake.Reject{At: fmt.Sprintf("log.csv, row %d", len(all)-k), Reason: fmt.Sprint(k * 7919)}
	}
	b := lake.NewMemory()
	if _, err := lake.WriteRejects(ctx, b, all); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	hash, err := lake.WriteRejects(t.Context(), b, all)
	if err != nil {
		t.Fatal(err)
	}
	stop := errors.New("stop")
	if err := lake.ReadRejects(t.Context(), b, hash, func(lake.Reject) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	if err := lake.ReadRejects(ctx, b, hash, func(lake.Reject) error { return nil }); err == nil {
		t.Error("read on when told to stop")
	}
	if _, err := readRejects(b, lake.Hash(nil)); !errors.Is(err, lake.ErrNotFound) {
		t.Error(err)
	}
	outage := errors.New("no route to host")
	if _, err := readRejects(failing{b, outage}, hash); !errors.Is(err, outage) || errors.Is(err, lake.ErrCorrupt) {
		t.Errorf("an outage is told as %v", err)
	}
	got, err := readRejects(b, hash)
	if err != nil || len(got) != len(all) || got[0].At != "log.csv, row 1" || got[99_999].At != "log.csv, row 100000" {
		t.Errorf("%d, %v", len(got), err)
	}
}

// failing is a store whose blobs break off after a few bytes.
type failing struct {
	lake.Blobs
	err error
}

func (f failing) Get(ctx context.Context, hash string) (io.ReadCloser, error) {
	rc, err := f.Blobs.Get(ctx, hash)
	if err != nil {
		return nil, err
	}
	return &cut{rc, 5000, f.err}, nil
}

type cut struct {
	io.ReadCloser
	left int
	err  error
}

func (c *cut) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, c.err
	}
	n, err := c.ReadCloser.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// pack is gzip.
func pack(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := io.WriteString(z, text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDamagedRejectsAreRefused(t *testing.T) {
	b := lake.NewMemory()
	good := pack(t, "{\"version\":1,\"rejects\":1}\n{\"at\":\"a\",\"column\":\"\",\"reason\":\"r\"}\n")
	for name, text := range map[string]string{
		"empty": "", "no-gzip": "{}", "version": pack(t, "{\"version\":2}\n"), "no-json": pack(t, "{\"version\":1,\"rejects\":1}\n{"),
		"too-few": pack(t, "{\"version\":1,\"rejects\":1}\n"), "too-many": pack(t, "{\"version\":1,\"rejects\":0}\n{}\n"),
		"cut-off": good[:len(good)-9], "more": good + "x", "twice": good + good,
	} {
		hash, err := lake.Write(t.Context(), b, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readRejects(b, hash); !errors.Is(err, lake.ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	dir := t.TempDir()
	f, err := lake.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := lake.Write(t.Context(), f, []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	other := pack(t, "{\"version\":1,\"rejects\":0}\n")
	if err := os.WriteFile(filepath.Join(dir, hash[:2], hash), []byte(other), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readRejects(f, hash); !errors.Is(err, lake.ErrCorrupt) {
		t.Errorf("other bytes under the hash: %v", err)
	}
}

func FuzzRejects(f *testing.F) {
	f.Add([]byte(pack(f, "{\"version\":1,\"rejects\":1}\n{\"at\":\"a\"}\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := lake.NewMemory()
		hash, err := lake.Write(t.Context(), b, data)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readRejects(b, hash); err != nil && !errors.Is(err, lake.ErrCorrupt) {
			t.Error(err)
		}
	})
}
