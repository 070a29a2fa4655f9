package checkpoint

import (
	"bytes"
	"errors"
	"io"
	"math"
	"slices"
	"testing"

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
		}
		var b bytes.Buffer
		if err := WriteState(&b, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadState(&b)
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
	var b bytes.Buffer
	if err := WriteWeights(&b, p, []string{"add", "carry"}); err != nil {
		t.Fatal(err)
	}
	got, m, err := ReadWeights(bytes.NewReader(b.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(p, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Model{p.Shape, []string{"add", "carry"}, kernels.HashWeights(p)}, m); d != "" {
		t.Error(d)
	}
	if _, err := ReadState(bytes.NewReader(b.Bytes())); !errors.Is(err, ErrCorrupt) {
		t.Errorf("weights were read as a state: %v", err)
	}
}

func TestEveryTornOrAlteredFileIsRefused(t *testing.T) {
	var b bytes.Buffer
	if err := WriteState(&b, state()); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
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

type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestAFullDiskIsAnError(t *testing.T) {
	if err := WriteState(full{}, state()); !errors.Is(err, io.ErrShortWrite) {
		t.Error(err)
	}
}

func FuzzRead(f *testing.F) {
	var b bytes.Buffer
	if err := WriteState(&b, state()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	b.Reset()
	if err := WriteWeights(&b, kernels.InitParams(kernels.Shape{Skills: 1, Embed: 1, Hidden: 1, Layers: 1}, 1), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
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
