package lake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"cohort/coordinator/wire"
)

func attemptsFrom(first uint64, n int) []wire.Attempt {
	all := make([]wire.Attempt, n)
	for k := range all {
		seq := first + uint64(k)
		all[k] = wire.Attempt{ID: fmt.Sprint(seq), Student: "ann", Item: "i", Skill: "s 1", Correct: k%2 == 0, Time: int64(seq), Seq: seq}
	}
	return all
}

func TestASegmentHoldsWhatWasPutIntoIt(t *testing.T) {
	blobs := NewMemory()
	want := attemptsFrom(7, 1000)
	s, err := WriteAttempts(t.Context(), blobs, want)
	if err != nil || s.First != 7 || s.Last != 1006 || s.Bytes == 0 {
		t.Fatalf("%+v, %v", s, err)
	}
	read := func(s wire.AttemptSegment) (got []wire.Attempt, err error) {
		err = ReadAttempts(t.Context(), blobs, s, func(a wire.Attempt) error {
			got = append(got, a)
			return nil
		})
		return got, err
	}
	got, err := read(s)
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v, %s", err, d)
	}
	for _, wrong := range []wire.AttemptSegment{
		{First: 8, Last: 1006, Hash: s.Hash}, {First: 7, Last: 1005, Hash: s.Hash}, {First: 7, Last: 1007, Hash: s.Hash},
	} {
		if _, err := read(wrong); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%+v: %v", wrong, err)
		}
	}
	text, err := Read(t.Context(), blobs, s.Hash)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	spoilt := s
	if spoilt.Hash, err = Write(t.Context(), blobs, text); err != nil {
		t.Fatal(err)
	}
	if _, err := read(spoilt); !errors.Is(err, ErrCorrupt) {
		t.Errorf("with another byte: %v", err)
	}
	if _, err := WriteAttempts(t.Context(), blobs, nil); err == nil {
		t.Error("an empty segment was written")
	}
}

// Wherever a segment's file is altered, it is said to be: nothing is gained by trying
// again.
func TestASegmentAlteredAnywhereIsCorrupt(t *testing.T) {
	dir := t.TempDir()
	blobs, err := OpenCache(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := WriteAttempts(t.Context(), blobs, attemptsFrom(1, 2000))
	if err != nil {
		t.Fatal(err)
	}
	right, err := Read(t.Context(), blobs, s.Hash)
	if err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(right); at += 1 + len(right)/300 {
		text := bytes.Clone(right)
		text[at] ^= 1
		if err := os.WriteFile(filepath.Join(dir, s.Hash[:2], s.Hash), text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, from := range []Blobs{blobs, hasty{blobs, text}} {
			if err := ReadAttempts(t.Context(), from, s, func(wire.Attempt) error { return nil }); !errors.Is(err, ErrCorrupt) {
				t.Errorf("byte %d, from %T: %v", at, from, err)
			}
		}
	}
}

// hasty gives one text for every blob, the end together with the last bytes, as
// connections do.
type hasty struct {
	Blobs
	text []byte
}

func (h hasty) Get(_ context.Context, hash string) (io.ReadCloser, error) {
	return Verify(io.NopCloser(iotest.DataErrReader(bytes.NewReader(h.text))), hash), nil
}
