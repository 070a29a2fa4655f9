package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"slices"
	"testing"
	"testing/iotest"

	"cohort/dataplane"
	"cohort/dataplane/lake"
	"cohort/dkt"
	"cohort/dkt/metric"
	"cohort/kernels"

	"github.com/google/go-cmp/cmp"
)

func state() *dkt.State {
	c := dkt.Config{Shape: kernels.Shape{Skills: 3, Embed: 2, Hidden: 4, Layers: 2}, Seed: 7}
	st := dkt.NewState(c)
	for k := range st.Moment1 {
		st.Moment1[k], st.Moment2[k] = float32(k)/3, float32(k)/7
	}
	st.Moment1[0] = math.Float32frombits(1) // the smallest subnormal
	st.Power1, st.Power2 = 1.0/3, 0.1
	st.Epoch, st.Step, st.Loss, st.Answers = 2, 5, 1<<60+1, 99
	st.Best = kernels.InitParams(c.Shape, 8)
	st.BestHash = kernels.HashWeights(st.Best)
	st.BestEpoch, st.BestValid, st.Mark, st.Since = 1, metric.Binary{AUC: 0.1 + 0.2, Answers: 3}, 0.3, 1
	st.History = []dkt.EpochReport{{Epoch: 1, Rate: 1e-3, Loss: 0.7, Best: true}}
	return st
}

func TestAStateComesBackToTheLastBit(t *testing.T) {
	direct := kernels.Shape{Skills: 3, Hidden: 4, Layers: 2}
	for _, best := range []bool{true, false} {
		want := state()
		if !best {
			want.Params = kernels.InitParams(direct, 9)
			want.Moment1, want.Moment2 = slices.Clone(want.Params.Data), slices.Clone(want.Params.Data)
		}
		if !best {
			want.Best, want.BestHash = nil, ""
		} else {
			s := kernels.Shape{Skills: 3, Embed: 2, Hidden: 4, Layers: 1, Kinds: 6, Levels: 3}
			want.Best = kernels.InitParams(s, 8)
			want.BestHash = kernels.HashWeights(want.Best)
			want.Params = kernels.InitParams(s, 9)
			want.Moment1, want.Moment2 = slices.Clone(want.Params.Data), slices.Clone(want.Params.Data)
		}
		got, err := ReadState(file(t)(State(want)))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("best %v: %s", best, d)
		}
	}
}

func TestWeightsComeBackWithTheirVocabulary(t *testing.T) {
	p := kernels.InitParams(kernels.Shape{Skills: 2, Embed: 3, Hidden: 5, Layers: 1}, 1)
	f := file(t)(Weights(p, []string{"add", "carry"}, nil))
	got, m, err := ReadWeights(f)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Model{Shape: p.Shape, Skills: []string{"add", "carry"}, Hash: kernels.HashWeights(p)}, m); d != "" {
		t.Error(d)
	}
	in := &dataplane.Inputs{Names: []string{"difficulty", "elapsed"}, Levels: []float64{-0.1, 0.2}, Means: []float64{1, 2}, Pull: 10, Items: "ab", Paces: []int32{5}}
	if _, m, err = ReadWeights(file(t)(Weights(p, []string{"add", "carry"}, in))); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(in, m.Inputs); d != "" {
		t.Error(d)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadState(f); !errors.Is(err, ErrCorrupt) {
		t.Errorf("weights were read as a state: %v", err)
	}
}

// mixed is a store that gives one blob's bytes for whatever is asked for.
type mixed struct {
	lake.Blobs
	text []byte
}

func (m mixed) Get(context.Context, string) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(m.text)), nil
}

// Sound weights are not those asked for when the file has another hash.
func TestWeightsAreThoseOfTheHash(t *testing.T) {
	text := bytesOf(t, file(t)(Weights(state().Best, []string{"a", "b", "c"}, nil)))
	b := mixed{text: text}
	if _, m, err := LoadWeights(t.Context(), b, lake.Hash(text)); err != nil || m.Hash == "" {
		t.Errorf("%+v, %v", m, err)
	}
	if _, _, err := LoadWeights(t.Context(), b, lake.Hash(nil)); !errors.Is(err, lake.ErrCorrupt) {
		t.Errorf("other weights: %v", err)
	}
}

func TestEveryTornOrAlteredFileIsRefused(t *testing.T) {
	whole := bytesOf(t, file(t)(State(state())))
	for cut := 0; cut < len(whole); cut += 97 {
		if _, err := ReadState(bytes.NewReader(whole[:cut])); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("cut at %d of %d: %v", cut, len(whole), err)
		}
	}
	header := 8 + int(whole[0]) + int(whole[1])<<8
	for at := header; at < len(whole); at += 31 {
		changed := bytes.Clone(whole)
		changed[at] ^= 4
		if _, err := ReadState(bytes.NewReader(changed)); !errors.Is(err, ErrCorrupt) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	}
}

// A large state takes many windows; odd lengths and seeks cross them anywhere.
func TestAFileReadsTheSameFromAnywhere(t *testing.T) {
	p := kernels.InitParams(kernels.Shape{Skills: 300, Embed: 50, Hidden: 20, Layers: 2}, 3)
	f := file(t)(Weights(p, nil, nil))
	whole := bytesOf(t, f)
	size := int64(len(whole))
	if end, err := f.Seek(0, io.SeekEnd); err != nil || end != size || size < 2*window {
		t.Fatalf("%d bytes, the end is at %d, %v", size, end, err)
	}
	for at := int64(0); at < size; at += 4099 {
		if _, err := f.Seek(at-size, io.SeekEnd); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, min(window+13, size-at))
		if _, err := io.ReadFull(f, got); err != nil || !bytes.Equal(got, whole[at:][:len(got)]) {
			t.Fatalf("at %d: %v, or other bytes", at, err)
		}
		if now, _ := f.Seek(0, io.SeekCurrent); now != at+int64(len(got)) {
			t.Fatalf("at %d after %d bytes from %d", now, len(got), at)
		}
	}
	if _, err := f.Seek(-1, io.SeekStart); err == nil {
		t.Error("sought before the beginning")
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if err := iotest.TestReader(f, whole); err != nil {
		t.Errorf("%.200s", err)
	}
}

// A connection that breaks is no corrupt file.
func TestALostConnectionIsNotCorruption(t *testing.T) {
	whole := bytesOf(t, file(t)(State(state())))
	lost := errors.New("connection lost")
	_, err := ReadState(io.MultiReader(bytes.NewReader(whole[:len(whole)-5]), iotest.ErrReader(lost)))
	if !errors.Is(err, lost) || errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

// file fails the test when a file can't be made.
func file(t testing.TB) func(*File, error) *File {
	return func(f *File, err error) *File {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
}

func bytesOf(t testing.TB, f *File) []byte {
	t.Helper()
	b, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func FuzzRead(f *testing.F) {
	f.Add(bytesOf(f, file(f)(State(state()))))
	f.Add(bytesOf(f, file(f)(Weights(kernels.InitParams(kernels.Shape{Skills: 1, Embed: 1, Hidden: 1, Layers: 1}, 1), nil, nil))))
	f.Add([]byte{2, 0, 0, 0, 0, 0, 0, 0, '{', '}'})
	f.Fuzz(func(t *testing.T, data []byte) {
		if st, err := ReadState(bytes.NewReader(data)); err == nil && len(st.Params.Data) != st.Params.Shape.ParamCount() {
			t.Errorf("a state of shape %+v with %d parameters", st.Params.Shape, len(st.Params.Data))
		}
		if p, _, err := ReadWeights(bytes.NewReader(data)); err == nil && len(p.Data) != p.Shape.ParamCount() {
			t.Errorf("weights of shape %+v with %d parameters", p.Shape, len(p.Data))
		}
	})
}
